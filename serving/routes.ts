/** The server's routes as a table, and what each answers. HTTP itself (bodies, errors, drain) is in server.ts. */
import { EspalierError } from '../artifacts/errors.ts';
import { readBody } from './body.ts';
import { find, nothingServed, type Answer, type Call } from './call.ts';
import { chatCompletions, listModels } from './chat.ts';
import type { ServedClassifier, ServedModel } from './follower.ts';
import { generate, generateStream } from './generate.ts';
import {
  formatInferResponse,
  generatorMetadata,
  modelMetadata,
  parseInferRequest,
  refusalParameters,
  requireTexts,
  type AskedRequest,
  type Predictions,
} from './oip.ts';
import { parsePictureRequest } from './picture-request.ts';
import type { PoolOutput } from './pool.ts';
import type { ModelRow } from './pool-messages.ts';
import { ProtocolError } from './protocol-error.ts';
import { keptPicture, keptText, predictionRecords, type KeptInput } from './recorder.ts';
import { reopenedParameters, termsOfUse, termsParameters } from './terms.ts';

export interface Route {
  readonly name: string;
  readonly method: 'GET' | 'POST';
  readonly path: RegExp;
  readonly answer: (call: Call) => Answer | Promise<Answer>;
  /** The shape of its errors; `{error}` when missing. */
  readonly errors?: 'openai';
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
  { name: 'generate', method: 'POST', path: new RegExp(`^${MODEL}/generate$`), answer: generate },
  { name: 'generate-stream', method: 'POST', path: new RegExp(`^${MODEL}/generate_stream$`), answer: generateStream },
  { name: 'models', method: 'GET', path: /^\/v1\/models$/, answer: listModels, errors: 'openai' },
  {
    name: 'chat-completions',
    method: 'POST',
    path: /^\/v1\/chat\/completions$/,
    answer: chatCompletions,
    errors: 'openai',
  },
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
  const { version, bundle } = served.release;
  const common = {
    model: call.model,
    version,
    bundle,
    refused: state.refused,
    terms: {
      ...termsParameters(call.model, served.terms),
      ...reopenedParameters(call.services.follower.reviewReopened(call.model)),
    },
  };
  return ok(
    served.kind === 'generator'
      ? generatorMetadata({ ...common, contextTokens: served.config.contextTokens })
      : modelMetadata({ ...common, ...served.config, takes: served.config.input ?? 'text' }),
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
  const { registry, queuedRows, generating } = services.metrics;
  for (const [name, { served }] of services.follower.states) {
    queuedRows.set({ model: name }, served?.pool.queued ?? 0);
    if (served?.kind === 'generator') generating.set({ model: name }, served.pool.running);
  }
  return ok(Buffer.from(await registry.metrics()), { 'content-type': registry.contentType });
}

async function infer(call: Call): Promise<Answer> {
  const { services, request, requestId } = call;
  const startedAt = performance.now();
  classifier(find(call).served);
  const body = await readBody(request, services.maxBodyBytes);
  // The version is taken and used in one go: a switch before this line or after it drops nothing.
  const served = classifier(find(call).served);
  const { release } = served;
  const { rows, kept, ...asked } = readInputs(
    served,
    body,
    request.headers['inference-header-content-length'] as string | undefined,
  );
  const output = await compute(served, rows);
  const predictions = label(served, output);
  if (asked.record) {
    const records = predictionRecords(new Date().toISOString(), { id: requestId, kept: kept() }, release.bundle, {
      ...output,
      labels: predictions.labels,
    });
    services.recorder.record(release.model, release.bundle, records);
  }
  const { headers, body: bytes } = formatInferResponse(asked, release, predictions);
  services.metrics.seconds.observe({ model: call.model }, (performance.now() - startedAt) / 1000);
  return ok(bytes, headers);
}

interface Asked extends AskedRequest {
  readonly rows: readonly ModelRow[];
  /** What the prediction log keeps of each row. */
  readonly kept: () => readonly KeptInput[];
}

/** The request's rows as the model takes them: texts, or pictures. Throws ProtocolError 400. */
function readInputs({ config, release }: ServedClassifier, body: Buffer, headerLength: string | undefined): Asked {
  if (config.input === 'image') {
    const { pictures, ...asked } = parsePictureRequest(body, headerLength);
    return { ...asked, rows: pictures, kept: () => pictures.map(keptPicture) };
  }
  const { texts, ...asked } = parseInferRequest(body, headerLength);
  requireTexts(texts, 'pairs' in config);
  return { ...asked, rows: texts, kept: () => texts.map((text) => keptText(text, release.recordText)) };
}

/** Throws ProtocolError 400 for another kind of model. */
function classifier(served: ServedModel): ServedClassifier {
  if (served.kind === 'classifier') return served;
  const { model } = served.release;
  throw new ProtocolError(
    400,
    `model '${model}' generates text: use /v2/models/${model}/generate or /v1/chat/completions`,
  );
}

/** Throws ProtocolError: 503 overloaded, 400 for a picture that cannot be decoded. */
async function compute({ pool }: ServedClassifier, rows: readonly ModelRow[]): Promise<PoolOutput> {
  try {
    return await pool.run(rows);
  } catch (error) {
    if (error instanceof EspalierError && error.kind === 'Conflict') {
      throw new ProtocolError(503, `the server is overloaded: ${error.message}`, { 'retry-after': '1' });
    }
    if (error instanceof EspalierError && error.kind === 'BadData') throw new ProtocolError(400, error.message);
    throw error;
  }
}

/** The most probable label a row. Throws when a probability is not a number: better no answer than a made-up one. */
function label({ config }: ServedClassifier, { probabilities }: PoolOutput): Predictions {
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
