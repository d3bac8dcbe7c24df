/** The model server: plain node:http around the routes, with a drain that loses nothing. */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { EspalierError } from '../artifacts/errors.ts';
import type { Pointers } from '../artifacts/pointers.ts';
import { writePredictions } from '../artifacts/predictions.ts';
import type { TrustedKeys } from '../artifacts/signing-keys.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { Follower } from './follower.ts';
import type { Log } from './log.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { BrokeOff, ProtocolError } from './protocol-error.ts';
import { Recorder, type RecorderOptions } from './recorder.ts';
import { VERSION } from './version.ts';
import { ClientGone, EventStream, type Answer, type Call, type Services } from './call.ts';
import { errorBody, sendEvents } from './events.ts';
import { ROUTES, type Route } from './routes.ts';

export interface ModelServerOptions {
  readonly store: ArtifactStore;
  readonly pointers: Pointers;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly models: readonly string[] | 'all';
  readonly channel: string;
  /** The keys whose signatures count: nothing else is loaded. */
  readonly trusted: TrustedKeys;
  readonly followSeconds: number;
  readonly workers: number;
  readonly maxBodyBytes: number;
  /** Width × height that a picture may have. */
  readonly maxPixels: number;
  /** Tokens that an answer of a generator may have. */
  readonly maxTokens: number;
  /** How long requests are still accepted once it says that it is not ready: the time a load balancer needs to notice. */
  readonly drainSeconds: number;
  /** What is under way gets this long to end in a drain, and is cut off then. @default 30 s */
  readonly drainDeadlineMs?: number;
  readonly accessLog: boolean;
  readonly log: Log;
  readonly recorder?: Pick<RecorderOptions, 'batchRows' | 'flushMs' | 'maxRows'>;
}

export interface ModelServer {
  readonly url: string;
  readonly follower: Follower;
  readonly metrics: Metrics;
  readonly recorder: Recorder;
  /** Not ready, then no new connections, then everything accepted is answered, recorded and unloaded. */
  drain(): Promise<void>;
}

/** What nginx calls a request whose client went away before its answer: no status of HTTP's. */
const CLIENT_GONE = 499;
const DRAIN_DEADLINE_MS = 30_000;

export async function startModelServer(options: ModelServerOptions): Promise<ModelServer> {
  const { store, pointers, log, drainDeadlineMs = DRAIN_DEADLINE_MS } = options;
  const metrics = createMetrics();
  const follower = new Follower({ ...options, metrics });
  const serverId = randomUUID().slice(0, 8);
  const recorder = new Recorder({
    ...options.recorder,
    log,
    write: ({ model, bundle }, records) =>
      writePredictions({ store, pointers }, { model, bundle, server: serverId }, records),
    onRecorded: (model, rows) => metrics.recorded.inc({ model }, rows),
    onDropped: (model, rows) => metrics.dropped.inc({ model }, rows),
  });
  let draining: Promise<void> | undefined;
  let cuttingOff = false;
  const services: Services = {
    ...options,
    version: VERSION,
    follower,
    recorder,
    metrics,
    draining: () => draining !== undefined,
    cuttingOff: () => cuttingOff,
  };
  const server = createServer((request, response) => void handle(services, options, request, response));
  // A body that trickles in must not hold a connection for Node's five minutes.
  server.requestTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  follower.start(options.followSeconds * 1000);

  const close = async () => {
    log('info', 'draining');
    await sleep(options.drainSeconds * 1000);
    const closed = new Promise((resolve) => server.close(resolve));
    const deadline = setTimeout(() => {
      cuttingOff = true;
      server.closeAllConnections();
    }, drainDeadlineMs);
    await closed;
    clearTimeout(deadline);
    await follower.stop();
    await recorder.close();
    log('info', 'drained');
  };
  const { address, port, family } = server.address() as AddressInfo;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    follower,
    metrics,
    recorder,
    drain: () => (draining ??= close()),
  };
}

async function handle(
  services: Services,
  options: ModelServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const startedAt = performance.now();
  const given = request.headers['x-request-id'];
  const requestId = typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID();
  const gone = new AbortController();
  response.once('close', () => gone.abort(services.cuttingOff() ? cutOff() : new ClientGone()));
  const { call, name, answer, errors } = dispatch(services, request, requestId, gone.signal);
  const { status, headers, body } = await answered(call, answer, errors, options.log);
  const model = knownModel(call);
  services.metrics.requests.inc({ route: name, model, status });
  const logRequest = (more: object): void => {
    if (!options.accessLog) return;
    const milliseconds = Math.round(performance.now() - startedAt);
    options.log('info', 'request', { requestId, route: name, model, status, milliseconds, ...more });
  };
  if (body instanceof EventStream) {
    await sendEvents(
      response,
      body.events,
      { requestId, ...headers },
      {
        shape: errors,
        signal: gone.signal,
        onFailed: (error) =>
          options.log('error', 'stream-failed', { requestId, route: name, model, reason: String(error) }),
      },
    );
    logRequest({ streamed: true });
    return;
  }
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  logRequest({ bytes: bytes.length });
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': bytes.length,
    'x-request-id': requestId,
    ...(services.draining() ? { connection: 'close' } : {}),
    ...headers,
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
  // What was not read of a refused body is thrown away, so that the connection can be used again.
  request.resume();
}

/** The route of a path and method; paths without one answer 404, a known path with another method 405. */
function dispatch(
  services: Services,
  request: IncomingMessage,
  requestId: string,
  signal: AbortSignal,
): { readonly call: Call } & Pick<Route, 'name' | 'answer' | 'errors'> {
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  for (const route of ROUTES) {
    const match = route.path.exec(path);
    if (match === null) continue;
    const [model, version] = [decode(match.groups?.['model']), decode(match.groups?.['version'])];
    const call: Call = { services, request, requestId, signal, model: model ?? '', version };
    if (route.method === method) return { call, ...route };
    const allow = route.method === 'GET' ? 'GET, HEAD' : route.method;
    return {
      call,
      name: route.name,
      answer: () => ({
        status: 405,
        headers: { allow },
        body: { error: `${request.method} is not allowed: use ${allow}` },
      }),
    };
  }
  return {
    call: { services, request, requestId, signal, model: '', version: undefined },
    name: 'unknown',
    answer: () => ({ status: 404, body: { error: 'unknown path' } }),
  };
}

function decode(part: string | undefined): string | undefined {
  try {
    return part === undefined ? undefined : decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** What the client named, where there is such a model; else nothing: whatever is asked for must not fill metrics and logs. */
function knownModel({ services, model }: Call): string {
  return services.follower.states.has(model) ? model : '';
}

/** Why an answer ends that a drain did not wait for any longer. */
function cutOff(): EspalierError {
  return new EspalierError('Internal', 'cut off: the server was told to end, and the answer took longer than it waits');
}

async function answered(call: Call, answer: Route['answer'], errors: Route['errors'], log: Log): Promise<Answer> {
  try {
    return await answer(call);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const logFailure = (): void =>
      log('error', 'request-failed', { requestId: call.requestId, model: knownModel(call), reason });
    if (error instanceof ProtocolError) {
      // As a stream's: it had begun, and is counted as failed.
      if (error instanceof BrokeOff) logFailure();
      const { status, headers, field } = error;
      return { status, headers, body: errorBody(reason, status, errors, field) };
    }
    // Nobody is there to read it, and nothing went wrong here: no error of the server's, whatever counts those.
    if (error instanceof ClientGone) return { status: CLIENT_GONE, body: errorBody(reason, CLIENT_GONE, errors) };
    logFailure();
    return { status: 500, body: errorBody(`the server could not answer (request ${call.requestId})`, 500, errors) };
  }
}
