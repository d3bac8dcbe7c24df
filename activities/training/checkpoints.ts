/**
 * The checkpoints of one training, and who may add to them. The truth is the pointer `checkpoints/<step key>/latest`;
 * trees are uploaded before it moves. Two attempts can run at once (a worker that lost its server goes on): each takes a
 * new term when it begins, and only the newest term's writes are accepted.
 */
import { EspalierError } from '../../artifacts/errors.ts';
import type { Pointers } from '../../artifacts/pointers.ts';
import type { ArtifactRef, Digest } from '../../artifacts/reference.ts';

export interface SavedCheckpoint {
  readonly step: number;
  readonly tree: ArtifactRef;
}

/** `checkpoints/<step key hex>/latest`. */
export interface CheckpointPointer {
  readonly version: 1;
  /** Raised by every attempt that begins: the fence. */
  readonly term: number;
  readonly runId: string;
  readonly attempt: number;
  /** false once the holder ended in order. */
  readonly held: boolean;
  readonly renewedAt: string;
  /** Newest first. The one before is kept for when the newest turns out damaged. */
  readonly checkpoints: readonly SavedCheckpoint[];
  readonly resumedAtSteps: readonly number[];
}

export interface Holder {
  readonly runId: string;
  readonly attempt: number;
}

export const KEPT_CHECKPOINTS = 2;
/** A later attempt of the same run that showed life this recently is at work: an earlier one that starts late gives way. */
const FRESH_MS = 60_000;

export function checkpointKey(step: Digest): string {
  return `checkpoints/${step.slice('sha256:'.length)}/latest`;
}

/** Whether an attempt that begins must give way to the one that holds the pointer. */
export function mustGiveWay(holder: CheckpointPointer | undefined, beginning: Holder, nowMs: number): boolean {
  return (
    holder !== undefined &&
    holder.held &&
    holder.runId === beginning.runId &&
    holder.attempt > beginning.attempt &&
    nowMs - Date.parse(holder.renewedAt) < FRESH_MS
  );
}

export class CheckpointLease {
  readonly #pointers: Pointers;
  readonly #key: string;
  readonly #term: number;
  /** As they stood when the lease was taken, newest first. */
  readonly checkpoints: readonly SavedCheckpoint[];

  private constructor(pointers: Pointers, key: string, taken: CheckpointPointer) {
    this.#pointers = pointers;
    this.#key = key;
    this.#term = taken.term;
    this.checkpoints = taken.checkpoints;
  }

  /** Throws Preempted when a later attempt of the same run is at work. */
  static async take(pointers: Pointers, step: Digest, holder: Holder): Promise<CheckpointLease> {
    const key = checkpointKey(step);
    for (;;) {
      const found = await pointers.read<CheckpointPointer>(key);
      if (mustGiveWay(found?.value, holder, Date.now())) {
        throw new EspalierError('Preempted', `attempt ${found?.value.attempt} of this step is already training`, {
          where: key,
          fix: 'nothing to do: the later attempt finishes the step',
        });
      }
      const taken: CheckpointPointer = {
        version: 1,
        term: (found?.value.term ?? 0) + 1,
        ...holder,
        held: true,
        renewedAt: new Date().toISOString(),
        checkpoints: found?.value.checkpoints ?? [],
        resumedAtSteps: found?.value.resumedAtSteps ?? [],
      };
      if (await pointers.replace(key, taken, found?.version)) return new CheckpointLease(pointers, key, taken);
    }
  }

  /** Adds a checkpoint whose tree is in the store. Returns the holder that took over, or undefined when it was accepted. */
  publish(checkpoint: SavedCheckpoint): Promise<Holder | undefined> {
    return this.#update((value) => ({
      checkpoints: [checkpoint, ...value.checkpoints.filter((kept) => kept.step !== checkpoint.step)].slice(
        0,
        KEPT_CHECKPOINTS,
      ),
    }));
  }

  /** Records that training went on from this step. */
  async resumed(step: number): Promise<void> {
    await this.#update((value) => ({ resumedAtSteps: [...value.resumedAtSteps, step] }));
  }

  /** Steps at which attempts of this training began from a checkpoint. */
  async resumedAtSteps(): Promise<readonly number[]> {
    return (await this.#pointers.read<CheckpointPointer>(this.#key))?.value.resumedAtSteps ?? [];
  }

  /** Lets the next attempt begin at once, whatever its number. */
  async release(): Promise<void> {
    await this.#update(() => ({ held: false }));
  }

  async #update(change: (value: CheckpointPointer) => Partial<CheckpointPointer>): Promise<Holder | undefined> {
    for (;;) {
      const found = await this.#pointers.read<CheckpointPointer>(this.#key);
      if (found === undefined)
        throw new EspalierError('Conflict', 'the checkpoint pointer was deleted during training', { where: this.#key });
      const { value, version } = found;
      if (value.term !== this.#term) return { runId: value.runId, attempt: value.attempt };
      const next = { ...value, renewedAt: new Date().toISOString(), ...change(value) };
      if (await this.#pointers.replace(this.#key, next, version)) return undefined;
    }
  }
}
