/**
 * Whether test rows come from where training rows come from: a classifier two-sample test (Lopez-Paz & Oquab, Revisiting
 * Classifier Two-Sample Tests, ICLR 2017). A logistic regression on frozen embeddings learns to tell the two from one half of
 * the rows; on the other half it is right half of the time where there is nothing to tell. Held-out answers are independent
 * under that hypothesis, so Wilson's interval of their share is the test; no permutation is needed. Pure.
 */
import type { Score } from '../contract/measures.ts';
import { fitLinearProbe, highestClasses, linearScores } from '../selection/linear-probe.ts';
import { MOST_EXAMPLES } from './gate-examples.ts';
import { notMeasured } from './scores.ts';
import { sampleIndices, seededRandom, shuffleStart } from './random.ts';
import { wilsonInterval } from './statistics.ts';

/** Rows of each side. */
const MOST_ROWS = 1000;
/** Strong, as the embeddings have many dimensions and the halves few rows. */
const PENALTY = 100;
const LEAST_ROWS = 20;

export interface TwoSampleTest {
  /** Accuracy of telling `there` from `here` on held-out rows, as many of each: 0.5 where they are alike. */
  readonly score: Score;
  /** Up to five held-out rows of `there` that are told most surely, the surest first. */
  readonly surest: readonly number[];
}

/** Embeddings row-major. */
export async function twoSampleTest(
  here: Float32Array,
  there: Float32Array,
  dimension: number,
  options: { readonly seed: number; readonly signal?: AbortSignal },
): Promise<TwoSampleTest> {
  const random = seededRandom(options.seed, 13);
  const count = Math.min(MOST_ROWS, here.length / dimension, there.length / dimension);
  if (count < LEAST_ROWS) return { score: notMeasured(`${count} rows are too few to tell`), surest: [] };
  const sides = [here, there].map((side) => {
    const rows = sampleIndices(side.length / dimension, count, random);
    shuffleStart(rows, rows.length, random);
    return rows.map((place) => ({ place, row: side.subarray(place * dimension, (place + 1) * dimension) }));
  });
  const half = Math.floor(count / 2);
  const part = (from: number, to: number) => {
    const rows = sides.flatMap((side, which) => side.slice(from, to).map((one) => ({ ...one, which })));
    const embeddings = new Float32Array(rows.length * dimension);
    for (const [place, { row }] of rows.entries()) embeddings.set(row, place * dimension);
    return { rows, embeddings, classes: Int32Array.from(rows, ({ which }) => which) };
  };
  const held = part(half, count);
  const probe = await fitLinearProbe(part(0, half), PENALTY, {
    dimension,
    classes: 2,
    limits: { tolerance: 1e-3, maxIterations: 50 },
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const scores = linearScores(probe, held.embeddings);
  const told = highestClasses(scores, 2);
  const right = told.reduce((sum, which, row) => sum + Number(which === held.classes[row]), 0);
  const surest = held.rows
    .flatMap(({ place, which }, row) => {
      const margin = scores[2 * row + 1]! - scores[2 * row]!;
      return which === 1 && margin > 0 ? [{ place, margin }] : [];
    })
    .toSorted((a, b) => b.margin - a.margin)
    .slice(0, MOST_EXAMPLES)
    .map(({ place }) => place);
  const score = { value: right / told.length, interval: wilsonInterval(right, told.length), rows: told.length };
  return { score, surest };
}
