import assert from 'node:assert/strict';
import { fitHead, fitTemperature } from '../../activities/training/frozen-head.ts';
import { seededRandom } from '../../activities/validation/random.ts';

/** Three clouds in two dimensions, near enough to overlap. */
function clouds(rows: number, seed: number) {
  const random = seededRandom(seed);
  const classes = Int32Array.from({ length: rows }, (_, row) => row % 3);
  const embeddings = Float32Array.from({ length: rows * 2 }, (_, at) => {
    const angle = (((at >> 1) % 3) * 2 * Math.PI) / 3;
    return (at % 2 === 0 ? Math.cos(angle) : Math.sin(angle)) + 0.6 * random.normal();
  });
  return { embeddings, classes };
}

describe('the head of a frozen backbone', () => {
  it('is the same for the same rows and seed, and right about most rows it has not seen', async () => {
    const options = { dimension: 2, classes: 3, seed: 7 };
    const [first, again] = [
      await fitHead(clouds(300, 1), clouds(150, 2), options),
      await fitHead(clouds(300, 1), clouds(150, 2), options),
    ];
    assert.deepEqual(first, again);
    assert.ok((first.validation.accuracy ?? 0) > 0.8);
    assert.ok((first.validation.loss ?? 9) < 0.6);
  });

  it('has no measures of a split without rows, and no temperature of too few', async () => {
    const { head, validation } = await fitHead(clouds(90, 1), clouds(0, 2), { dimension: 2, classes: 3, seed: 7 });
    assert.deepEqual([validation, head.temperature], [{ loss: null, accuracy: null }, 1]);
  });

  it('is less sure where it is too sure, by the temperature that made it so', () => {
    const random = seededRandom(3);
    const logits = Float64Array.from({ length: 6000 }, () => random.normal() * 2);
    // Labels drawn from the softmax itself: at temperature 1 nothing is gained.
    const truth = Int32Array.from({ length: 2000 }, (_, row) => {
      const shares = Array.from(logits.subarray(row * 3, row * 3 + 3), Math.exp);
      let left = random.uniform() * shares.reduce((sum, share) => sum + share, 0);
      return Math.max(
        0,
        shares.findIndex((share) => (left -= share) < 0),
      );
    });
    assert.ok(Math.abs(fitTemperature(logits, truth, 3) - 1) < 0.1);
    const tooSure = logits.map((value) => value * 4);
    assert.ok(Math.abs(fitTemperature(tooSure, truth, 3) - 4 * fitTemperature(logits, truth, 3)) < 0.01);
  });

  it('stays within bounds where every row is right', () => {
    const scores = Float64Array.from({ length: 120 }, (_, at) => Number(at % 3 === 0));
    assert.ok(Math.abs(fitTemperature(scores, new Int32Array(40), 3) - 0.25) < 1e-3);
  });
});
