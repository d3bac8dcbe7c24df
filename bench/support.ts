/** What several benches need. */
import { join } from 'node:path';
import type { Random } from '../activities/validation/random.ts';
import { tinyModel } from '../test/support/tiny-model.ts';

/** NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** The small encoder of ESPALIER_TEST_DATA, else a random one: its folder, and what to call it beside the figures. */
export async function smallEncoder(): Promise<{ readonly folder: string; readonly title: string }> {
  const data = process.env['ESPALIER_TEST_DATA'];
  return data === undefined
    ? { folder: await tinyModel(), title: 'random encoder of 2 layers, 32 wide' }
    : { folder: join(data, 'models/derived/minilm-tiny-l4-h128-v8k'), title: 'encoder of 4 layers, 128 wide' };
}

/** Beta distributed, as two gammas are to each other; both parameters above 0. */
export function beta(random: Random, a: number, b: number): number {
  const [first, second] = [gamma(random, a), gamma(random, b)];
  return first / (first + second);
}

/** Marsaglia & Tsang, ACM TOMS 26(3), 2000. */
function gamma(random: Random, shape: number): number {
  if (shape < 1) return gamma(random, shape + 1) * (1 - random.uniform()) ** (1 / shape);
  const d = shape - 1 / 3;
  for (;;) {
    const x = random.normal();
    const v = (1 + x / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - random.uniform()) < (x * x) / 2 + d - d * v + d * Math.log(v)) return d * v;
  }
}
