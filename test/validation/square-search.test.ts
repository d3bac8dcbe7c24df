import { deepEqual, equal, notDeepEqual, ok } from 'node:assert/strict';
import { array, assert as always, constantFrom, integer, property } from 'fast-check';
import { measureSquares, type Searched } from '../../activities/validation/attack-measures.ts';
import { classMargin, neighbourMargin } from '../../activities/validation/margins.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { squareEdge, SquareSearch, squareShare } from '../../activities/validation/square-search.ts';

describe('the schedule of the square attack', () => {
  it('halves the squares where the paper does, of fewer questions in proportion', () => {
    const halvings = (queries: number, at: readonly number[]) =>
      at.map((proposal) => Math.log2(0.8 / squareShare(proposal, queries)));
    // The piecewise constant schedule of the authors' code (max-andr/square-attack, p_selection), by hand.
    deepEqual(
      halvings(10_000, [1, 10, 11, 51, 201, 501, 1001, 2001, 4001, 6001, 8001]),
      [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
    deepEqual(halvings(100, [0, 1, 3, 6, 11, 21, 41, 61, 81]), [0, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('never has a square as large as the picture, nor smaller than a pixel', () => {
    deepEqual([squareEdge(0.05, { height: 224, width: 224 }), squareEdge(0.05, { height: 8, width: 8 })], [50, 2]);
    deepEqual([squareEdge(1, { height: 4, width: 9 }), squareEdge(1e-6, { height: 4, width: 9 })], [3, 1]);
    equal(squareEdge(0.05, { height: 1, width: 1 }), 1);
  });

  it('begins with most of the picture, so that of few questions about a small one the first third moves more than pixels', () => {
    const size = { height: 28, width: 28 };
    const edges = [0, 1, 10, 100, 200, 299].map((proposal) => squareEdge(squareShare(proposal, 300), size));
    deepEqual(edges, [25, 18, 9, 3, 2, 1]);
  });
});

describe('the search for a picture that is answered wrongly', () => {
  const size = { height: 6, width: 5 };
  const plain = (level: number) => new Float32Array(3 * size.height * size.width).fill(level);

  it('tries pictures within ε only, each at the corners of what is allowed', () => {
    always(
      property(
        array(integer({ min: 0, max: 255 }), { minLength: 90, maxLength: 90 }),
        constantFrom(0.5, 2, 8, 128),
        integer(),
        (levels, epsilonLevels, seed) => {
          const picture = Float32Array.from(levels);
          const search = new SquareSearch(picture, size, 1, { epsilonLevels, queries: 20 }, seededRandom(seed));
          for (let asked = 0; asked < 20; asked++) {
            const proposed = search.propose();
            for (const [at, level] of proposed.entries()) {
              const [low, high] = [
                Math.max(0, picture[at]! - epsilonLevels),
                Math.min(255, picture[at]! + epsilonLevels),
              ];
              ok(level === low || level === high);
            }
            search.judge(1 / (asked + 2));
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it('keeps what lowers the margin, goes on from there, and ends where it is gone or no number', () => {
    const search = new SquareSearch(plain(100), size, 5, { epsilonLevels: 4, queries: 50 }, seededRandom(1));
    const first = search.propose();
    search.judge(4);
    deepEqual([search.best, search.margin, search.asked, search.lost], [first, 4, 1, false]);
    const second = search.propose();
    notDeepEqual(second, first);
    search.judge(4.5);
    deepEqual([search.best, search.margin, search.asked], [first, 4, 2]);
    search.propose();
    search.judge(0);
    ok(search.lost, 'a tie is no right answer');
    ok(new SquareSearch(plain(1), size, Number.NaN, { epsilonLevels: 4, queries: 5 }, seededRandom(1)).lost);
  });

  it('changes one square of the best picture at a time, in every channel to one side', () => {
    const search = new SquareSearch(plain(100), size, 5, { epsilonLevels: 4, queries: 1000 }, seededRandom(2));
    const stripes = search.propose();
    for (let column = 0; column < 15; column++) {
      const [channel, x] = [Math.floor(column / 5), column % 5];
      const levels = [0, 1, 2, 3, 4, 5].map((y) => stripes[(channel * 6 + y) * 5 + x]);
      equal(new Set(levels).size, 1, 'stripes are as high as the picture');
    }
    search.judge(1);
    for (let asked = 1; asked < 200; asked++) {
      const before = search.best;
      const after = search.propose();
      const changed = [...after.keys()].filter((at) => after[at] !== before[at]).map((at) => at % 30);
      ok(changed.length > 0, 'a question that repeats the last one is wasted');
      const [xs, ys] = [changed.map((at) => at % 5), changed.map((at) => Math.floor(at / 5))];
      const edge = squareEdge(squareShare(asked, 1000), size);
      ok(Math.max(...xs) - Math.min(...xs) < edge && Math.max(...ys) - Math.min(...ys) < edge);
      search.judge(2);
    }
  });

  it('finds the way down a margin that is linear in the pixels, the same way from the same seed', () => {
    // By all of ε a mean of 100 falls to 96: where the margin is gone below 97.5, most pixels must be down.
    const searched = (seed: number, least: number): SquareSearch => {
      const search = new SquareSearch(
        plain(100),
        size,
        100 - least,
        { epsilonLevels: 4, queries: 800 },
        seededRandom(seed),
      );
      for (let asked = 0; asked < 800 && !search.lost; asked++) {
        const proposed = search.propose();
        search.judge(proposed.reduce((sum, level) => sum + level, 0) / proposed.length - least);
      }
      return search;
    };
    const found = searched(7, 97.5);
    ok(found.lost && found.asked > 10 && found.asked < 400, `${found.asked} questions`);
    deepEqual(searched(7, 97.5).best, found.best);
    notDeepEqual(searched(8, 97.5).best, found.best);
    const beyond = searched(7, 95.9);
    ok(!beyond.lost && beyond.asked === 800 && beyond.margin < 0.5, 'what ε does not allow is not found');
  });
});

describe('the margin', () => {
  it('of a class is the difference of its logit to the best other one, where the softmax is all but certain, too', () => {
    const logits = [3, 1, 2.5];
    const softmax = (values: readonly number[]) => {
      const total = values.reduce((sum, value) => sum + Math.exp(value), 0);
      return Float32Array.from(values, (value) => Math.exp(value) / total);
    };
    ok(Math.abs(classMargin(softmax(logits), 0) - 0.5) < 1e-6);
    ok(Math.abs(classMargin(softmax(logits), 1) + 2) < 1e-6);
    ok(Math.abs(classMargin(softmax([40, 0, -3]), 0) - 40) < 1e-4);
    const certain = classMargin(Float32Array.of(1, 0, 0), 0);
    ok(Number.isFinite(certain) && certain > 100);
    equal(classMargin(Float32Array.of(0.4, 0.4, 0.2), 0), 0);
    ok(Number.isNaN(classMargin(Float32Array.of(0.4, Number.NaN, 0.2), 0)));
  });

  it('of neighbours is that of the nearest of the own label over the nearest other one, without the picture itself', () => {
    const gallery = { ids: ['a', 'b', 'c', 'd'], classes: [0, 0, 1, 2] };
    const near = Float64Array.of(1, 0.7, 0.5, 0.6);
    ok(Math.abs(neighbourMargin(gallery, near, { id: 'x', label: 0 })! - 0.4) < 1e-12);
    ok(Math.abs(neighbourMargin(gallery, near, { id: 'a', label: 0 })! - 0.1) < 1e-12);
    ok(neighbourMargin(gallery, near, { id: 'x', label: 1 })! < 0);
    equal(neighbourMargin(gallery, near, { id: 'd', label: 2 }), null, 'nothing is left to find');
    ok(neighbourMargin({ ids: ['a'], classes: [0] }, Float64Array.of(-1), { id: 'x', label: 0 })! > 0);
    ok(Number.isNaN(neighbourMargin(gallery, near.with(2, Number.NaN), { id: 'x', label: 0 })));
  });
});

describe('the measure of the square attack', () => {
  it('is the share of right answers that no question lost', () => {
    const row = (right: boolean, lost: boolean, queries: number): Searched => ({ rowId: 'x', right, lost, queries });
    const rows = [
      row(true, false, 300),
      row(true, true, 9),
      row(true, true, 40),
      row(true, true, 200),
      row(false, false, 0),
    ];
    const { measures, accuracy, queriesToLose } = measureSquares(rows);
    deepEqual([measures.squareRobustness.value, measures.squareRobustness.rows], [0.25, 4]);
    deepEqual([accuracy.value, accuracy.rows, queriesToLose], [0.8, 5, 40]);
    equal(measureSquares([row(true, false, 300)]).queriesToLose, null);
    deepEqual(measureSquares([row(false, false, 0)]).measures.squareRobustness, {
      value: null,
      interval: null,
      rows: 0,
    });
  });
});
