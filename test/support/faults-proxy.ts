/** A proxy of our own that does to bytes what networks do on bad days, and what it shares with the one in front of S3. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export const HOST = '127.0.0.1';
/** Between two breaks, long enough for a client to have connected again. */
export const RESET_EVERY_MS = 200;

/** What both proxies can do. Every promise resolves when the fault is over. */
export interface FaultProxy {
  readonly port: number;
  /** Nothing passes in either direction for this long; then everything goes on where it stood. */
  partition(forMs: number): Promise<void>;
  /** Every chunk (TCP) or request (S3) comes this much later. */
  latency(delayMs: number, forMs: number): Promise<void>;
  /** Breaks every open connection, `times` times. */
  reset(times: number): Promise<void>;
  close(): Promise<void>;
}

/** Holds whoever passes while it is shut. */
export class Gate {
  #shut: Promise<void> | undefined;

  async shutFor(ms: number): Promise<void> {
    this.#shut = sleep(ms);
    await this.#shut;
    this.#shut = undefined;
  }

  async pass(): Promise<void> {
    while (this.#shut !== undefined) await this.#shut;
  }
}

export class TcpProxy implements FaultProxy {
  readonly #server: Server;
  readonly #gate = new Gate();
  readonly #sockets = new Set<Socket>();
  #delayMs = 0;

  private constructor(upstreamPort: number) {
    this.#server = createServer((client) => {
      const upstream = connect(upstreamPort, HOST);
      for (const socket of [client, upstream]) {
        socket.setNoDelay(true);
        this.#sockets.add(socket);
        socket.once('close', () => this.#sockets.delete(socket));
      }
      this.#link(client, upstream);
      this.#link(upstream, client);
    });
  }

  static async start(upstreamPort: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(upstreamPort);
    await listen(proxy.#server);
    return proxy;
  }

  get port(): number {
    return portOf(this.#server);
  }

  partition(forMs: number): Promise<void> {
    return this.#gate.shutFor(forMs);
  }

  async latency(delayMs: number, forMs: number): Promise<void> {
    this.#delayMs = delayMs;
    await sleep(forMs);
    this.#delayMs = 0;
  }

  async reset(times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      for (const socket of this.#sockets) socket.resetAndDestroy();
      await sleep(RESET_EVERY_MS);
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await closed(this.#server);
  }

  /** One direction: in order, each chunk when it is due and the gate is open. */
  #link(from: Socket, to: Socket): void {
    let last = Promise.resolve();
    const turn = async (before: Promise<void>, dueMs: number, act: () => void): Promise<void> => {
      await before;
      const waitMs = dueMs - Date.now();
      if (waitMs > 0) await sleep(waitMs);
      await this.#gate.pass();
      act();
    };
    const inTurn = (act: () => void): void => {
      last = turn(last, Date.now() + this.#delayMs, act);
    };
    from.on('data', (chunk: Buffer) => inTurn(() => void to.write(chunk)));
    from.once('end', () => inTurn(() => to.end()));
    from.once('error', () => to.resetAndDestroy());
    from.once('close', () => inTurn(() => to.destroy()));
  }
}

export async function listen(server: Server): Promise<void> {
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, HOST, resolve));
  server.unref();
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

export async function closed(server: Server): Promise<void> {
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
