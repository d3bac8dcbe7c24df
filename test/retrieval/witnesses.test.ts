import { deepEqual, equal, ok } from 'node:assert/strict';
import { mixWeights, sharesAround } from '../../activities/retrieval/witnesses.ts';

const classesOf = (counts: readonly number[]): Int32Array =>
  Int32Array.from(counts.flatMap((count, label) => Array.from({ length: count }, () => label)));
const weightsOf = (asking: readonly number[], shown: readonly number[]): number[] =>
  [...mixWeights(classesOf(asking), Uint32Array.from(shown))].map((weight) => Number(weight.toFixed(3)));
const rounded = (shares: Float64Array): number[] => [...shares].map((share) => Number(share.toFixed(3)));

describe('what a gallery’s pictures count as witnesses', () => {
  it('is alike where those who ask are mixed as the gallery is, but for chance', () => {
    deepEqual(weightsOf([10, 20, 30], [100, 200, 300]), [1, 1, 1]);
    deepEqual(weightsOf([6, 9, 11, 4], [100, 100, 100, 100]), [1, 1, 1, 1]);
  });

  it('is less for a label that the gallery has more often than they do, a standard error short of its share', () => {
    const [common, rare, tiny] = weightsOf([100, 100, 100], [4000, 400, 5]);
    equal(rare, 1);
    ok(common! > 0.1 && common! < 0.15, String(common));
    equal(tiny, 1, 'a label that fills no neighbourhood lessens no other');
  });

  it('is for a label that nobody asks for as of half a picture', () => {
    const [asked, never] = weightsOf([400, 0], [200, 200]);
    equal(asked, 1);
    ok(never! > 0 && never! < 0.02, String(never));
  });
});

describe('the shares of labels around a picture', () => {
  const order = Uint32Array.from({ length: 60 }, (_, at) => at);

  it('are those of the nearest ten where all count alike', () => {
    const classOf = (row: number): number => (row < 7 ? 0 : row < 10 ? 1 : 2);
    deepEqual(rounded(sharesAround(order, classOf, Float64Array.of(1, 1, 1))), [0.7, 0.3, 0]);
  });

  it('are of as many as weigh five where some count less: ten of a common label do not drown a rare one', () => {
    // Every fourth is rare; common ones count a tenth.
    const classOf = (row: number): number => Number(row % 4 === 3);
    const [common, rare] = sharesAround(order, classOf, Float64Array.of(0.1, 1));
    ok(rare! > 0.7 && Math.abs(common! + rare! - 1) < 1e-9, `${common} and ${rare}`);
    // None of the rare: fifty common ones are witnesses of their own label.
    deepEqual(rounded(sharesAround(order, () => 0, Float64Array.of(0.1, 1))), [1, 0]);
  });

  it('are of the whole of ten where the gallery has fewer', () => {
    deepEqual(rounded(sharesAround(order.subarray(0, 4), () => 1, Float64Array.of(1, 1))), [0, 0.4]);
  });
});
