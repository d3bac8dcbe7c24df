/**
 * Worker threads that all do the same work, each replaced when it is lost: what the pools of models and of generators and the
 * searcher have in common. What they are asked, and in which order, is their owner's.
 */
import { Worker } from 'node:worker_threads';
import { EspalierError } from '../artifacts/errors.ts';
import { endWorker, whenEnded, workerEntry } from './worker-thread.ts';

const RESTART_DELAY_MS = 1000;

/** Told once by every thread: it can be asked, and what it was given goes back to whoever needs it next. */
export interface Ready<Held> {
  readonly type: 'ready';
  readonly held: Held;
}

export interface Member<Work> {
  readonly worker: Worker;
  /** It has loaded what it was given. */
  up: boolean;
  /** What it was asked and has not answered. */
  work: Work;
}

export interface Given {
  readonly workerData: unknown;
  /** What is handed over whole, not copied. */
  readonly transferList: readonly ArrayBuffer[];
}

/** What an owner asks of its threads, and how it hears of them. `Taken` becomes `Held` in a thread that is up. */
export interface Duties<Taken, Said, Work> {
  /** The thread's file, beside this one. */
  readonly entry: string;
  /** In lists of threads. */
  readonly name: string;
  /** In the error of one that ends without a word. */
  readonly what: string;
  /** In the error of what waits when it is unloaded, and no thread is left. */
  readonly unloaded: string;
  readonly onRestart?: ((reason: string) => void) | undefined;
  /** What a thread is to hold; asked again whenever a lost one is replaced. */
  take(): Promise<Taken>;
  give(taken: Taken): Given;
  idle(): Work;
  /** A thread has come up, or has been heard: it may be free. */
  dispatch(): void;
  hear(member: Member<Work>, said: Said): void;
  /** Its thread is gone, and may be so by this very work: it fails. */
  lost(work: Work, error: Error): void;
  /** No thread is left that could answer what waits: it fails. */
  stranded(error: Error): void;
}

export class Crew<Taken, Held extends Taken, Said extends { readonly type: string }, Work> {
  readonly #duties: Duties<Taken, Said, Work>;
  readonly #members = new Set<Member<Work>>();
  readonly #answers = new Set<Promise<unknown>>();
  /** Why those are gone that were lost while others started. */
  readonly #missing: Error[] = [];
  #complete = false;
  #ending = false;

  constructor(duties: Duties<Taken, Said, Work>) {
    this.#duties = duties;
  }

  /**
   * Starts `count` threads and waits until each is up; throws what the first failing one said, or the signal's reason. What
   * they hold is handed from one to the next, so that gigabytes are in memory once besides what the runtime makes of them.
   */
  async fill(count: number, signal?: AbortSignal): Promise<void> {
    try {
      let taken = await this.#duties.take();
      for (let started = 0; started < count; started++) {
        signal?.throwIfAborted();
        taken = await this.start(taken);
      }
      signal?.throwIfAborted();
    } catch (error) {
      await this.end();
      throw error;
    }
    this.complete();
  }

  /** One more thread. What it was given comes back as soon as it is up; rejects with why it ended before. */
  start(taken: Taken): Promise<Held> {
    const { entry, name, what, give, idle, hear, dispatch } = this.#duties;
    const { workerData, transferList } = give(taken);
    const worker = new Worker(workerEntry(entry), { workerData, transferList: [...transferList], name });
    const member: Member<Work> = { worker, up: false, work: idle() };
    this.#members.add(member);
    return new Promise((resolve, reject) => {
      worker.on('message', (message: Ready<Held> | Said) => {
        if (isReady(message)) {
          member.up = true;
          resolve(message.held);
        } else hear(member, message);
        dispatch();
      });
      whenEnded(worker, what, (error) => {
        reject(error);
        this.#lost(member, error);
      });
    });
  }

  /** From now on a thread that is lost is replaced; so are those that were up and lost while the others started. */
  complete(): void {
    this.#complete = true;
    for (const error of this.#missing.splice(0)) this.#replace(error, true);
  }

  /** Nothing more is to be accepted. */
  get ending(): boolean {
    return this.#ending;
  }

  /** Those that can be asked. */
  get up(): readonly Member<Work>[] {
    return [...this.#members].filter(({ up }) => up);
  }

  /** Live threads, for tests and `ps`. */
  get threadIds(): readonly number[] {
    return [...this.#members].map(({ worker }) => worker.threadId);
  }

  /** Lets one thread crash: for tests of what follows. */
  async crash(): Promise<void> {
    for (const { worker } of this.#members) return endWorker(worker, 'crash');
  }

  /** What was accepted, until it is answered: no thread is told to end before. */
  accept(answer: Promise<unknown>): void {
    const answered = (): boolean => this.#answers.delete(answer);
    this.#answers.add(answer);
    answer.then(answered, answered);
  }

  /** Answers everything accepted, then ends the threads. */
  async end(): Promise<void> {
    this.#ending = true;
    this.#failStranded();
    await Promise.allSettled(this.#answers);
    await Promise.all([...this.#members].map(({ worker }) => endWorker(worker, 'release')));
  }

  #lost(member: Member<Work>, error: Error): void {
    this.#members.delete(member);
    this.#duties.lost(member.work, error);
    if (this.#ending) this.#failStranded(error);
    else if (this.#complete) this.#replace(error, member.up);
    // One that never came up ends the start itself.
    else if (member.up) this.#missing.push(error);
  }

  /** One that was up is replaced at once. What does not come up or cannot be read is tried again, but not in a tight circle; what waits for it is told. */
  #replace(error: Error, atOnce: boolean): void {
    if (this.#ending) return this.#failStranded(error);
    this.#duties.onRestart?.(error.message);
    if (atOnce) return this.#startAnother();
    if (this.#members.size === 0) this.#duties.stranded(error);
    setTimeout(() => this.#startAnother(), RESTART_DELAY_MS).unref();
  }

  #startAnother(): void {
    if (!this.#ending) void this.#takeAndStart();
  }

  async #takeAndStart(): Promise<void> {
    let starting: Promise<Held>;
    try {
      const taken = await this.#duties.take();
      if (this.#ending) return;
      starting = this.start(taken);
    } catch (error) {
      // Nothing was read, or no thread was made that could be heard.
      this.#replace(error as Error, false);
      return;
    }
    // Its end, whatever it is, is heard where it was started.
    await starting.catch(() => undefined);
  }

  /** Threads that are being ended are not replaced: once the last is gone, nobody will answer what waits. */
  #failStranded(cause?: Error): void {
    if (this.#members.size > 0) return;
    const reason = cause === undefined ? 'no worker was up' : `its last worker was lost (${cause.message})`;
    const message = `${this.#duties.unloaded} is being unloaded and ${reason}`;
    this.#duties.stranded(new EspalierError('Internal', message, { cause }));
  }
}

function isReady<Held>(message: Ready<Held> | { readonly type: string }): message is Ready<Held> {
  return message.type === 'ready';
}
