/**
 * Whether test rows come from where training rows come from: a classifier two-sample test (Lopez-Paz & Oquab, Revisiting
 * Classifier Two-Sample Tests, ICLR 2017). A logistic regression on frozen embeddings learns to tell the two from one half of
 * the rows; on the other half it is right half of the time where there is nothing to tell. Held-out answers are independent
 * under that hypothesis, so Wilson's interval of their share is the test; no permutation is needed. Pure.
 */
import type { Score } from '../contract/measures.ts';
import { fitLinearProbe, highestClasses, linearScores } from '../selection/linear-probe.ts';
import { notMeasured } from './scores.ts';
import { sampleIndices, seededRandom, shuffleStart } from './random.ts';
import { wilsonInterval } from './statistics.ts';

/** Rows of each side. */
const MOST_ROWS = 1000;
/** Strong, as the embeddings have many dimensions and the halves few rows. */
const PENALTY = 100;
const LEAST_ROWS = 20;

/** Accuracy of telling `there` from `here` on held-out rows, as many of each: 0.5 where they are alike. Embeddings row-major. */
export async function twoSampleAccuracy(
  here: Float32Array,
  there: Float32Array,
  dimension: number,
  options: { readonly seed: number; readonly signal?: AbortSignal },
): Promise<Score> {
  const random = seededRandom(options.seed, 13);
  const count = Math.min(MOST_ROWS, here.length / dimension, there.length / dimension);
  if (count < LEAST_ROWS) return notMeasured(`${count} rows are too few to tell`);
  const sides = [here, there].map((side) => {
    const rows = sampleIndices(side.length / dimension, count, random);
    shuffleStart(rows, rows.length, random);
    return rows.map((row) => side.subarray(row * dimension, (row + 1) * dimension));
  }) as [Float32Array[], Float32Array[]];
  const half = Math.floor(count / 2);
  const part = (from: number, to: number) => {
    const rows = sides.flatMap((side, which) => side.slice(from, to).map((row) => ({ row, which })));
    const embeddings = new Float32Array(rows.length * dimension);
    for (const [place, { row }] of rows.entries()) embeddings.set(row, place * dimension);
    return { embeddings, classes: Int32Array.from(rows, ({ which }) => which) };
  };
  const held = part(half, count);
  const probe = await fitLinearProbe(part(0, half), PENALTY, {
    dimension,
    classes: 2,
    limits: { tolerance: 1e-3, maxIterations: 50 },
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const told = highestClasses(linearScores(probe, held.embeddings), 2);
  const right = told.reduce((sum, which, row) => sum + Number(which === held.classes[row]), 0);
  return { value: right / told.length, interval: wilsonInterval(right, told.length), rows: told.length };
}
