/** The server's routes as a table, and what each answers. HTTP itself (bodies, errors, drain) is in server.ts. */
import { find, nothingServed, type Answer, type Call } from './call.ts';
import { chatCompletions, listModels } from './chat.ts';
import { generate, generateStream } from './generate.ts';
import { infer } from './infer.ts';
import { generatorMetadata, modelMetadata, refusalParameters, retrieverMetadata, type ServedMetadata } from './oip.ts';
import { ProtocolError } from './protocol-error.ts';
import type { ServedModel } from './served-model.ts';
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
  return ok(metadataOf(served, common));
}

function metadataOf(served: ServedModel, common: ServedMetadata): unknown {
  switch (served.kind) {
    case 'generator':
      return generatorMetadata({ ...common, contextTokens: served.config.contextTokens });
    case 'retriever': {
      const { labels, rows, graph } = served.pool.header;
      const search = graph === null ? 'exact' : 'graph';
      return retrieverMetadata({ ...common, labels, rows, search, neighbours: served.neighbours });
    }
    case 'classifier':
      return modelMetadata({ ...common, ...served.config, takes: served.config.input ?? 'text' });
  }
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
