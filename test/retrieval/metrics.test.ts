import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { averagePrecision, precisionAt, recallAt, type Ranking } from '../../activities/retrieval/metrics.ts';
import { gainScore, meanScore } from '../../activities/retrieval/scores.ts';
import { wilsonInterval } from '../../activities/validation/statistics.ts';

const near = (actual: number, wanted: number, tolerance = 1e-12): void =>
  assert.ok(Math.abs(actual - wanted) <= tolerance, `${actual} is not ${wanted}`);

/** No two scores alike. */
const ranked = (relevant: readonly number[]): Ranking => ({
  scores: relevant.map((_, place) => -place),
  relevant,
});

/** A handful of entries with few different scores, so that most are tied. */
const tied = fc
  .array(fc.record({ score: fc.integer({ min: 0, max: 2 }), relevant: fc.constantFrom(0, 1) }), {
    minLength: 1,
    maxLength: 6,
  })
  .map((entries) => entries.toSorted((one, other) => other.score - one.score));

const rankingOf = (entries: readonly { score: number; relevant: number }[]): Ranking => ({
  scores: entries.map(({ score }) => score),
  relevant: entries.map(({ relevant }) => relevant),
});

function* ordersOf<T>(items: readonly T[]): Generator<T[]> {
  if (items.length === 0) yield [];
  for (const [place, item] of items.entries()) {
    for (const rest of ordersOf(items.toSpliced(place, 1))) yield [item, ...rest];
  }
}

/** By the definitions, of a ranking without ties. */
const plainly = {
  recall: (relevant: readonly number[], k: number) =>
    relevant.includes(1) ? Number(relevant.slice(0, k).includes(1)) : Number.NaN,
  precision: (relevant: readonly number[], k: number) => relevant.slice(0, k).filter((one) => one === 1).length / k,
  averagePrecision: (relevant: readonly number[]) => {
    const ranks = relevant.flatMap((one, place) => (one === 1 ? [place + 1] : []));
    return ranks.reduce((sum, rank, place) => sum + (place + 1) / rank, 0) / ranks.length;
  },
};

describe('the figures of a ranking', () => {
  it("are scikit-learn's average precision, and the textbook's", () => {
    // scikit-learn 1.9.1: average_precision_score of these, ranked in this order.
    const relevant = '1101001011010000000010010101000001001101'.split('').map(Number);
    near(averagePrecision(ranked(relevant)), 0.5360970632797258);
    near(averagePrecision(ranked([1, 0, 1, 0, 0, 1])), (1 + 2 / 3 + 3 / 6) / 3);
    near(precisionAt(ranked([1, 0, 1, 0, 0, 1]), 4), 0.5);
    assert.deepEqual(
      [1, 2, 3].map((k) => recallAt(ranked([0, 1, 0]), k)),
      [0, 1, 1],
    );
  });

  it('are the mean over every order of equal scores', () => {
    fc.assert(
      fc.property(tied, fc.integer({ min: 1, max: 7 }), (entries, k) => {
        const orders = [...ordersOf(entries)]
          .filter((order) => order.every(({ score }, place) => place === 0 || order[place - 1]!.score >= score))
          .map((order) => order.map(({ relevant }) => relevant));
        const mean = (of: (relevant: readonly number[]) => number): number =>
          orders.reduce((sum, order) => sum + of(order), 0) / orders.length;
        const ranking = rankingOf(entries);
        near(
          precisionAt(ranking, k),
          mean((order) => plainly.precision(order, k)),
        );
        if (!entries.some(({ relevant }) => relevant === 1)) return;
        near(
          recallAt(ranking, k),
          mean((order) => plainly.recall(order, k)),
        );
        near(averagePrecision(ranking), mean(plainly.averagePrecision));
      }),
      { numRuns: 150 },
    );
  });

  it('do not depend on how equally good entries happen to lie, rise with k, and are 1 where all relevant come first', () => {
    fc.assert(
      fc.property(tied, (entries) => {
        const turned = entries.toReversed().toSorted((one, other) => other.score - one.score);
        if (!entries.some(({ relevant }) => relevant === 1)) return;
        for (const k of [1, 2, 3]) {
          near(recallAt(rankingOf(turned), k), recallAt(rankingOf(entries), k));
          assert.ok(recallAt(rankingOf(entries), k + 1) >= recallAt(rankingOf(entries), k) - 1e-12);
        }
        near(averagePrecision(rankingOf(turned)), averagePrecision(rankingOf(entries)));
        const best = ranked(entries.map(({ relevant }) => relevant).toSorted((one, other) => other - one));
        near(averagePrecision(best), 1);
        assert.equal(recallAt(best, 1), 1);
      }),
    );
  });

  it('are no number where nothing is relevant, and refuse what is no ranking', () => {
    assert.ok(Number.isNaN(averagePrecision(ranked([0, 0]))) && Number.isNaN(recallAt(ranked([0, 0]), 1)));
    assert.ok(Number.isNaN(averagePrecision(ranked([]))));
    assert.throws(() => recallAt(ranked([1]), 0), /there is no rank 0/);
    assert.throws(() => precisionAt(ranked([1]), 1.5), /there is no rank 1.5/);
    assert.throws(() => averagePrecision({ scores: [1, 2], relevant: [0, 1] }), /descending/);
    assert.throws(() => averagePrecision({ scores: [Number.NaN], relevant: [1] }), /are numbers/);
    assert.throws(() => averagePrecision({ scores: [1, Number.NaN], relevant: [1, 0] }), /are numbers/);
    assert.throws(() => averagePrecision({ scores: [1], relevant: [1, 0] }), /says of 2 entries/);
  });
});

describe('the figures of many queries', () => {
  const options = { seed: 5, resamples: 500 };

  it('have the mean, with an interval around it that is the same for the same seed', async () => {
    const values = Array.from({ length: 60 }, (_, query) => (query % 7) / 6);
    const score = await meanScore(values, options);
    near(score.value!, values.reduce((sum, value) => sum + value, 0) / 60);
    assert.ok(score.interval!.low < score.value! && score.value! < score.interval!.high && score.rows === 60);
    assert.deepEqual(await meanScore(values, options), score);
  });

  it('are not certain of a handful of queries that agree', async () => {
    assert.deepEqual((await meanScore([1, 1, 1, 1], options)).interval, wilsonInterval(4, 4));
    assert.deepEqual((await meanScore([1, 0, 1, 1], options)).interval, wilsonInterval(3, 4));
    const half = await meanScore([0.5, 0.5, 0.5], options);
    assert.ok(half.interval!.low < 0.2 && half.interval!.high > 0.8);
    assert.deepEqual(await meanScore([], options), { value: null, interval: null, rows: 0 });
    await assert.rejects(meanScore([Number.NaN], options), /not within 0–1/);
  });

  it('tell a gain on the same queries, and claim none where nothing differs', async () => {
    const theirs = Array.from({ length: 40 }, (_, query) => (query % 5) / 5);
    const ours = theirs.map((value, query) => value + (query % 2) * 0.1);
    const gain = await gainScore(ours, theirs, options);
    near(gain.value!, 0.05);
    assert.ok(gain.interval!.low > 0);
    // Forty that agree are no certainty: two more may be otherwise.
    const same = await gainScore(theirs, theirs, options);
    assert.deepEqual([same.value, same.interval!.low < 0, same.interval!.high > 0], [0, true, true]);
    near(same.interval!.high, 1 - wilsonInterval(40, 40).low);
    const all = await gainScore(new Float64Array(40).fill(0.9), new Float64Array(40).fill(0.4), options);
    assert.ok(all.interval!.low > 0.3 && all.interval!.low < 0.5 && all.interval!.high < 0.7);
    assert.ok((await gainScore([0.9], [0.4], options)).interval!.low < 0, 'one query shows nothing');
  });
});
