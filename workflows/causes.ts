/**
 * What becomes of a step that failed, by the kind of its error. Pure: the engine asks, the table answers.
 *
 * | kind | tried again by itself | then, of a candidate's step | of any other |
 * | --- | --- | --- | --- |
 * | BadDefinition, BadConfig, BadModel, UnsafeModel, LicenceDenied, NotFound | never | the candidate is dropped with the reason | parked at once |
 * | BadData, Conflict, NoCandidate, Diverged, CheckpointIncompatible, StorageDenied, MissingTool, GatesFailed, Approval… | never: the same again would fail the same | it stands by | parked at once |
 * | StorageUnavailable, TemporalUnavailable, NetworkUnavailable, DiskFull, Corrupt, TrainerFailed, Internal | as often as the step's proxy allows (proxies.ts) | it stands by | parked |
 * | WrongHardware | every minute for a day: a machine of the class may be busy; people are told after a quarter of an hour (right-machine.ts) | it stands by | parked |
 * | BusyMachine | every minute for half an hour, within the step (activities/selection/busy-machine.ts) | it stands by | – |
 * | OutOfMemory | inside training: half the micro-batch, until it is 1 | it stands by | parked |
 * | BudgetEnded | never | – | only a trial is ended so: it drops out of its comparison |
 * | Preempted, and a worker that is lost | always: neither is a failure of the step | – | – |
 *
 * Who stands by waits for the other candidates (`needOf`): one that may win drops it, and where none is left that might it
 * is parked. Of those that the surroundings cost their place (`isOfTheSurroundings`) somebody is told once, and the ranking
 * says it. A candidate that is `optional` is dropped by any failure; a prototype or a trial, too: it says something of its
 * own alone. A run with `onFailure: 'fail'` parks nothing: a candidate drops, any other step ends the run. A gate that fails by
 * its verdict is a result, not an error: the run ends `gates-failed`.
 */
import type { ErrorKind } from '../artifacts/errors.ts';
import type { OnFailure, StepState } from './messages.ts';

/** Kinds that say something about a model: it would fail for everyone, everywhere. */
const OF_THE_MODEL: ReadonlySet<ErrorKind> = new Set([
  'BadDefinition',
  'BadConfig',
  'BadModel',
  'UnsafeModel',
  'LicenceDenied',
  'NotFound',
]);

/** Kinds that say something of where a step ran: its model may be as good as any. */
const OF_THE_SURROUNDINGS: ReadonlySet<ErrorKind> = new Set([
  'Corrupt',
  'StorageUnavailable',
  'StorageDenied',
  'TemporalUnavailable',
  'NetworkUnavailable',
  'DiskFull',
  'MissingTool',
  'WrongHardware',
  'BusyMachine',
]);

/** Whether a candidate that failed so was lost for no fault of its own: who asked for it should hear of that. */
export function isOfTheSurroundings(kind: ErrorKind): boolean {
  return OF_THE_SURROUNDINGS.has(kind);
}

/** park: wait for an operator; stand-by: wait for the other candidates first; drop: leave the candidate out; fail: end the run. */
export type Response = 'park' | 'stand-by' | 'drop' | 'fail';

/** What to do once Temporal has given up on a step. `candidate` is set for a candidate's step. */
export function responseTo(
  kind: ErrorKind,
  onFailure: OnFailure,
  candidate?: { readonly optional: boolean },
): Response {
  if (candidate === undefined) return onFailure;
  return candidate.optional || OF_THE_MODEL.has(kind) || onFailure === 'fail' ? 'drop' : 'stand-by';
}

/** How far a candidate is: measured within the limits, given up, with a failed step that waits, or none of these yet. */
export type Standing = 'may-win' | 'out' | 'waits' | 'going';

/** How a candidate stands by its steps; `ended` where it has come to its end. */
export function standingOf(states: readonly StepState[], ended: 'may-win' | 'out' | undefined): Standing {
  if (ended !== undefined) return ended;
  // Left out, or its run is about to end: it only has not come to say so.
  if (states.some((state) => state === 'skipped' || state === 'failed' || state === 'dropped')) return 'out';
  return states.includes('parked') ? 'waits' : 'going';
}

/** What a step that stands by needs: a person, nobody any more (its candidate drops out), or nobody so far. */
export type Need = 'person' | 'nobody' | 'nobody-yet';

/** What a failed candidate needs, as the other candidates stand: they decide whether anybody has to save this one. */
export function needOf(others: readonly Standing[]): Need {
  if (others.includes('may-win')) return 'nobody';
  return others.includes('going') ? 'nobody-yet' : 'person';
}
