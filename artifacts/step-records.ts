import { hexOf, type Digest } from './reference.ts';

/** Where the record of a finished step lies (activities/step.ts writes it, once); `step` is the step's key. */
export function stepRecordKey(step: Digest): string {
  return `steps/${hexOf(step)}`;
}

/** What an attempt at a step leaves for the next one. It only saves time: the collection of garbage takes it once it is old. */
export const PARTIAL = 'partial/';

export function partialKey(part: Digest): string {
  return `${PARTIAL}${hexOf(part)}`;
}
