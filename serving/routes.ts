/** The server's routes as a table, and what each answers. HTTP itself (bodies, errors, drain) is in server.ts. */
import type { IncomingMessage } from 'node:http';
import { EspalierError } from '../artifacts/errors.ts';
import { readBody } from './body.ts';
import type { Follower, ModelState, ServedModel } from './follower.ts';
import type { Metrics } from './metrics.ts';
import {
  formatInferResponse,
  modelMetadata,
  parseInferRequest,
  ProtocolError,
  refusalParameters,
  type Predictions,
} from './oip.ts';
import type { PoolOutput } from './pool.ts';
import { termsOfUse, termsParameters } from './terms.ts';
import { predictionRecords, type Recorder } from './recorder.ts';

export interface Services {
  readonly follower: Follower;
  readonly recorder: Recorder;
  readonly metrics: Metrics;
  readonly version: string;
  readonly channel: string;
  readonly maxBodyBytes: number;
  readonly draining: () => boolean;
}

export interface Call {
  readonly services: Services;
  readonly request: IncomingMessage;
  readonly requestId: string;
  readonly model: string;
  /** Of the path; undefined asks for whatever is served. */
  readonly version: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A value is sent as JSON. */
  readonly body: unknown;
}

export interface Route {
  readonly name: string;
  readonly method: 'GET' | 'POST';
  readonly path: RegExp;
  readonly answer: (call: Call) => Answer | Promise<Answer>;
}

const MODEL = String.raw`/v2/models/(?<model>[^/]+)(?:/versions/(?<version>[^/]+))?`;

export const ROUTES: readonly Route[] = [
  { name: 'server', method: 'GET', path: /^\/v2$/, answer: serverMetadata },
  { name: 'live', method: 'GET', path: /^\/v2\/health\/live$/, answer: () => ok({ live: true }) },
  { name: 'ready', method: 'GET', path: /^\/v2\/health\/ready$/, answer: serverReady },
  { name: 'index', method: 'POST', path: /^\/v2\/repository\/index$/, answer: repositoryIndex },
  { name: 'model', method: 'GET', path: new RegExp(`^${MODEL}$`), answer: model },
  { name: 'model-ready', method: 'GET', path: new RegExp(`^${MODEL}/ready$`), answer: modelReady },
  { name: 'terms', method: 'GET', path: new RegExp(`^${MODEL}/terms$`), answer: terms },
  { name: 'infer', method: 'POST', path: new RegExp(`^${MODEL}/infer$`), answer: infer },
  { name: 'metrics', method: 'GET', path: /^\/metrics$/, answer: metrics },
];

function ok(body: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status: 200, headers, body };
}

function serverMetadata({ services }: Call): Answer {
  const { version, channel } = services;
  return ok({ name: 'espalier', version, extensions: ['binary_tensor_data', 'model_repository'], channel });
}

function serverReady({ services }: Call): Answer {
  const ready = services.follower.ready && !services.draining();
  return { status: ready ? 200 : 503, body: { ready } };
}

function repositoryIndex({ services }: Call): Answer {
  return ok(
    [...services.follower.states].map(([name, { served, refused }]) => ({
      name,
      version: served?.release.version ?? '',
      state: served === undefined ? 'UNAVAILABLE' : 'READY',
      reason: refused?.reason ?? '',
    })),
  );
}

function model(call: Call): Answer {
  const known = call.services.follower.states.get(call.model);
  if (known?.refused !== undefined && known.served === undefined) {
    // Whoever deployed it asks here, and must learn whether it is refused for good.
    return {
      status: 503,
      body: { error: nothingServed(call.model, known), parameters: refusalParameters(known.refused) },
    };
  }
  const { state, served } = find(call);
  return ok(
    modelMetadata({
      model: call.model,
      version: served.release.version,
      bundle: served.release.bundle,
      labels: served.config.labels,
      refused: state.refused,
      terms: termsParameters(call.model, served.terms),
    }),
  );
}

/** TERMS.md: what users of the model are bound to. */
async function terms(call: Call): Promise<Answer> {
  const { served } = find(call);
  if (served.terms === null) throw new ProtocolError(404, `the bundle of '${call.model}' says nothing of terms`);
  return ok(await termsOfUse(served.folder), { 'content-type': 'text/markdown; charset=utf-8' });
}

function modelReady(call: Call): Answer {
  find(call);
  return ok({ name: call.model, ready: true });
}

async function metrics({ services }: Call): Promise<Answer> {
  const { registry, queuedRows } = services.metrics;
  for (const [name, { served }] of services.follower.states) {
    queuedRows.set({ model: name }, served?.pool.queued ?? 0);
  }
  return ok(Buffer.from(await registry.metrics()), { 'content-type': registry.contentType });
}

async function infer(call: Call): Promise<Answer> {
  const { services, request, requestId } = call;
  const startedAt = performance.now();
  find(call);
  const body = await readBody(request, services.maxBodyBytes);
  const parsed = parseInferRequest(body, request.headers['inference-header-content-length'] as string | undefined);
  // The version is taken and used in one go: a switch before this line or after it drops nothing.
  const { served } = find(call);
  const output = await compute(served, parsed.texts);
  const predictions = label(served, output);
  const { release } = served;
  if (parsed.record) {
    const asked = { id: requestId, texts: parsed.texts };
    const records = predictionRecords(new Date().toISOString(), asked, release, {
      ...output,
      labels: predictions.labels,
    });
    services.recorder.record(release.model, release.bundle, records);
  }
  const { headers, body: bytes } = formatInferResponse(parsed, release, predictions);
  services.metrics.seconds.observe({ model: call.model }, (performance.now() - startedAt) / 1000);
  return ok(bytes, headers);
}

/** The model of the path, served. Throws ProtocolError: 404 unknown model or version, 503 known but nothing to serve. */
function find({ services, model: name, version }: Call): { readonly state: ModelState; readonly served: ServedModel } {
  const state = services.follower.states.get(name);
  if (state === undefined) throw new ProtocolError(404, `unknown model '${name}'`);
  const { served } = state;
  if (served === undefined) {
    throw new ProtocolError(503, nothingServed(name, state));
  }
  if (version !== undefined && version !== served.release.version) {
    throw new ProtocolError(
      404,
      `unknown version '${version}' of model '${name}': ${served.release.version} is served`,
    );
  }
  return { state, served };
}

function nothingServed(name: string, { refused }: ModelState): string {
  return `model '${name}' has no version that may be served: ${refused?.reason ?? 'loading'}`;
}

async function compute({ pool }: ServedModel, texts: readonly string[]): Promise<PoolOutput> {
  try {
    return await pool.run(texts);
  } catch (error) {
    if (error instanceof EspalierError && error.kind === 'Conflict') {
      throw new ProtocolError(503, `the server is overloaded: ${error.message}`, { 'retry-after': '1' });
    }
    throw error;
  }
}

/** The most probable label a row. Throws when a probability is not a number: better no answer than a made-up one. */
function label({ config }: ServedModel, { probabilities }: PoolOutput): Predictions {
  const classes = config.labels.length;
  const labels: string[] = [];
  for (let start = 0; start < probabilities.length; start += classes) {
    const row = probabilities.subarray(start, start + classes);
    if (!row.every(Number.isFinite))
      throw new EspalierError('Internal', 'the model gave a probability that is no number');
    labels.push(config.labels[row.indexOf(Math.max(...row))] ?? '');
  }
  return { labels, probabilities, classes };
}
