/** How far a canary that was trained on is ahead of others of its make that were not. Pure. */
import type { Interval, Score } from '../../contract/measures.ts';
import { wilsonInterval } from '../../validation/statistics.ts';
import { CANARY_BITS } from './canaries.ts';

export interface Exposure {
  readonly rank: number;
  readonly exposureBits: number;
  readonly interval: Interval;
}

/**
 * Rank-based exposure of a loss among the controls' losses, log2(N + 1) − log2(rank) bits (Carlini et al. 2019, definition 5,
 * the space of secrets sampled by N controls). Controls with the same loss count half. The interval is that of the share of
 * secrets that are likelier (Wilson): where no control is, nothing bounds it but the secret's own bits.
 */
export function exposure(loss: number, controls: readonly number[]): Exposure | null {
  if (controls.length === 0 || !Number.isFinite(loss) || !controls.every(Number.isFinite)) return null;
  const likelier = controls.reduce((sum, other) => sum + (other < loss ? 1 : other === loss ? 0.5 : 0), 0);
  const share = wilsonInterval(likelier, controls.length);
  const bits = (probability: number): number => Math.min(CANARY_BITS, -Math.log2(probability));
  return {
    rank: likelier + 1,
    exposureBits: Math.log2(controls.length + 1) - Math.log2(likelier + 1),
    interval: { low: Math.max(0, bits(share.high)), high: bits(share.low), confidence: share.confidence },
  };
}

/** The most exposed of them: one secret given away is one too many. `rows` counts the controls. */
export function mostExposed(exposures: readonly (Exposure | null)[], controls: number): Score {
  const known = exposures.filter((one) => one !== null);
  const worst = known.toSorted((left, right) => right.exposureBits - left.exposureBits)[0];
  if (worst === undefined || known.length < exposures.length) return { value: null, interval: null, rows: controls };
  return { value: worst.exposureBits, interval: worst.interval, rows: controls };
}
