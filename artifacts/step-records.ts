import { hexOf, type Digest } from './reference.ts';

/** Where the record of a finished step lies (activities/step.ts writes it, once); `step` is the step's key. */
export function stepRecordKey(step: Digest): string {
  return `steps/${hexOf(step)}`;
}
