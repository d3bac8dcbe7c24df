/** Who is tried before one is tuned on all rows. Pure. */
import type { RankCandidatesInput } from '../contract/selection.ts';
import { isDominatedBeyondChance, isOfSameRows, type Standing } from './pareto.ts';

export type Listed = Standing & { readonly parameters: number };

/**
 * The best by frozen figures, but for those that the probe already puts behind the first beyond chance; and the largest
 * although its figures may not say so (Renggli et al., CVPR 2022, arXiv:2010.06402: the best by a proxy together with a
 * generalist regret least). Whoever is dominated beyond chance gives its place to the next: what is better and dearer in
 * nothing is tried already, or has given way to one that is.
 */
export function shortlistOf(
  ranked: readonly Listed[],
  { prototype }: RankCandidatesInput['selection'],
): readonly string[] {
  if (prototype?.enabled !== true) return [];
  const [first, ...others] = ranked;
  const leader = ranked.reduce((most, one) => (one.quality > most.quality ? one : most), ranked[0]!);
  const best = ranked
    .filter((one) => !isDominatedBeyondChance(one, ranked))
    .slice(0, prototype.shortlist)
    .filter((one) => !isFarBehind(one, leader));
  const largest = others.reduce((most, one) => (one.parameters > (most?.parameters ?? 0) ? one : most), first);
  const generalist = prototype.generalist && largest !== undefined && !best.includes(largest) ? [largest] : [];
  return [...best, ...generalist].map(({ id }) => id);
}

/** Their intervals do not touch, and the rows they were fitted on are no reason for it: of one that is dearer in nothing less is asked. */
function isFarBehind(one: Standing, leader: Standing): boolean {
  if (!isOfSameRows(one, leader)) return false;
  return one.interval !== null && leader.interval !== null && one.interval.high < leader.interval.low;
}
