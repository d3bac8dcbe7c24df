/** A model server in this process, quick to follow, and requests to it. */
import type { ActivityServices } from '../../activities/step.ts';
import type { Log } from '../../serving/log.ts';
import { startModelServer, type ModelServer, type ModelServerOptions } from '../../serving/server.ts';
import { TEST_KEY } from './signing.ts';

export interface TestServer extends ModelServer {
  /** Everything it logged. */
  readonly lines: readonly string[];
  get(path: string): Promise<Reply>;
  post(path: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Reply>;
  infer(model: string, texts: readonly string[]): Promise<Reply>;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  /** The parsed body; undefined where it is not JSON. */
  readonly json: any; // oxlint-disable-line typescript/no-explicit-any -- answers of every shape, asserted by the tests
}

export async function startTestServer(
  { store, pointers }: ActivityServices,
  options: Partial<ModelServerOptions> = {},
): Promise<TestServer> {
  const lines: string[] = [];
  const log: Log = (level, event, fields) => void lines.push(JSON.stringify({ level, event, ...fields }));
  const server = await startModelServer({
    store,
    pointers,
    host: '127.0.0.1',
    port: 0,
    models: 'all',
    channel: 'production',
    trusted: TEST_KEY.trusted,
    followSeconds: 0.1,
    workers: 1,
    maxBodyBytes: 64 * 1024,
    maxTokens: 64,
    maxPixels: 1_000_000,
    drainSeconds: 0,
    accessLog: true,
    log,
    ...options,
  });
  const send = async (path: string, init: RequestInit): Promise<Reply> => {
    const response = await fetch(`${server.url}${path}`, init);
    const bytes = Buffer.from(await response.arrayBuffer());
    let json: unknown;
    try {
      json = JSON.parse(bytes.toString('utf8'));
    } catch {
      json = undefined;
    }
    return { status: response.status, headers: response.headers, bytes, json };
  };
  const post: TestServer['post'] = (path, body, headers = {}) =>
    send(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
    });
  return {
    ...server,
    lines,
    post,
    get: (path) => send(path, {}),
    infer: (model, texts) => post(`/v2/models/${model}/infer`, inferBody(texts)),
  };
}

export function inferBody(texts: readonly string[], more: Readonly<Record<string, unknown>> = {}) {
  return { inputs: [{ name: 'text', datatype: 'BYTES', shape: [texts.length], data: texts }], ...more };
}

/** Waits until `condition` holds; fails with what it was waiting for. What lasts a few milliseconds is looked for more often. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  { timeoutMs = 45_000, everyMs = 20 }: { readonly timeoutMs?: number; readonly everyMs?: number } = {},
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`timed out waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
