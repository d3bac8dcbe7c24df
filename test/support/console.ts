/** A console on a real server and store, its runs on fake activities; every answer is held to the OpenAPI document. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CancelledFailure, Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Activities, Progress } from '../../activities/contract.ts';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import { renderReport } from '../../activities/report/render.ts';
import { digestJson } from '../../artifacts/digest.ts';
import type { ErrorRecord } from '../../artifacts/errors.ts';
import { cancelRun } from '../../client/runs.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { startRun } from '../../client/start-run.ts';
import { createToken, SCOPES, type Scope } from '../../client/tokens.ts';
import { startConsole, type RunningConsole, type Services } from '../../console/server.ts';
import type { Approver, RunView } from '../../workflows/messages.ts';
import { sampleFacts, sampleMaterial } from './facts.ts';
import { TEST_KEY } from './signing.ts';
import { withStore, type TestStore } from './store.ts';
import { temporalForTests } from './temporal.ts';
import { fakeActivities, ref, runInput, untilRun, withWorkers } from './workflow.ts';

export interface Answer<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Body;
}

export interface Call {
  /** null: none. @default one with every scope, of `olga`, who may approve nothing */
  readonly token?: string | null;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface TestConsole {
  readonly url: string;
  readonly linkKey: string;
  readonly temporal: TemporalClient;
  readonly store: TestStore;
  /** Errors that the server kept to itself. */
  readonly broken: unknown[];
  token(user: string, scopes?: readonly Scope[], expiresAt?: string): Promise<string>;
  /** `GET /v1/runs`; fails when the document does not know the route, the status or a field. */
  call<Body>(route: string, options?: Call): Promise<Answer<Body>>;
  /** A run on fake activities; its name decides what becomes of it: `parks`, `trains` for ever, or waits for approval. */
  start(kind?: 'waits' | 'parks' | 'trains', moreApprovers?: readonly Approver[]): Promise<string>;
  until(runId: string, condition: (run: RunView) => boolean): Promise<RunView>;
  stop(): Promise<void>;
}

export const TRAINING: Progress = {
  phase: 'training',
  done: 12,
  total: 100,
  etaSeconds: 88,
  epoch: 2,
  loss: 0.5,
  learningRate: 1e-4,
  samplesPerSecond: 31.5,
  gpuMemoryMb: 2048,
  gpuUtilisation: 0.9,
  lastCheckpointStep: 10,
  lastCheckpointAt: '2026-01-01T00:00:00.000Z',
};

/** `port`: where an identity provider must know it before it listens. */
export async function startTestConsole(overrides: Partial<Services> = {}, port = 0): Promise<TestConsole> {
  const server = await temporalForTests();
  const temporal = await server.connect();
  const store = await withStore();
  const folder = await mkdtemp(join(tmpdir(), 'espalier-console-'));
  for (const model of ['one', 'two']) {
    await mkdir(join(folder, model));
    for (const file of ['config.json', 'tokenizer.json', 'model.safetensors'])
      await writeFile(join(folder, model, file), '{}');
  }
  await writeFile(join(folder, 'a.csv'), 'text,label\na,b\n');
  const candidates = runInput().pipeline.candidates.map((one) => ({ ...one, model: `./${one.id}` }));
  const broken: unknown[] = [];
  const linkKey = 'k'.repeat(32);
  const running = await startConsole(
    {
      ...store,
      signer: TEST_KEY.signer,
      client: temporal.client,
      pipelines: [{ pipeline: { ...runInput().pipeline, candidates }, folder }],
      approvers: () => Promise.resolve(runInput().approvers),
      linkKey,
      onError: (error) => broken.push(error),
      ...overrides,
    },
    { host: '127.0.0.1', port },
  );
  const workers = serve(server.address, store);
  const token = await tokenFor(store, 'olga');
  const check = await answerCheck(running);
  const started: string[] = [];
  return {
    url: running.url,
    linkKey,
    temporal,
    store,
    broken,
    token: (user, scopes, expiresAt) => tokenFor(store, user, scopes, expiresAt),
    async call<Body>(route: string, options: Call = {}): Promise<Answer<Body>> {
      const [method = '', path = ''] = route.split(' ');
      const authorization = options.token === undefined ? token : options.token;
      const response = await fetch(new URL(path, running.url), {
        method,
        redirect: 'manual',
        headers: {
          ...(authorization === null ? {} : { authorization: `Bearer ${authorization}` }),
          ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
          ...options.headers,
        },
        ...(options.body === undefined
          ? {}
          : { body: typeof options.body === 'string' ? options.body : JSON.stringify(options.body) }),
      });
      const text = await response.text();
      const isJson = /json/.test(response.headers.get('content-type') ?? '');
      const body = (isJson ? JSON.parse(text) : undefined) as Body;
      check(method, path, response.status, body);
      return { status: response.status, headers: response.headers, text, body };
    },
    async start(kind = 'waits', moreApprovers = []) {
      const runId = `test-${kind}-${randomUUID()}`;
      started.push(runId);
      const input = runInput();
      await startRun(
        temporal.client,
        {
          input: { ...input, approvers: [...input.approvers, ...moreApprovers] },
          inputRef: ref('input'),
          digest: digestJson(runId),
        },
        { runId },
      );
      return runId;
    },
    until: (runId, condition) => untilRun(temporal.client, runId, condition),
    async stop() {
      await Promise.all(started.map((runId) => cancelRun(temporal.client, runId).catch(() => undefined)));
      await running.close();
      await workers();
      await temporal.close();
      await rm(folder, { recursive: true });
    },
  };
}

async function tokenFor(
  { pointers }: TestStore,
  user: string,
  scopes: readonly Scope[] = SCOPES,
  expiresAt = '2099-01-01T00:00:00.000Z',
): Promise<string> {
  return (await createToken(pointers, { user, scopes, createdBy: 'test', expiresAt })).text;
}

/** Workers until the returned function is called. */
function serve(address: string, { store }: TestStore): () => Promise<void> {
  const { activities } = fakeActivities();
  const reports = async (...[call]: Parameters<Activities['writeReport']>): ReturnType<Activities['writeReport']> => {
    const { kind } = call.input;
    const { electorate } = call.input.facts;
    const facts: RunFacts = {
      ...sampleFacts,
      run: { ...sampleFacts.run, id: call.runId },
      ...(electorate && { electorate }),
    };
    const html = await store.putBytes(renderReport({ kind, facts, ...sampleMaterial(facts) }), {
      name: 'report.html',
      mediaType: 'text/html',
    });
    const json = await store.putJson(facts, 'facts.json');
    const entries = [
      { path: 'facts.json', ref: json },
      { path: 'report.html', ref: html },
    ];
    const { output: _, ...result } = await activities.writeReport(call);
    return { ...result, output: { pack: await store.putManifest(entries, 'evidence'), html, json } };
  };
  let attempts = 0;
  const training = async (...[call]: Parameters<Activities['trainModel']>): ReturnType<Activities['trainModel']> => {
    if (call.runId.includes('-parks-') && call.input.training.learningRate > 1e-5) {
      const record: ErrorRecord = { kind: 'Diverged', message: `loss is NaN (${++attempts})`, retryable: false };
      throw ApplicationFailure.create({
        message: record.message,
        type: 'Diverged',
        nonRetryable: true,
        details: [record],
      });
    }
    while (call.runId.includes('-trains-')) {
      Context.current().heartbeat(TRAINING);
      await Context.current()
        .sleep(200)
        .catch((error: unknown) => {
          throw error instanceof CancelledFailure ? error : new Error('not cancelled');
        });
    }
    return activities.trainModel(call);
  };
  let stop: () => void = () => undefined;
  const stopped = new Promise<void>((resolve) => (stop = resolve));
  const serving = withWorkers(address, { ...activities, writeReport: reports, trainModel: training }, () => stopped);
  return async () => {
    stop();
    await serving;
  };
}

interface Media {
  readonly schema: object;
}
interface Operation {
  readonly operationId: string;
  readonly security?: readonly object[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required?: boolean }[];
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, Media>> }>>;
}
export interface OpenApi {
  readonly openapi: string;
  readonly security: readonly object[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

/** Throws for an answer that the document does not tell. */
async function answerCheck({
  url,
}: RunningConsole): Promise<(method: string, path: string, status: number, body: unknown) => void> {
  const document = (await (await fetch(new URL('/openapi.json', url))).json()) as OpenApi;
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  ajv.addSchema(document, 'document');
  const templates = Object.keys(document.paths).map((template) => ({
    template,
    pattern: new RegExp(`^${template.replaceAll(/\{[^}]+\}/g, '[^/]+')}$`),
  }));
  return (method, path, status, body) => {
    const bare = path.split('?')[0] ?? '';
    const template = templates.find(({ pattern }) => pattern.test(bare))?.template;
    const operation = template === undefined ? undefined : document.paths[template]?.[method.toLowerCase()];
    if (template === undefined || operation === undefined)
      return assert.equal(status, 404, `${method} ${path} is not in the document`);
    const found = String(status) in operation.responses ? String(status) : 'default';
    const answer = operation.responses[found];
    assert.ok(answer, `${method} ${template} answered ${status}, which is not in the document`);
    if (body === undefined) return;
    const type = status < 400 ? 'application/json' : 'application/problem+json';
    const pointer = ['paths', template, method.toLowerCase(), 'responses', found, 'content', type, 'schema']
      .map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')))
      .join('/');
    const validate = ajv.getSchema(`document#/${pointer}`);
    assert.ok(validate, `${method} ${template} ${status} has no schema for ${type}`);
    assert.ok(
      validate(body),
      `${method} ${template} ${status}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(body)}`,
    );
  };
}
