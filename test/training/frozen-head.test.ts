import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { rowsInFile, rowsInMemory } from '../../activities/selection/embedded-rows.ts';
import { fitHead, fitTemperature, type Scored } from '../../activities/training/frozen-head.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { temporaryFolder } from './fixtures.ts';

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

const scored = (scores: Float64Array, classes: Int32Array): Scored => ({
  rows: classes.length,
  blocks: () => [{ scores, classes }],
});

describe('the head of a frozen backbone', () => {
  it('is the same for the same rows and seed, and right about most rows it has not seen', async () => {
    const options = { dimension: 2, classes: 3, seed: 7 };
    const [first, again] = [
      await fitHead(rowsInMemory(clouds(300, 1), 2), rowsInMemory(clouds(150, 2), 2), options),
      await fitHead(rowsInMemory(clouds(300, 1), 2), rowsInMemory(clouds(150, 2), 2), options),
    ];
    assert.deepEqual(first, again);
    assert.ok((first.validation.accuracy ?? 0) > 0.8);
    assert.ok((first.validation.loss ?? 9) < 0.6);
  });

  it('has no measures of a split without rows, and no temperature of too few', async () => {
    const [train, none] = [rowsInMemory(clouds(90, 1), 2), rowsInMemory(clouds(0, 2), 2)];
    const { head, validation } = await fitHead(train, none, { dimension: 2, classes: 3, seed: 7 });
    assert.deepEqual([validation, head.temperature], [{ loss: null, accuracy: null }, 1]);
  });

  it('is less sure where it is too sure, by the temperature that made it so', async () => {
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
    const fitted = await fitTemperature(scored(logits, truth), 3);
    assert.ok(Math.abs(fitted - 1) < 0.1);
    const tooSure = logits.map((value) => value * 4);
    assert.ok(Math.abs((await fitTemperature(scored(tooSure, truth), 3)) - 4 * fitted) < 0.01);
  });

  it('stays within bounds where every row is right', async () => {
    const scores = Float64Array.from({ length: 120 }, (_, at) => Number(at % 3 === 0));
    assert.ok(Math.abs((await fitTemperature(scored(scores, new Int32Array(40)), 3)) - 0.25) < 1e-3);
  });

  it('is, to the last bit, the same of rows in a file that are read block by block', async () => {
    const folder = await temporaryFolder();
    const { signal } = new AbortController();
    // More than two blocks of the fewest rows, the last one not full; and penalties chosen on a draw of them.
    const stored = (data: ReturnType<typeof clouds>, name: string, heldBytes: number) => {
      const blocks = Readable.from([data]) as AsyncIterable<typeof data>;
      return rowsInFile(join(folder, name), blocks, { dimension: 2, signal, blockValues: 1, heldBytes });
    };
    const [train, validation] = [clouds(2500, 1), clouds(1300, 2)];
    const options = { dimension: 2, classes: 3, seed: 7 };
    const expected = await fitHead(rowsInMemory(train, 2), rowsInMemory(validation, 2), options);
    for (const heldBytes of [0, 1e6]) {
      const rows = [await stored(train, 'train.f32', heldBytes), await stored(validation, 'validation.f32', heldBytes)];
      assert.deepEqual(await fitHead(rows[0]!, rows[1]!, options), expected);
    }
  });
});
