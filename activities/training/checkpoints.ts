/**
 * The checkpoints of one training, what befell it, and who may add to it. The truth is the pointer
 * `checkpoints/<step key>/latest`; trees are uploaded before it moves. Two attempts can run at once (a worker that lost
 * its server goes on): each takes a new term when it begins, and only the newest term's writes are accepted.
 */
import { digestBytes } from '../../artifacts/digest.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import type { Pointers } from '../../artifacts/pointers.ts';
import { hexOf, type ArtifactRef, type Digest } from '../../artifacts/reference.ts';
import type { AttemptLog } from '../contract/training.ts';
import type { AttemptFailure } from './failures.ts';
import { retain, type RetentionPolicy } from './retention.ts';

export interface SavedCheckpoint {
  readonly step: number;
  readonly tree: ArtifactRef;
  readonly at?: string;
  /** Of the newest evaluation before it. */
  readonly validationLoss?: number | null;
}

export interface CheckpointPointer {
  readonly version: 1;
  /** Raised by every attempt that begins: the fence. */
  readonly term: number;
  readonly runId: string;
  readonly attempt: number;
  /** false once the holder ended in order. */
  readonly held: boolean;
  readonly renewedAt: string;
  /** Newest first. More than one is kept for when the newest turns out damaged. */
  readonly checkpoints: readonly SavedCheckpoint[];
  readonly resumedAtSteps: readonly number[];
  /** Set once memory ran out: later attempts begin with it. */
  readonly microBatchDivisor?: number;
  /** Steps at which memory ran out. */
  readonly outOfMemoryAtSteps?: readonly number[];
  readonly failures?: readonly AttemptFailure[];
  readonly warnings?: readonly string[];
  readonly logs?: readonly (AttemptLog & { readonly term: number })[];
  /** Checkpoints that were let go: a collection of garbage spares them for its grace (artifacts/collect.ts). */
  readonly superseded?: readonly { readonly tree: Digest; readonly at: string }[];
}

export interface Holder {
  readonly runId: string;
  readonly attempt: number;
}

export type Change = (value: CheckpointPointer) => Partial<CheckpointPointer>;

/** A holder renews this often; that is also how soon a zombie notices. */
export const RENEW_EVERY_MS = 10_000;
/** A later attempt of the same run that showed life this recently is at work: an earlier one that starts late gives way. */
const FRESH_MS = 3 * RENEW_EVERY_MS;
const KEPT_LOGS = 100;
const KEPT_SUPERSEDED = 1000;
const KEPT_WARNINGS = 50;

/** `ownRun`: of a run that must not use what others computed: a lineage of its own. (A run's id may hold what a key must not.) */
export function checkpointKey(step: Digest, ownRun?: string): string {
  return `checkpoints/${hexOf(step)}/${ownRun === undefined ? 'latest' : `fresh/${hexOf(digestBytes(ownRun))}`}`;
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

/** Adds a checkpoint, lets go those that the policy does not keep and those found unusable. */
export function withCheckpoint(
  value: CheckpointPointer,
  checkpoint: SavedCheckpoint,
  policy: RetentionPolicy,
  unusable: ReadonlySet<Digest>,
  at: string,
): Pick<CheckpointPointer, 'checkpoints' | 'superseded'> {
  const others = value.checkpoints.filter((kept) => kept.step !== checkpoint.step && !unusable.has(kept.tree.digest));
  const checkpoints = retain([checkpoint, ...others], policy);
  const kept = new Set(checkpoints.map(({ tree }) => tree.digest));
  const gone = value.checkpoints.map(({ tree }) => tree.digest).filter((tree) => !kept.has(tree));
  const before = (value.superseded ?? []).filter(({ tree }) => !kept.has(tree));
  return { checkpoints, superseded: [...before, ...gone.map((tree) => ({ tree, at }))].slice(-KEPT_SUPERSEDED) };
}

/** Adds an attempt's log, or replaces what was kept of it so far. */
export function withLog(value: CheckpointPointer, log: AttemptLog): Pick<CheckpointPointer, 'logs'> {
  const others = (value.logs ?? []).filter((kept) => kept.term !== value.term);
  return { logs: [...others, { ...log, term: value.term }].slice(-KEPT_LOGS) };
}

/** Adds a warning, once. The first are kept: what went wrong first is mostly why. */
export function withWarning(
  { warnings = [] }: CheckpointPointer,
  warning: string,
): Pick<CheckpointPointer, 'warnings'> {
  const known = warnings.includes(warning) || warnings.length >= KEPT_WARNINGS;
  return { warnings: known ? warnings : [...warnings, warning] };
}

export class CheckpointLease {
  readonly #pointers: Pointers;
  readonly #key: string;
  readonly #term: number;
  #value: CheckpointPointer;
  /** Not in the store yet. */
  #changes: readonly Change[] = [];
  #writing: Promise<Holder | undefined> = Promise.resolve(undefined);

  private constructor(pointers: Pointers, key: string, taken: CheckpointPointer) {
    this.#pointers = pointers;
    this.#key = key;
    this.#term = taken.term;
    this.#value = taken;
  }

  /** Throws Preempted when a later attempt of the same run is at work. */
  static async take(pointers: Pointers, key: string, holder: Holder): Promise<CheckpointLease> {
    for (;;) {
      const found = await pointers.read<CheckpointPointer>(key);
      if (mustGiveWay(found?.value, holder, Date.now())) {
        throw new EspalierError('Preempted', `attempt ${found?.value.attempt} of this step is already training`, {
          where: key,
          fix: 'nothing to do: the later attempt finishes the step',
        });
      }
      const taken: CheckpointPointer = {
        checkpoints: [],
        resumedAtSteps: [],
        ...found?.value,
        version: 1,
        term: (found?.value.term ?? 0) + 1,
        runId: holder.runId,
        attempt: holder.attempt,
        held: true,
        renewedAt: new Date().toISOString(),
      };
      if (await pointers.replace(key, taken, found?.version)) return new CheckpointLease(pointers, key, taken);
    }
  }

  /** As it stands in our eyes, with what is not in the store yet. */
  get value(): CheckpointPointer {
    return this.#value;
  }

  /** Notes a change; the next write takes it along. Never fails: a store that is down costs time only. */
  note(change: Change): void {
    this.#value = { ...this.#value, ...change(this.#value) };
    this.#changes = [...this.#changes, change];
  }

  /** Writes what was noted and renews the lease. Returns the holder that took over, or undefined: we still hold it. */
  write(): Promise<Holder | undefined> {
    const next = this.#writing.catch(() => undefined).then(() => this.#write());
    this.#writing = next;
    return next;
  }

  /** Writes for the last time and lets the next attempt begin at once, whatever its number. */
  async release(): Promise<Holder | undefined> {
    this.note(() => ({ held: false }));
    return this.write();
  }

  async #write(): Promise<Holder | undefined> {
    for (;;) {
      const found = await this.#pointers.read<CheckpointPointer>(this.#key);
      if (found === undefined)
        throw new EspalierError('Conflict', 'the checkpoint pointer was deleted during training', { where: this.#key });
      if (found.value.term !== this.#term) return { runId: found.value.runId, attempt: found.value.attempt };
      const changes = this.#changes;
      const changed = changes.reduce((value, change) => ({ ...value, ...change(value) }), found.value);
      const next = { ...changed, renewedAt: new Date().toISOString() };
      if (!(await this.#pointers.replace(this.#key, next, found.version))) continue;
      this.#changes = this.#changes.slice(changes.length);
      return undefined;
    }
  }
}
