/**
 * Uploads checkpoints while training goes on: one at a time, always the newest; those overtaken meanwhile are skipped.
 * While the store is down the newest stays on disk and is tried again; training goes on.
 */
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { EspalierError } from '../../artifacts/errors.ts';

export interface LocalCheckpoint {
  readonly path: string;
  readonly step: number;
  readonly validationLoss: number | null;
}

const FIRST_DELAY_MS = 1000;
const LONGEST_DELAY_MS = 30_000;

/** Worth waiting for: the other side is away, nothing is wrong with what we ask. */
export function isOutage(error: unknown): boolean {
  return error instanceof EspalierError && ['StorageUnavailable', 'NetworkUnavailable'].includes(error.kind);
}

/** Repeats what failed for an outage, at longer and longer intervals, until it succeeds or `signal` aborts. */
export async function throughOutage<T>(
  attempt: () => Promise<T>,
  signal: AbortSignal,
  onOutage: (error: Error) => void = () => {},
): Promise<T> {
  for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(delayMs * 2, LONGEST_DELAY_MS)) {
    try {
      return await attempt();
    } catch (error) {
      if (!isOutage(error) || signal.aborted) throw error;
      onOutage(error as Error);
      await sleep(delayMs, undefined, { signal }).catch(() => {}); // one last try
    }
  }
}

export class CheckpointUploads {
  readonly #keep: (checkpoint: LocalCheckpoint) => Promise<void>;
  readonly #onProblem: (message: string) => void;
  #waiting: LocalCheckpoint | undefined;
  #working: Promise<void> | undefined;
  #closed = false;
  /** Aborted when a newer checkpoint makes waiting pointless, or when patience has ended. */
  #patience = new AbortController();
  #impatient = false;

  constructor(options: {
    /** Stores a checkpoint and moves the pointer to it. */
    readonly keep: (checkpoint: LocalCheckpoint) => Promise<void>;
    /** A checkpoint that could not be kept does not stop the training: the next one tries again. */
    readonly onProblem: (message: string) => void;
  }) {
    this.#keep = options.keep;
    this.#onProblem = options.onProblem;
  }

  add(checkpoint: LocalCheckpoint): void {
    if (this.#closed) return void this.#remove(checkpoint);
    const overtaken = this.#waiting;
    this.#waiting = checkpoint;
    this.#patience.abort();
    if (overtaken !== undefined) void this.#remove(overtaken);
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  /** Resolves when everything added so far is kept or given up: an outage is waited for at most this long. */
  async drained(patienceMs: number): Promise<void> {
    const timer = setTimeout(() => {
      this.#impatient = true;
      this.#patience.abort();
    }, patienceMs);
    try {
      await this.#working;
    } finally {
      clearTimeout(timer);
      this.#impatient = false;
    }
  }

  /** Nothing more is kept: somebody else is at it. */
  close(): void {
    this.#closed = true;
    this.#impatient = true;
    this.#patience.abort();
  }

  async #work(): Promise<void> {
    let told = false;
    while (this.#waiting !== undefined) {
      const checkpoint = this.#waiting;
      this.#waiting = undefined;
      this.#patience = new AbortController();
      if (this.#impatient) this.#patience.abort();
      const tellOnce = (error: Error): void => {
        if (!told) this.#onProblem(`checkpoints wait on disk: ${error.message}`);
        told = true;
      };
      try {
        if (!this.#closed) await throughOutage(() => this.#keep(checkpoint), this.#patience.signal, tellOnce);
        told = false;
      } catch (error) {
        // Overtaken while it waited: the newer one is tried next.
        if (this.#waiting === undefined || !isOutage(error)) {
          this.#onProblem(`the checkpoint of step ${checkpoint.step} could not be kept: ${(error as Error).message}`);
        }
      }
      await this.#remove(checkpoint);
    }
  }

  /** The trainer never deletes a checkpoint: it cannot know what is being uploaded. */
  async #remove(checkpoint: LocalCheckpoint): Promise<void> {
    await rm(checkpoint.path, { recursive: true, force: true }).catch((error: Error) =>
      this.#onProblem(`cannot remove ${checkpoint.path}: ${error.message}`),
    );
  }
}
