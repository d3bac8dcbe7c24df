/** What so few pictures cannot show: a gate that wants proof passes small defects for want of pictures, and its reason says below which size. Pure. */
import type { Resolution, Score } from '../contract/measures.ts';
import type { GateResult } from '../contract/validation.ts';
import { wilsonInterval } from '../validation/statistics.ts';

/** The smallest measure, not yet rounded, whose lower end is above the threshold: of as many pictures, as uncertain as these; null where none is. */
type Smallest = (score: Score, threshold: number) => number | null;

const byWidth: Smallest = ({ value, interval }, threshold) => {
  const least = threshold + (value! - interval!.low);
  return least < 1 ? least : null;
};

const byWilson: Smallest = ({ rows, interval }, threshold) => {
  for (let count = 0; count <= rows; count++) {
    if (wilsonInterval(count, rows, interval!.confidence).low > threshold) return count / rows;
  }
  return null;
};

const TOLD: Readonly<Partial<Record<string, { what: string; pictures: string; smallest: Smallest }>>> = {
  validationTestGap: { what: 'gap', pictures: 'test pictures', smallest: byWidth },
  galleryTestGap: { what: 'gap', pictures: 'test pictures', smallest: byWidth },
  labelErrors: { what: 'share', pictures: 'pictures whose neighbours agree', smallest: byWilson },
};

/**
 * Of a gate that passed, the size of defect that would have passed as well. A real defect mostly varies more: what is named is the least;
 * where `resolution` knows how a loss varies, it is the least that is shown 95 times in 100.
 */
export function withSmallestSeen<Name extends string>(
  gate: GateResult<Name>,
  { resolution, planted }: Pick<Score, 'resolution' | 'planted'> = {},
): GateResult<Name> {
  const { score, threshold, verdict } = gate;
  if (verdict !== 'pass' || score.value === null || score.interval === null) return gate;
  // What was planted says more than the number of pictures, and has been told.
  if (planted !== undefined) return gate;
  if (resolution !== undefined) return { ...gate, reason: `${gate.reason}; ${unseenLoss(resolution, gate)}` };
  const told = TOLD[gate.name];
  if (told === undefined) return gate;
  const least = told.smallest(score, threshold);
  const unseen = least === null ? `no ${told.what} is seen` : `a ${told.what} below ${roundedDown(least)} is not seen`;
  return { ...gate, reason: `${gate.reason}; with these ${score.rows} ${told.pictures} ${unseen}` };
}

/** Of a share lost. */
function unseenLoss({ beyond, most }: Resolution, { score, threshold }: GateResult<string>): string {
  const least = 1 - (1 - threshold) * (1 - beyond);
  return least <= most
    ? `with these ${score.rows} pictures a loss below about ${least.toFixed(2)} may not be seen`
    : `with these ${score.rows} pictures no loss is surely seen: not even one of all that is better than chance, about ${most.toFixed(2)}`;
}

/** To two digits: what is named is never seen. */
function roundedDown(share: number): number {
  return Math.floor(100 * share + 1e-9) / 100;
}
