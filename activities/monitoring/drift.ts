/**
 * Has the traffic drifted from the data that the model was validated on? Four differences between reference and window
 * are measured (embeddings, class probabilities, predicted labels, text lengths; of pictures, which have none, three), and all are judged by one permutation
 * test: if nothing drifted, reference and window rows are exchangeable, and the observed grouping is one of the many
 * equally likely ones. That makes the stated false-alarm rate hold whatever the sizes, even for a reference smaller
 * than the window, and counts the reference's own sampling noise, which thresholds learnt on the reference alone ignore
 * (Good, Permutation Tests, 2nd ed., 2000; for kernels: Gretton et al., JMLR 13, 2012).
 *
 * Several tests, one rate: the smallest p-value is compared with the permutation distribution of the smallest p-value
 * (Westfall & Young, Resampling-Based Multiple Testing, 1993, single-step minP). Unlike Bonferroni it loses nothing to
 * the tests' strong dependence.
 *
 * Limits: rows must be independent (a client that repeats one request is drift to this test), and the rate is that of a
 * check with a fresh reference: checks against the same reference share its noise.
 */
import { decide } from '../../inference/labels-above.ts';
import type { DriftTest } from '../contract/monitoring.ts';
import { argmaxRows } from '../validation/metrics.ts';
import { sampleIndices, seededRandom, shuffleStart, type Random } from '../validation/random.ts';
import { timeSlice } from '../validation/time-slice.ts';
import {
  chiSquare,
  kernelDistance,
  kolmogorovSmirnov,
  labelRates,
  largestColumnDistance,
  type Grouping,
} from './two-sample.ts';

/** Model outputs of some texts or pictures: embeddings [rows, dimension] and probabilities [rows, classes], both row-major. */
export interface ModelOutputs {
  readonly rows: number;
  readonly dimension: number;
  readonly classes: number;
  readonly embeddings: Float32Array;
  readonly probabilities: Float32Array;
  /** Of several labels a row: from which probability on each applies. */
  readonly thresholds?: readonly number[];
  /** Of pictures 0. */
  readonly textLengths: ArrayLike<number>;
}

export interface DriftOptions {
  /** Chance of an alarm when nothing drifted. */
  readonly falseAlarmRate: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface DriftResult {
  readonly drift: boolean;
  readonly tests: readonly DriftTest[];
  readonly permutations: number;
  /** Rows compared: larger sides are thinned to a seeded sample. */
  readonly referenceRows: number;
  readonly windowRows: number;
}

/** Work of a check, in rows × permutations a side: about a second of kernel sums at the default rate. */
const WORK = 4_000_000;

/** Compares a window of traffic with the reference. Throws RangeError when either is empty or their widths differ. */
export async function detectDrift(
  reference: ModelOutputs,
  window: ModelOutputs,
  options: DriftOptions,
): Promise<DriftResult> {
  const { falseAlarmRate: rate, seed, signal } = options;
  if (reference.rows === 0 || window.rows === 0) throw new RangeError('detectDrift: reference and window need rows');
  if (reference.dimension !== window.dimension || reference.classes !== window.classes) {
    throw new RangeError(
      `detectDrift: the reference is ${reference.dimension} × ${reference.classes}, the window ${window.dimension} × ${window.classes}`,
    );
  }
  // About twenty permutations lie beyond the critical one: with fewer the test stays valid but loses power.
  const permutations = Math.max(199, Math.ceil(20 / rate) - 1);
  const mostRows = Math.min(2000, Math.max(250, Math.floor(WORK / permutations)));
  const left = thin(reference, mostRows, seededRandom(seed, 1));
  const right = thin(window, mostRows, seededRandom(seed, 2));
  const pause = timeSlice(signal);
  const { thresholds } = reference;
  const pooled = { ...pool(left, right), ...(thresholds === undefined ? {} : { thresholds }) };
  const differences = await groupDifferences(pooled, seededRandom(seed, 3), pause);

  const statistics = differences.map(() => new Float64Array(permutations + 1));
  const groupings = permutedGroupings(left.rows, right.rows, seededRandom(seed, 4));
  for (let round = 0; round <= permutations; round++) {
    const grouping = groupings.next().value;
    for (const [test, [, difference]] of differences.entries()) {
      statistics[test]![round] = difference(grouping);
      await pause();
    }
    if (round % 100 === 0) options.onProgress?.(round, permutations);
  }
  const judged = judgeByMinP(statistics, rate);
  const tests = differences.map(([name], test) => ({ name, ...judged[test]! }));
  return {
    drift: tests.some(({ alarm }) => alarm),
    tests,
    permutations,
    referenceRows: left.rows,
    windowRows: right.rows,
  };
}

type Difference = readonly [name: string, between: (grouping: Grouping) => number];

async function groupDifferences(
  pooled: ModelOutputs,
  random: Random,
  pause: () => Promise<void> | undefined,
): Promise<readonly Difference[]> {
  const { classes, probabilities, textLengths, thresholds } = pooled;
  return [
    ['embedding', await kernelDistance(pooled.embeddings, pooled.dimension, random, pause)],
    ['class-probabilities', largestColumnDistance(probabilities, classes)],
    [
      'predicted-labels',
      thresholds === undefined
        ? chiSquare(argmaxRows(probabilities, classes), classes)
        : labelRates(decide(probabilities, thresholds), classes),
    ],
    ...(hasLengths(textLengths) ? [['text-length', kolmogorovSmirnov(textLengths, { tails: true })] as const] : []),
  ];
}

/** Whether there is any length to compare: pictures have none. */
export function hasLengths(textLengths: ArrayLike<number>): boolean {
  return Array.from(textLengths).some((length) => length > 0);
}

/** First the observed grouping, then random ones of the same sizes, without end. The listed group is the smaller one. */
export function* permutedGroupings(
  referenceRows: number,
  windowRows: number,
  random: Random,
): Generator<Grouping, never> {
  const total = referenceRows + windowRows;
  const size = Math.min(referenceRows, windowRows);
  const order = Uint32Array.from({ length: total }, (_, row) => row);
  if (windowRows < referenceRows) order.reverse();
  const member = new Uint8Array(total);
  for (;;) {
    const rows = order.subarray(0, size);
    member.fill(0);
    for (const row of rows) member[row] = 1;
    yield { rows, member };
    shuffleStart(order, size, random);
  }
}

/**
 * Single-step minP. `statistics[test][round]`, round 0 the observed one, larger = more different. A test alarms when its
 * adjusted p-value is at most `rate`; `threshold` is the largest statistic of any round that would not have alarmed.
 */
export function judgeByMinP(
  statistics: readonly Float64Array[],
  rate: number,
): { statistic: number; threshold: number; pValue: number; alarm: boolean }[] {
  const rounds = statistics[0]?.length ?? 0;
  const pValues = statistics.map(pValuesOf);
  const smallest = Float64Array.from({ length: rounds }, (_, round) => Math.min(...pValues.map((p) => p[round]!)));
  const ascending = smallest.toSorted();
  const adjusted = (p: number): number => countBelow(ascending, p, true) / rounds;
  return statistics.map((values, test) => {
    const p = pValues[test]!;
    const pValue = adjusted(p[0]!);
    let threshold = 0;
    for (let round = 0; round < rounds; round++) {
      if (values[round]! > threshold && adjusted(p[round]!) > rate) threshold = values[round]!;
    }
    return { statistic: values[0]!, threshold, pValue, alarm: pValue <= rate };
  });
}

/** p[round] = share of rounds whose statistic is at least this round's. */
function pValuesOf(statistics: Float64Array): Float64Array {
  const ascending = statistics.toSorted();
  return statistics.map((value) => (ascending.length - countBelow(ascending, value)) / ascending.length);
}

/** How many ascending values are below `value`, or with `inclusive` at most it. */
function countBelow(ascending: Float64Array, value: number, inclusive = false): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const before = ascending[middle]!;
    if (before < value || (inclusive && before === value)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function thin(outputs: ModelOutputs, most: number, random: Random): ModelOutputs {
  return outputs.rows <= most ? outputs : takeRows(outputs, sampleIndices(outputs.rows, most, random));
}

/** The listed rows of some outputs, in that order; a row may be listed twice. */
export function takeRows(outputs: ModelOutputs, rows: ArrayLike<number>): ModelOutputs {
  const { dimension, classes } = outputs;
  const embeddings = new Float32Array(rows.length * dimension);
  const probabilities = new Float32Array(rows.length * classes);
  for (let place = 0; place < rows.length; place++) {
    const row = rows[place]!;
    embeddings.set(outputs.embeddings.subarray(row * dimension, (row + 1) * dimension), place * dimension);
    probabilities.set(outputs.probabilities.subarray(row * classes, (row + 1) * classes), place * classes);
  }
  const textLengths = Array.from(rows, (row) => outputs.textLengths[row]!);
  return { rows: rows.length, dimension, classes, embeddings, probabilities, textLengths };
}

function pool(left: ModelOutputs, right: ModelOutputs): ModelOutputs {
  const join = (a: Float32Array, b: Float32Array): Float32Array => {
    const joined = new Float32Array(a.length + b.length);
    joined.set(a);
    joined.set(b, a.length);
    return joined;
  };
  return {
    rows: left.rows + right.rows,
    dimension: left.dimension,
    classes: left.classes,
    embeddings: join(left.embeddings, right.embeddings),
    probabilities: join(left.probabilities, right.probabilities),
    textLengths: [...Array.from(left.textLengths), ...Array.from(right.textLengths)],
  };
}
