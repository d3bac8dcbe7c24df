/** What several benches need. */
import { join } from 'node:path';
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
