/**
 * What becomes of a step that failed, by the kind of its error. Pure: the engine asks, the table answers.
 *
 * | kind | tried again by itself | then |
 * | --- | --- | --- |
 * | BadDefinition, BadConfig, BadModel, UnsafeModel, LicenceDenied, NotFound | never | a candidate's step: the candidate is dropped with the reason; else parked at once |
 * | BadData, Conflict, NoCandidate, Diverged, CheckpointIncompatible, StorageDenied, MissingTool, GatesFailed, Approval… | never: the same again would fail the same | parked at once |
 * | StorageUnavailable, TemporalUnavailable, NetworkUnavailable, DiskFull, Corrupt, TrainerFailed, Internal | as often as the step's proxy allows (proxies.ts) | parked |
 * | WrongHardware | as often as the step's proxy allows: another worker of the queue may have it | parked |
 * | BudgetEnded | never | only a trial is ended so: it drops out of its comparison |
 * | OutOfMemory | inside training: half the micro-batch, until it is 1 | parked |
 * | Preempted, and a worker that is lost | always: neither is a failure of the step | – |
 *
 * Any failure drops a candidate that is `optional`. A run with `onFailure: 'fail'` parks nothing: a candidate drops, any
 * other step ends the run. A gate that fails by its verdict is a result, not an error: the run ends `gates-failed`.
 */
import type { ErrorKind } from '../artifacts/errors.ts';
import type { OnFailure } from './messages.ts';

/** Kinds that say something about a model: it would fail for everyone, everywhere. */
const OF_THE_MODEL: ReadonlySet<ErrorKind> = new Set([
  'BadDefinition',
  'BadConfig',
  'BadModel',
  'UnsafeModel',
  'LicenceDenied',
  'NotFound',
]);

/** park: wait for an operator; drop: leave the candidate out; fail: end the run. */
export type Response = 'park' | 'drop' | 'fail';

/** What to do once Temporal has given up on a step. `candidate` is set for a candidate's step. */
export function responseTo(
  kind: ErrorKind,
  onFailure: OnFailure,
  candidate?: { readonly optional: boolean },
): Response {
  if (candidate !== undefined && (candidate.optional || OF_THE_MODEL.has(kind) || onFailure === 'fail')) return 'drop';
  return onFailure;
}
