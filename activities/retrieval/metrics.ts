/**
 * How well a ranking of a gallery answers one query. Pure. Where scores are equal no order among them is right: every figure is
 * the mean over all orders of equal scores (McSherry & Najork, "Computing Information Retrieval Performance Measures Efficiently in
 * the Presence of Tied Scores", ECIR 2008), so that luck with ties is nobody's merit.
 */

/** The gallery as one query ranks it: scores descending, and whether each entry is relevant. */
export interface Ranking {
  readonly scores: ArrayLike<number>;
  /** 1 or 0. */
  readonly relevant: ArrayLike<number>;
}

/** Entries of one score: `before` of them rank higher, of which `relevantBefore` are relevant. */
interface Tie {
  readonly before: number;
  readonly relevantBefore: number;
  readonly size: number;
  readonly relevant: number;
}

/**
 * Recall@k as retrieval of pictures has it: 1 where any of the first k is relevant, else 0 (Jégou, Douze & Schmid, PAMI 33(1), 2011;
 * Oh Song et al., CVPR 2016); between where a tie reaches over k. NaN where nothing is relevant. Throws RangeError for a k below 1
 * or a ranking that is none.
 */
export function recallAt({ scores, relevant }: Ranking, k: number): number {
  requireRank(k);
  let any = false;
  let missed = 1;
  for (const tie of ties({ scores, relevant })) {
    any ||= tie.relevant > 0;
    if (tie.before >= k || tie.relevantBefore > 0) continue;
    missed *= chanceOfNone(tie, Math.min(tie.size, k - tie.before));
  }
  return any ? 1 - missed : Number.NaN;
}

/**
 * Precision@k: the share of the first k that is relevant (Manning, Raghavan & Schütze, Introduction to Information Retrieval, 2008,
 * 8.4). Of k also where the gallery is smaller, as trec_eval counts. Throws RangeError as `recallAt`.
 */
export function precisionAt(ranking: Ranking, k: number): number {
  requireRank(k);
  let found = 0;
  for (const { before, size, relevant } of ties(ranking)) {
    if (before < k) found += (Math.min(size, k - before) * relevant) / size;
  }
  return found / k;
}

/**
 * Average precision, not interpolated: the mean, over the relevant entries, of the precision at each one's rank (ibid.); its mean over
 * queries is mAP. NaN where nothing is relevant. Throws RangeError for a ranking that is none.
 */
export function averagePrecision(ranking: Ranking): number {
  let sum = 0;
  let all = 0;
  for (const { before, relevantBefore, size, relevant } of ties(ranking)) {
    all += relevant;
    if (relevant === 0) continue;
    // Of those above it in the tie, each is relevant with the same chance: it is one of the others.
    const others = size === 1 ? 0 : (relevant - 1) / (size - 1);
    for (let place = 0; place < size; place++) {
      sum += ((relevant / size) * (relevantBefore + 1 + place * others)) / (before + place + 1);
    }
  }
  return all === 0 ? Number.NaN : sum / all;
}

function* ties({ scores, relevant }: Ranking): Generator<Tie> {
  if (scores.length !== relevant.length) {
    throw new RangeError(
      `a ranking of ${scores.length} scores says of ${relevant.length} entries whether they are relevant`,
    );
  }
  let relevantBefore = 0;
  for (let before = 0; before < scores.length;) {
    const score = scores[before]!;
    let [end, found] = [before, 0];
    while (end < scores.length && scores[end] === score) found += relevant[end++]!;
    const next = scores[end];
    if (end === before || (next !== undefined && !(next < score))) {
      throw new RangeError(`a ranking has ${next ?? score} after ${score}: scores are numbers, in descending order`);
    }
    yield { before, relevantBefore, size: end - before, relevant: found };
    relevantBefore += found;
    before = end;
  }
}

/** That none of `drawn` of a tie is relevant: hypergeometric, C(size − relevant, drawn) / C(size, drawn). */
function chanceOfNone({ size, relevant }: Tie, drawn: number): number {
  let chance = 1;
  for (let place = 0; place < drawn; place++) chance *= Math.max(0, size - relevant - place) / (size - place);
  return chance;
}

function requireRank(k: number): void {
  if (!Number.isSafeInteger(k) || k < 1) throw new RangeError(`there is no rank ${k}: k is a whole number from 1`);
}
