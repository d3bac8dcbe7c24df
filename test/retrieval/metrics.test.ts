import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { averagePrecision, precisionAt, recallAt, type Ranking } from '../../activities/retrieval/metrics.ts';
import { LEAST_GRAPH_RECALL } from '../../activities/retrieval/graph-trial.ts';
import { gainScore, meanScore } from '../../activities/retrieval/scores.ts';
import { leastTrialsToShow, wilsonInterval } from '../../activities/validation/statistics.ts';
import { seededRandom } from '../../activities/validation/random.ts';

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

const filled = (rows: number, value: number): number[] => Array.from({ length: rows }, () => value);

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

  it('are no surer of a handful for one that is not quite as the others', async () => {
    // Resamples of nine ones and 0.9 end at 0.97; of ten ones Wilson's says 0.72.
    const tenOnes = (await meanScore(filled(10, 1), options)).interval!;
    const almost = await meanScore([...filled(9, 1), 0.9], options);
    near(almost.interval!.low, wilsonInterval(9.9, 10).low);
    assert.equal(almost.interval!.high, 1);
    assert.ok(almost.interval!.low < tenOnes.low);
    const little = await meanScore([...filled(9, 0), 0.1], options);
    near(little.interval!.high, 1 - almost.interval!.low);
  });

  it('are no surer of a gain that ten have for one of them that has a little less', async () => {
    const all = (await gainScore(filled(10, 1), filled(10, 0), options)).interval!;
    // Wilson's bound of ten that agree leaves 0.278 open: there they may be the other way round, as what so many show none of may be in any case.
    near(all.low, 2 * wilsonInterval(10, 10).low - 1);
    const almost = (await gainScore([...filled(9, 1), 0.9], filled(10, 0), options)).interval!;
    assert.ok(almost.low < all.low && almost.high === 1, `${almost.low}`);
    const fallen = (await gainScore(filled(10, 0), [...filled(9, 1), 0.9], options)).interval!;
    near(fallen.high, -almost.low);
    const three = (await gainScore([0.5, 0.5, 0.5], [0.4, 0.4, 0.4], options)).interval!;
    assert.ok(three.low < 0 && three.high > 0.1, 'three are too few to show anything');
  });

  it('show a graph’s recall from 73 queries that miss nothing on, and of 500 that miss 3 % of theirs', async () => {
    assert.equal(leastTrialsToShow(LEAST_GRAPH_RECALL), 73);
    const missing = async (share: number) => (await meanScore(filled(500, 1 - share), options)).interval!;
    assert.ok((await missing(0.03)).low >= LEAST_GRAPH_RECALL && (await missing(0.032)).low < LEAST_GRAPH_RECALL);
  });

  it('hold many queries that differ to their resamples where those reach further', async () => {
    const halves = Array.from({ length: 400 }, (_, query) => (query % 2 === 0 ? 0.999 : 0.001));
    const { interval } = await meanScore(halves, options);
    const wilson = wilsonInterval(200, 400);
    assert.ok(interval!.low <= wilson.low && interval!.high >= wilson.high);
    const gain = await gainScore(halves, halves.toReversed(), options);
    assert.ok(gain.interval!.high - gain.interval!.low > 0.15, 'differences of nearly 1 spread by more than the bound');
  });

  it('tell a gain on the same queries, and claim none where nothing differs', async () => {
    const theirs = Array.from({ length: 40 }, (_, query) => (query % 5) / 5);
    const ours = theirs.map((value, query) => value + (query % 2) * 0.1);
    const gain = await gainScore(ours, theirs, options);
    near(gain.value!, 0.05);
    assert.ok(
      gain.interval!.low < 0,
      'twenty of forty gain, and none loses: of a rare one that loses all forty may show none',
    );
    const more = await gainScore([...ours, ...ours, ...ours], [...theirs, ...theirs, ...theirs], options);
    assert.ok(more.interval!.low > 0, 'sixty of a hundred and twenty gain');
    const one = await gainScore([theirs[0]! + 0.3, ...theirs.slice(1)], theirs, options);
    assert.ok(one.interval!.low < 0, 'one of forty shows nothing');
    const larger = await gainScore(
      theirs.map((value) => value + 0.15 + (value === 0 ? 0.05 : 0)),
      theirs,
      options,
    );
    near(larger.value!, 0.16);
    assert.ok(larger.interval!.low > 0.05);
    // Forty that agree are no certainty: two more may be otherwise.
    const same = await gainScore(theirs, theirs, options);
    assert.deepEqual([same.value, same.interval!.low < 0, same.interval!.high > 0], [0, true, true]);
    near(same.interval!.high, 1 - 0.05 ** (1 / 40));
    const all = await gainScore(new Float64Array(40).fill(0.9), new Float64Array(40).fill(0.4), options);
    assert.ok(all.interval!.low > 0.35 && all.interval!.low < 0.5 && all.interval!.high < 0.7);
    assert.ok((await gainScore([0.9], [0.4], options)).interval!.low < 0, 'one query shows nothing');
  });

  it('show no gain where a coin says whose figure is whose, but one draw in twenty at most', async () => {
    for (const rows of [5, 20, 60]) {
      let shown = 0;
      for (let draw = 0; draw < 200; draw++) {
        const random = seededRandom(draw, rows);
        const theirs = Array.from({ length: rows }, () => random.uniform());
        // A quarter of the queries are answered as well by both.
        const ours = theirs.map((value) => (random.uniform() < 0.25 ? value : random.uniform()));
        const { interval } = await gainScore(ours, theirs, { seed: draw, resamples: 200 });
        if (interval!.low >= 0) shown += 1;
      }
      assert.ok(shown <= 14, `${shown} of 200 with ${rows} queries`); // 5 % and two standard deviations
    }
  });
});
