import assert from 'node:assert/strict';
import { MatrixProducts, STRIDE, type Matrix } from '../../inference/matrix-product.ts';
import { seededRandom } from '../../activities/validation/random.ts';

function matrix(rows: number, columns: number, seed: number): Matrix {
  const random = seededRandom(seed);
  return { rows, columns, values: Float64Array.from({ length: rows * columns }, () => random.normal()) };
}

/** Term by term, as the sum is written down. */
function byHand(left: Matrix, right: Matrix, transposed: 'left' | 'right'): readonly number[] {
  const [height, inside, width] =
    transposed === 'right' ? [left.rows, left.columns, right.rows] : [left.columns, left.rows, right.columns];
  return Array.from({ length: height * width }, (_, at) => {
    const [row, column] = [Math.floor(at / width), at % width];
    let sum = 0;
    for (let k = 0; k < inside; k++) {
      sum +=
        transposed === 'right'
          ? left.values[row * inside + k]! * right.values[column * inside + k]!
          : left.values[k * height + row]! * right.values[k * width + column]!;
    }
    return sum;
  });
}

function nearly(found: Float64Array, expected: readonly number[]): void {
  assert.equal(found.length, expected.length);
  expected.forEach((value, at) => assert.ok(Math.abs(found[at]! - value) < 1e-12, `${at}: ${found[at]} not ${value}`));
}

describe('a product of matrices', () => {
  let products: MatrixProducts;
  before(async () => (products = await MatrixProducts.load()));
  after(() => products.release());

  for (const [rows, inside, columns] of [
    [1, 1, 1],
    [3, 5, 2],
    [37, 65, 19],
  ] as const) {
    it(`is the sum of products, of ${rows} × ${inside} and ${inside} × ${columns}`, async () => {
      const [left, right] = [matrix(rows, inside, 1), matrix(columns, inside, 2)];
      nearly(await products.timesTransposed(left, right), byHand(left, right, 'right'));
      const [tall, wide] = [matrix(inside, rows, 3), matrix(inside, columns, 4)];
      nearly(await products.transposedTimes(tall, wide), byHand(tall, wide, 'left'));
    });
  }

  it('is the same to the byte when parts of the rows are put onto one another', async () => {
    for (const [rows, height, width] of [
      [3 * STRIDE + 77, 2, 384],
      [2 * STRIDE, 7, 5],
      [STRIDE + 1, 3, 40],
    ] as const) {
      const [left, right] = [matrix(rows, height, 8), matrix(rows, width, 9)];
      const part = ({ values, columns }: Matrix, start: number): Matrix => {
        const own = values.subarray(start * columns, (start + STRIDE) * columns);
        return { values: own, rows: own.length / columns, columns };
      };
      let sum: Float64Array | undefined;
      for (let start = 0; start < rows; start += STRIDE)
        sum = await products.transposedTimes(part(left, start), part(right, start), sum);
      assert.deepEqual(sum, await products.transposedTimes(left, right));
    }
  });

  it('is the same to the byte when it is made again, also of a part of a larger array', async () => {
    const left = matrix(200, 130, 5);
    const part = { rows: 7, columns: 130, values: matrix(9, 130, 6).values.subarray(130, 8 * 130) };
    const first = await products.timesTransposed(left, part);
    nearly(first, byHand(left, part, 'right'));
    assert.deepEqual(await products.timesTransposed(left, part), first);
  });
});
