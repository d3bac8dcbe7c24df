/**
 * Multinomial logistic regression on sparse rows, by the same L-BFGS as the linear probe. Minimises the mean over the rows
 * of −log p(class | row) plus l2 / (2 · rows) · ‖W‖², the bias unpenalised: scikit-learn's LogisticRegression with
 * C = 1 / l2. Deterministic.
 */
import { minimise } from '../selection/minimise.ts';
import { timeSlice } from './time-slice.ts';
import type { SparseRows } from './tfidf.ts';

/** Parameters [classes][width + 1], the bias last. */
export interface SparseLogistic {
  readonly point: Float64Array;
  readonly classes: number;
  readonly width: number;
}

export async function fitSparseLogistic(
  rows: SparseRows,
  truth: Int32Array,
  classes: number,
  options: { readonly l2: number; readonly tolerance?: number; readonly signal?: AbortSignal },
): Promise<SparseLogistic> {
  const { l2, tolerance = 1e-5 } = options;
  const width = rows.width + 1;
  const count = truth.length;
  const pause = timeSlice(options.signal);
  const point = await minimise(
    async (at) => {
      const gradient = new Float64Array(at.length);
      const chances = new Float64Array(classes);
      let value = 0;
      for (let row = 0; row < count; row++) {
        scoresOf(at, rows, row, chances);
        value -= softmaxOf(chances, truth[row]!);
        chances[truth[row]!]! -= 1;
        for (let place = rows.starts[row]!; place < rows.starts[row + 1]!; place++) {
          const [column, weight] = [rows.columns[place]!, rows.values[place]!];
          for (let label = 0; label < classes; label++) gradient[label * width + column]! += chances[label]! * weight;
        }
        for (let label = 0; label < classes; label++) gradient[label * width + rows.width]! += chances[label]!;
        if (row % 64 === 0) await pause();
      }
      for (let place = 0; place < at.length; place++) {
        if (place % width === rows.width) continue;
        value += (l2 / 2) * at[place]! ** 2;
        gradient[place]! += l2 * at[place]!;
      }
      for (let place = 0; place < at.length; place++) gradient[place]! /= count;
      return { value: value / count, gradient };
    },
    new Float64Array(classes * width),
    { tolerance, maxIterations: 100 },
  );
  return { point, classes, width: rows.width };
}

/** Row-major [rows, classes]. */
export function sparseProbabilities(model: SparseLogistic, rows: SparseRows): Float64Array {
  const count = rows.starts.length - 1;
  const all = new Float64Array(count * model.classes);
  for (let row = 0; row < count; row++) {
    const chances = all.subarray(row * model.classes, (row + 1) * model.classes);
    scoresOf(model.point, rows, row, chances);
    softmaxOf(chances, 0);
  }
  return all;
}

function scoresOf(point: Float64Array, rows: SparseRows, row: number, scores: Float64Array): void {
  const width = rows.width + 1;
  for (let label = 0; label < scores.length; label++) {
    let score = point[label * width + rows.width]!;
    for (let place = rows.starts[row]!; place < rows.starts[row + 1]!; place++) {
      score += point[label * width + rows.columns[place]!]! * rows.values[place]!;
    }
    scores[label] = score;
  }
}

/** Turns scores into probabilities in place and gives the logarithm of the true class's. */
function softmaxOf(scores: Float64Array, truth: number): number {
  const highest = scores.reduce((best, score) => Math.max(best, score), Number.NEGATIVE_INFINITY);
  const own = scores[truth]! - highest;
  let total = 0;
  for (let label = 0; label < scores.length; label++) total += scores[label] = Math.exp(scores[label]! - highest);
  for (let label = 0; label < scores.length; label++) scores[label]! /= total;
  return own - Math.log(total);
}
