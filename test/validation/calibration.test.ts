import assert from 'node:assert/strict';
import { BINS, calibrationOf, calibrationOfJudged, gatherJudged } from '../../activities/validation/calibration.ts';
import { seededRandom } from '../../activities/validation/random.ts';

const near = (actual: number | null | undefined, expected: number): void =>
  assert.ok(Math.abs((actual ?? Number.NaN) - expected) < 1e-7, `${actual} is not ${expected}`);

/** Two labels; the first is right as often as `truth` of the stated probability says. */
function simulated(rows: number, seed: number, truth: (stated: number) => number) {
  const random = seededRandom(seed);
  const probabilities = new Float32Array(rows * 2);
  const expected = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    const stated = 0.5 + random.uniform() / 2;
    probabilities.set([stated, 1 - stated], row * 2);
    expected[row] = random.uniform() < truth(stated) ? 0 : 1;
  }
  return { probabilities, expected };
}

describe('calibration', () => {
  // numpy: b = clip(digitize(p.max(1), linspace(0, 1, 16), right=True) - 1, 0, 14);
  // ece = sum(|p.max(1)[b == k].sum() - hit[b == k].sum()|) / 8; brier = ((p - onehot)**2).sum(1).mean(); scikit-learn 1.8: log_loss(y, p)
  it('has the figures of numpy and scikit-learn', async () => {
    const probabilities = Float32Array.from([
      0.9, 0.05, 0.05, 0.6, 0.3, 0.1, 0.2, 0.5, 0.3, 0.1, 0.1, 0.8, 0.34, 0.33, 0.33, 0.05, 0.9, 0.05, 0.7, 0.2, 0.1,
      0.25, 0.25, 0.5,
    ]);
    const { ece, brier, nll, bins } = await calibrationOf(probabilities, Int32Array.of(0, 1, 1, 2, 2, 1, 0, 0), 3, {
      seed: 7,
    });
    near(ece.value, 0.20500000938773155);
    near(brier, 0.3773000035479668);
    near(nll, 0.6478270646796558);
    assert.equal(bins.length, BINS);
    assert.deepEqual(
      bins.flatMap(({ rows }, bin) => (rows === 0 ? [] : [[bin, rows]])),
      [
        [5, 1],
        [7, 2],
        [9, 1],
        [10, 1],
        [12, 1],
        [13, 2],
      ],
    );
    assert.deepEqual(bins[0], { rows: 0, confidence: null, accuracy: null });
  });

  it('has an interval that does not accuse a model whose probabilities are true, and does accuse one that is too sure', async () => {
    let accused = 0;
    let caught = 0;
    for (let seed = 0; seed < 60; seed++) {
      const honest = simulated(300, seed, (stated) => stated);
      const boasting = simulated(300, seed, (stated) => stated - 0.2);
      const of = async ({ probabilities, expected }: typeof honest) =>
        (await calibrationOf(probabilities, expected, 2, { seed, resamples: 200 })).ece.interval!.low;
      accused += Number((await of(honest)) > 0.05);
      caught += Number((await of(boasting)) > 0.05);
    }
    assert.ok(accused <= 3, `${accused} of 60 accused`);
    assert.ok(caught >= 57, `${caught} of 60 caught`);
  });

  it('is the same block by block', async () => {
    const { probabilities, expected } = simulated(100, 3, (stated) => stated - 0.1);
    const gathered = gatherJudged(100, 2);
    for (const [from, to] of [
      [0, 7],
      [7, 64],
      [64, 100],
    ] as const) {
      gathered.add(probabilities.subarray(from * 2, to * 2), expected.subarray(from, to));
    }
    assert.deepEqual(
      await calibrationOfJudged(gathered.judged(), { seed: 7 }),
      await calibrationOf(probabilities, expected, 2, { seed: 7 }),
    );
  });

  it('resamples very many rows by their counts: the same interval but for the luck of the draw', async () => {
    const { probabilities, expected } = simulated(20_001, 3, (stated) => stated - 0.1);
    const counted = (await calibrationOf(probabilities, expected, 2, { seed: 7 })).ece;
    const drawn = (await calibrationOf(probabilities.subarray(2), expected.subarray(1), 2, { seed: 7 })).ece;
    assert.deepEqual([counted.rows, drawn.rows], [20_001, 20_000]);
    const width = drawn.interval!.high - drawn.interval!.low;
    for (const end of ['low', 'high'] as const) {
      assert.ok(Math.abs(counted.interval![end] - drawn.interval![end]) < width / 8, end);
    }
  });

  it('says nothing of no rows, and is finite where a true label was held for impossible', async () => {
    const nothing = await calibrationOf(new Float32Array(), new Int32Array(), 2, { seed: 7 });
    assert.deepEqual([nothing.ece.value, nothing.brier, nothing.nll], [null, null, null]);
    const wrong = await calibrationOf(Float32Array.of(1, 0), Int32Array.of(1), 2, { seed: 7 });
    assert.ok(wrong.nll !== null && wrong.nll > 80);
    assert.equal(wrong.ece.value, 1);
  });
});
