/** What several benches need. */
import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Random } from '../activities/validation/random.ts';
import { pythonForTests } from '../test/support/python.ts';
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

/** Of the trainer's own files: part of the key of whatever a benchmark remembers of it. */
export async function trainerDigest(): Promise<string> {
  const { packages } = pythonForTests();
  const hash = createHash('sha256').update(await readFile(join(packages, 'requirements.lock')));
  const files = await readdir(join(packages, 'espalier_trainer'), { recursive: true });
  for (const file of files.filter((name) => name.endsWith('.py')).toSorted())
    hash.update(file).update(await readFile(join(packages, 'espalier_trainer', file)));
  return hash.digest('hex');
}

/** `count of trials (low to high %)`: the exact 95 % interval of a share (Clopper & Pearson, Biometrika 26(4), 1934). */
export function exactly(count: number, trials: number): string {
  const { low, high } = exactInterval(count, trials);
  return `${count} of ${trials} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)} %)`;
}

/** Each end leaves 2.5 % beyond it, so that 0 of 72 reaches up to 5.0 % and 72 of 72 down to 95.0 %. */
export function exactInterval(count: number, trials: number): { readonly low: number; readonly high: number } {
  return {
    low: count === 0 ? 0 : solved((share) => 1 - atMost(count - 1, trials, share), 0.025),
    high: count === trials ? 1 : solved((share) => 1 - atMost(count, trials, share), 0.975),
  };
}

/** Of a rising function of 0–1, where it is `value`. */
function solved(rising: (share: number) => number, value: number): number {
  let [low, high] = [0, 1];
  for (let halving = 0; halving < 60; halving++) {
    const middle = (low + high) / 2;
    if (rising(middle) < value) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Probability of at most so many successes, share within 0–1. */
function atMost(count: number, trials: number, share: number): number {
  let logarithm = trials * Math.log1p(-share);
  let sum = Math.exp(logarithm);
  for (let successes = 1; successes <= count; successes++) {
    logarithm += Math.log((trials - successes + 1) / successes) + Math.log(share) - Math.log1p(-share);
    sum += Math.exp(logarithm);
  }
  return sum;
}
