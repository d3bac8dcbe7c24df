/**
 * Tells when a run comes by a named point, from outside: what the server says of running steps, what passes the S3 proxy,
 * and what the training process writes into its folder. The product knows nothing of it.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Progress } from '../../activities/contract.ts';
import type { S3Proxy, SeenRequest } from '../support/faults-s3-proxy.ts';
import { stepFolders } from '../support/faults-stack.ts';
import type { Point } from './table.ts';

/** A running step as the server has it. */
export interface RunningStep extends Partial<Progress> {
  readonly id: string;
  readonly attempt: number;
}

/** Of a training: far enough from both ends of any epoch count that a checkpoint lies behind and work ahead. */
const MIDDLE = 0.45;
/** A checkpoint of a tiny model is written in milliseconds. */
const LOOK_EVERY_MS = 2;

export class Moments {
  readonly #workDir: string;
  readonly #waiting = new Map<Point, () => void>();
  readonly #stopListening: () => void;
  readonly #seen = new Set<string>();
  #steps: readonly RunningStep[] = [];
  #reviewed = false;
  #ended = false;

  constructor(s3: S3Proxy, workDir: string) {
    this.#workDir = workDir;
    this.#stopListening = s3.onRequest((seen) => this.#request(seen));
    void this.#watchCheckpoints();
  }

  /** The next time that the run comes by: a later attempt, another checkpoint, another request. Never, once it has ended. */
  next(point: Point): Promise<void> {
    return new Promise((resolve) => {
      const others = this.#waiting.get(point);
      this.#waiting.set(point, () => {
        others?.();
        resolve();
      });
    });
  }

  get training(): boolean {
    return this.#steps.some(({ id }) => id === 'train');
  }

  /** Told at every look at the server. */
  running(steps: readonly RunningStep[]): void {
    this.#steps = steps;
    for (const { id, attempt, done = 0, total = 0 } of steps) {
      // Whatever its phase: the server hears once a second, and epochs this short may be evaluated at every such second.
      if (id === 'train' && done > 0 && done < total) {
        this.#once('first-step', attempt);
        if (done >= total * MIDDLE) this.#once('mid-epoch', attempt);
      }
      if (id === 'export') this.#once('export', attempt);
      if (id === 'evaluate' || id === 'gates') this.#once('gates', attempt);
    }
  }

  /** The review was approved: what is fetched from now on is for the training. */
  reviewed(): void {
    this.#reviewed = true;
  }

  end(): void {
    this.#ended = true;
    this.#stopListening();
  }

  #request({ method, key }: SeenRequest): void {
    if (this.#reviewed && method === 'GET' && key.startsWith('blobs/')) this.#reach('download');
    if (this.#training(method, key)) this.#reach('upload');
    if (method === 'PUT' && key.startsWith('audit/')) this.#reach('deploy');
  }

  #training(method: string, key: string): boolean {
    return this.training && method === 'PUT' && /^(blobs|checkpoints)\//.test(key);
  }

  async #watchCheckpoints(): Promise<void> {
    while (!this.#ended) {
      await sleep(LOOK_EVERY_MS * (this.#waiting.has('checkpoint-write') ? 1 : 50));
      if (!this.#waiting.has('checkpoint-write') || !this.training) continue;
      for (const step of await stepFolders(this.#workDir)) {
        for (const name of await readdir(join(step, 'checkpoints')).catch(() => [])) {
          if (name.endsWith('.tmp')) this.#once('checkpoint-write', `${step}/${name}`);
        }
      }
    }
  }

  /** At most once for the same occasion, and only if somebody waits: an occasion that nobody took comes again. */
  #once(point: Point, occasion: string | number): void {
    const name = `${point} ${occasion}`;
    if (this.#seen.has(name) || !this.#waiting.has(point)) return;
    this.#seen.add(name);
    this.#reach(point);
  }

  #reach(point: Point): void {
    const tell = this.#waiting.get(point);
    this.#waiting.delete(point);
    tell?.();
  }
}
