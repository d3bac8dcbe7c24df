/** How far a canary that was trained on is ahead of others of its make that were not. Pure. */
import type { Score } from '../../contract/measures.ts';

export interface Exposure {
  readonly rank: number;
  readonly exposureBits: number;
}

/**
 * Rank-based exposure of a loss among the controls' losses, log2(N + 1) − log2(rank) bits (Carlini et al. 2019, definition 5,
 * the space of secrets sampled by N controls). Controls with the same loss count half. Null of losses that are not finite.
 */
export function exposure(loss: number, controls: readonly number[]): Exposure | null {
  if (controls.length === 0 || !Number.isFinite(loss) || !controls.every(Number.isFinite)) return null;
  const rank = controls.reduce((sum, other) => sum + (other < loss ? 1 : other === loss ? 0.5 : 0), 1);
  return { rank, exposureBits: Math.log2(controls.length + 1) - Math.log2(rank) };
}

/**
 * Exposure of the most exposed of so many: −log2 of the chance that the likeliest of as many canaries that were never told is
 * as far ahead. Those and the controls are exchangeable, so that the chance is exact, whatever the model: it is that of the
 * best rank of a draw without replacement. Of one canary it is the exposure above, of more less: each is a chance more to be
 * ahead by luck. Controls with the same loss count as likelier: a model that tells nothing apart exposes nothing. `rows` counts
 * the controls. No value where a loss is not finite, or there is no canary.
 */
export function mostExposed(losses: readonly number[], controls: readonly number[]): Score {
  const missing: Score = { value: null, interval: null, rows: controls.length };
  if (losses.length === 0 || controls.length === 0) return missing;
  if (![...losses, ...controls].every(Number.isFinite)) return missing;
  const likeliest = Math.min(...losses);
  const ahead = controls.reduce((count, loss) => count + (loss <= likeliest ? 1 : 0), 0);
  // The first `ahead + 1` of all are controls: then none of the canaries is as far ahead.
  let none = 1;
  for (let place = 0; place <= ahead; place += 1) {
    none *= (controls.length - place) / (controls.length + losses.length - place);
  }
  return { ...missing, value: Math.max(0, -Math.log2(1 - none)) };
}
