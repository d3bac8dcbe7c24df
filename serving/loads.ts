/**
 * The loads under way: one a model, whatever becomes of its channel meanwhile, and a few at a time, since each has its model in
 * memory beside what serves. One that is called off is asked to end, never forced: a thread that is ended inside the runtime's
 * native code takes the whole process with it.
 */

/** One that builds a graph for minutes must not keep all the others waiting; each more has another model in memory. */
const AT_ONCE = 2;

export interface Load {
  /** Of the pointer whose release it loads. */
  readonly version: string;
  /** It has ended, and so has what followed it. */
  readonly ended: Promise<void>;
}

export interface LoadWork {
  /** Must not reject. Once the signal is aborted nobody wants its outcome, and it must have none. */
  run(signal: AbortSignal): Promise<void>;
  /** Follows a run that was called off, when the model may be loaded anew. Must not reject. */
  again(): Promise<void>;
}

interface Running extends Load {
  readonly calling: AbortController;
}

export class Loads {
  readonly #running = new Map<string, Running>();
  readonly #waiting = new Set<() => void>();
  #busy = 0;

  /** Models that are being loaded. */
  get models(): readonly string[] {
    return [...this.#running.keys()];
  }

  of(model: string): Load | undefined {
    return this.#running.get(model);
  }

  /** The caller has asked `of` whether there is none yet. */
  begin(model: string, version: string, { run, again }: LoadWork): Load {
    const calling = new AbortController();
    const ended = run(calling.signal).then(() => {
      this.#running.delete(model);
      return calling.signal.aborted ? again() : undefined;
    });
    const running = { version, ended, calling };
    this.#running.set(model, running);
    return running;
  }

  /** Nobody wants what is being loaded of this model, for this reason. */
  callOff(model: string, reason: string): void {
    this.#running.get(model)?.calling.abort(new Error(reason));
  }

  /** Calls all off, and waits until they have ended. */
  async stop(): Promise<void> {
    const running = [...this.#running.values()];
    for (const { calling } of running) calling.abort(new Error('the server stops'));
    await Promise.all(running.map(({ ended }) => ended));
  }

  /** Runs `work` once few enough others run. Throws the signal's reason where it is aborted before. */
  async inTurn<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    while (this.#busy >= AT_ONCE) {
      await this.#changed(signal);
      signal.throwIfAborted();
    }
    this.#busy += 1;
    try {
      return await work();
    } finally {
      this.#busy -= 1;
      for (const wake of this.#waiting) wake();
    }
  }

  async #changed(signal: AbortSignal): Promise<void> {
    let wake = () => {};
    const woken = new Promise<void>((resolve) => (wake = resolve));
    this.#waiting.add(wake);
    signal.addEventListener('abort', wake, { once: true });
    await woken;
    signal.removeEventListener('abort', wake);
    this.#waiting.delete(wake);
  }
}
