/** The fault proxy in front of S3: it knows requests, and tells who listens what passes. Loopback only. */
import { Agent, createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { FaultProxy, HOST } from './faults-proxy.ts';

/** A request as it passes, before it is forwarded. `key` is empty for a request on the bucket. */
export interface SeenRequest {
  readonly method: string;
  readonly bucket: string;
  readonly key: string;
  readonly range?: string | undefined;
}

/** What happens to a request: `lostAnswer` is the cruel one, the request has its effect and nobody hears of it. */
type RequestFault = '5xx' | 'slowBody' | 'truncate' | 'refused' | 'lostAnswer';

const SLOW_CHUNK_BYTES = 16 * 1024;
const SLOW_CHUNK_MS = 100;
const SLOW_DOWN =
  '<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>injected</Message></Error>';

/** Forwards Host as it came: it is part of what the client has signed, and the store checks it. */
export class S3Proxy extends FaultProxy {
  protected readonly server: ReturnType<typeof createServer>;
  readonly #upstreamPort: number;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 256 });
  readonly #listeners = new Set<(seen: SeenRequest) => void>();
  /** The faults of the next requests, the first for the next. */
  readonly #next: RequestFault[] = [];
  #burst: RequestFault | undefined;
  /** How many requests a fault has touched: a fault that met no request was none. */
  faulted = 0;

  private constructor(upstreamPort: number) {
    super();
    this.#upstreamPort = upstreamPort;
    this.server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 }, (incoming, answer) => {
      const { socket } = incoming;
      this.#serve(incoming, answer, socket).catch(() => socket.resetAndDestroy());
    });
  }

  static start(upstreamPort: number): Promise<S3Proxy> {
    return new S3Proxy(upstreamPort).listen();
  }

  /** Called synchronously for every request, before it is forwarded; returns how to stop. */
  onRequest(listener: (seen: SeenRequest) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Of the next requests, in turns: one never arrives, of the next only the answer is lost. */
  async reset(times: number): Promise<void> {
    this.#next.push(
      ...Array.from({ length: times }, (_, i) => (i % 2 === 0 ? ('refused' as const) : ('lostAnswer' as const))),
    );
    await this.#used();
  }

  /** Half of the body of the next `times` requests or answers that have one, then the connection breaks. */
  async truncate(times: number): Promise<void> {
    this.#next.push(...Array.from({ length: times }, () => 'truncate' as const));
    await this.#used();
  }

  /** Requests come this much later. */
  override async latency(delayMs: number, forMs: number): Promise<void> {
    this.delayMs = delayMs;
    await this.#met(() => this.delayMs !== delayMs);
    await sleep(forMs);
    this.delayMs = 0;
  }

  /** `503 SlowDown` for every request. */
  unavailable(forMs: number): Promise<void> {
    return this.#during('5xx', forMs);
  }

  /** Bodies crawl, at 160 kB/s each. */
  slowBodies(forMs: number): Promise<void> {
    return this.#during('slowBody', forMs);
  }

  /** Forgets faults that no request has met. */
  heal(): void {
    this.#next.length = 0;
    this.#burst = undefined;
    this.delayMs = 0;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.#agent.destroy();
    await this.closed();
  }

  async #during(fault: RequestFault, forMs: number): Promise<void> {
    this.#burst = fault;
    await this.#met(() => this.#burst !== fault);
    await sleep(forMs);
    this.#burst = undefined;
  }

  /** Until a request has met the fault: on a slow machine a step may be busy for longer than a burst lasts. */
  async #met(healed: () => boolean): Promise<void> {
    const before = this.faulted;
    while (this.faulted === before && !healed()) await sleep(20);
  }

  async #used(): Promise<void> {
    while (this.#next.length > 0) await sleep(20);
  }

  async #serve(incoming: IncomingMessage, answer: ServerResponse, socket: Socket): Promise<void> {
    const [, bucket = '', ...rest] = new URL(incoming.url ?? '/', `http://${HOST}`).pathname.split('/');
    const seen = { method: incoming.method ?? '', bucket, key: rest.join('/'), range: incoming.headers.range };
    for (const listener of this.#listeners) listener(seen);
    await this.gate.pass();
    if (this.delayMs > 0) {
      this.faulted++;
      await sleep(this.delayMs);
    }
    const fault = this.#faultOf(incoming);
    if (fault !== undefined) this.faulted++;
    if (fault === 'refused') return void socket.resetAndDestroy();
    if (fault === '5xx') {
      incoming.resume();
      answer.writeHead(503, { 'content-type': 'application/xml', 'content-length': SLOW_DOWN.length });
      return void answer.end(SLOW_DOWN);
    }
    if (!(await this.#forward(incoming, answer, fault))) socket.resetAndDestroy();
  }

  /** A truncation waits for a body: half of nothing would be no fault. */
  #faultOf(incoming: IncomingMessage): RequestFault | undefined {
    const hasBody = incoming.method === 'GET' || bodyLength(incoming) > 0;
    if (this.#next[0] === 'truncate' && !hasBody) return this.#burst;
    return this.#next.shift() ?? this.#burst;
  }

  /** false: the client shall hear no more. */
  async #forward(incoming: IncomingMessage, answer: ServerResponse, fault: RequestFault | undefined): Promise<boolean> {
    const outgoing = request({
      host: HOST,
      port: this.#upstreamPort,
      method: incoming.method,
      path: incoming.url,
      headers: incoming.rawHeaders,
      agent: this.#agent,
    });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.once('response', resolve);
      outgoing.once('error', reject);
    });
    // Its failure is met below, whichever comes first.
    answered.catch(() => undefined);
    const upload = bodyLength(incoming) > 0;
    const truncatesUpload = fault === 'truncate' && upload;
    const sending = pipeline([incoming, ...shaping(fault, truncatesUpload, bodyLength(incoming)), outgoing]);
    if (truncatesUpload) {
      await sending.catch(() => undefined);
      outgoing.destroy();
      return false;
    }
    // A store may answer before it has read the whole body.
    sending.catch(() => undefined);
    const found = await answered;
    await this.gate.pass();
    if (fault === 'lostAnswer') {
      found.resume();
      return false;
    }
    answer.writeHead(found.statusCode ?? 502, found.rawHeaders);
    await pipeline([found, ...shaping(fault, fault === 'truncate', bodyLength(found)), answer]);
    return true;
  }
}

function shaping(fault: RequestFault | undefined, truncates: boolean, length: number): Transform[] {
  if (truncates) return [cutAfter(Math.floor(length / 2))];
  return fault === 'slowBody' ? [slowly()] : [];
}

/** Passes this many bytes, waits until they are on their way, and breaks. */
function cutAfter(bytes: number): Transform {
  let left = bytes;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const part = chunk.subarray(0, left);
      left -= part.length;
      this.push(part);
      if (left > 0) return done();
      setTimeout(() => done(new Error('cut')), 20);
    },
  });
}

function slowly(): Transform {
  return Transform.from(async function* crawl(chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      for (let start = 0; start < chunk.length; start += SLOW_CHUNK_BYTES) {
        await sleep(SLOW_CHUNK_MS);
        yield chunk.subarray(start, start + SLOW_CHUNK_BYTES);
      }
    }
  }) as Transform;
}

function bodyLength(message: IncomingMessage & Readable): number {
  return Number(
    message.headers['content-length'] ?? (message.headers['transfer-encoding'] === undefined ? 0 : 2 ** 16),
  );
}
