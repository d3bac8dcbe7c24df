/** Which checkpoints are kept. What only others hold is deleted by `espalier gc` (artifacts/collect.ts). Pure. */
import type { SavedCheckpoint } from './checkpoints.ts';

export interface RetentionPolicy {
  /** At least 1. */
  readonly keepLast: number;
  /** Besides the last: those with the lowest validation loss. */
  readonly keepBest: number;
}

/** The checkpoints to keep, newest first, of all there are, newest first. */
export function retain(
  checkpoints: readonly SavedCheckpoint[],
  { keepLast, keepBest }: RetentionPolicy,
): SavedCheckpoint[] {
  const best = checkpoints
    .filter((checkpoint) => checkpoint.validationLoss != null)
    .toSorted((a, b) => (a.validationLoss ?? 0) - (b.validationLoss ?? 0))
    .slice(0, keepBest);
  return checkpoints.filter((checkpoint, index) => index < keepLast || best.includes(checkpoint));
}
