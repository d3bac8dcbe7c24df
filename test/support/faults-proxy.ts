/** A proxy of our own that does to bytes what networks do on bad days, and what it shares with the one in front of S3. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export const HOST = '127.0.0.1';
/** Between two breaks, long enough for a client to have connected again. */
export const RESET_EVERY_MS = 200;

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

/** What both proxies can do. Every promise resolves when the fault is over. */
export abstract class FaultProxy {
  protected abstract readonly server: Server;
  protected readonly gate = new Gate();
  protected delayMs = 0;

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Nothing passes in either direction for this long; then everything goes on where it stood. */
  partition(forMs: number): Promise<void> {
    return this.gate.shutFor(forMs);
  }

  /** Every chunk (TCP) or request (S3) comes this much later. */
  async latency(delayMs: number, forMs: number): Promise<void> {
    this.delayMs = delayMs;
    await sleep(forMs);
    this.delayMs = 0;
  }

  /** Breaks every open connection, `times` times. */
  abstract reset(times: number): Promise<void>;
  abstract close(): Promise<void>;

  protected async listen(): Promise<this> {
    await new Promise<void>((resolve, reject) => this.server.once('error', reject).listen(0, HOST, resolve));
    this.server.unref();
    return this;
  }

  protected async closed(): Promise<void> {
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}

export class TcpProxy extends FaultProxy {
  protected readonly server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(upstreamPort: number) {
    super();
    this.server = createServer((client) => {
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

  static start(upstreamPort: number): Promise<TcpProxy> {
    return new TcpProxy(upstreamPort).listen();
  }

  async reset(times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      for (const socket of this.#sockets) socket.resetAndDestroy();
      await sleep(RESET_EVERY_MS);
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.closed();
  }

  /** One direction: in order, each chunk when it is due and the gate is open. */
  #link(from: Socket, to: Socket): void {
    let last = Promise.resolve();
    const turn = async (before: Promise<void>, dueMs: number, act: () => void): Promise<void> => {
      await before;
      const waitMs = dueMs - Date.now();
      if (waitMs > 0) await sleep(waitMs);
      await this.gate.pass();
      act();
    };
    const inTurn = (act: () => void): void => {
      last = turn(last, Date.now() + this.delayMs, act);
    };
    from.on('data', (chunk: Buffer) => inTurn(() => void to.write(chunk)));
    from.once('end', () => inTurn(() => to.end()));
    from.once('error', () => to.resetAndDestroy());
    from.once('close', () => inTurn(() => to.destroy()));
  }
}
