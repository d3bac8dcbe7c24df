/**
 * Whether test rows come from where training rows come from: a classifier two-sample test (Lopez-Paz & Oquab, Revisiting
 * Classifier Two-Sample Tests, ICLR 2017). A logistic regression on frozen embeddings learns to tell the two from one half of
 * the rows; on the other half it is right half of the time where there is nothing to tell. Held-out answers are independent
 * under that hypothesis, so Wilson's interval of their share is the test; no permutation is needed. Prompts are few and have kin: of
 * those foreign-share.ts says more. Pure.
 */
import type { Score } from '../contract/measures.ts';
import { fitLinearProbe, linearScores } from '../selection/linear-probe.ts';
import { MOST_EXAMPLES } from './gate-examples.ts';
import { notMeasured } from './scores.ts';
import { sampleIndices, seededRandom, shuffleStart } from './random.ts';
import { wilsonInterval } from './statistics.ts';

/** Rows of each side. */
export const MOST_ROWS = 1000;
/** Strong, as the embeddings have many dimensions and the halves few rows. */
const PENALTY = 100;
export const LEAST_ROWS = 20;

export interface TwoSampleTest {
  /** Accuracy of telling `there` from `here` on held-out rows, as many of each: 0.5 where they are alike. */
  readonly score: Score;
  /** Up to five held-out rows of `there` that are told most surely, the surest first. */
  readonly surest: readonly number[];
}

interface Options {
  readonly seed: number;
  readonly signal?: AbortSignal;
}
/** A row of a side, which is 0 or 1. */
interface SideRow {
  readonly place: number;
  readonly row: Float32Array;
  readonly side: number;
}
interface ToldRow extends SideRow {
  /** How much more it looks like `there`; below 0 like `here`. */
  readonly margin: number;
}

/** Embeddings row-major. */
export async function twoSampleTest(
  here: Float32Array,
  there: Float32Array,
  dimension: number,
  { seed, signal }: Options,
): Promise<TwoSampleTest> {
  const random = seededRandom(seed, 13);
  const count = Math.min(MOST_ROWS, here.length / dimension, there.length / dimension);
  if (count < LEAST_ROWS) return { score: notMeasured(`${count} rows are too few to tell`), surest: [] };
  const [ours, theirs] = [here, there].map((rows) => {
    const chosen = sampleIndices(rows.length / dimension, count, random);
    shuffleStart(chosen, chosen.length, random);
    return chosen;
  });
  return tellSides(sideRows(here, ours!, 0, dimension), sideRows(there, theirs!, 1, dimension), dimension, signal);
}

/**
 * The same of pairs, row by row, `LEAST_ROWS` or more: both of a pair stand in one half, so that what pairs have in common (a label) tells
 * nothing.
 */
export async function pairedTwoSampleTest(
  here: Float32Array,
  there: Float32Array,
  dimension: number,
  { seed, signal }: Options,
): Promise<TwoSampleTest> {
  const order = Array.from({ length: here.length / dimension }, (_, pair) => pair);
  shuffleStart(order, order.length, seededRandom(seed, 13));
  return tellSides(sideRows(here, order, 0, dimension), sideRows(there, order, 1, dimension), dimension, signal);
}

function sideRows(rows: Float32Array, places: readonly number[], side: number, dimension: number): SideRow[] {
  return places.map((place) => ({ place, row: rows.subarray(place * dimension, (place + 1) * dimension), side }));
}

/** Learns from the first half of both, and asks of the rest. */
async function tellSides(
  ours: readonly SideRow[],
  theirs: readonly SideRow[],
  dimension: number,
  signal: AbortSignal | undefined,
): Promise<TwoSampleTest> {
  const sides = [ours, theirs];
  const half = Math.floor(ours.length / 2);
  const learnt = sides.flatMap((rows) => rows.slice(0, half));
  const held = sides.flatMap((rows) => rows.slice(half));
  const told = await tellRows(learnt, held, dimension, signal);
  const right = told.filter(({ margin, side }) => Number(margin > 0) === side).length;
  const surest = told
    .filter(({ margin, side }) => side === 1 && margin > 0)
    .toSorted((a, b) => b.margin - a.margin)
    .slice(0, MOST_EXAMPLES)
    .map(({ place }) => place);
  const value = right / told.length;
  return { score: { value, interval: wilsonInterval(right, told.length), rows: told.length }, surest };
}

async function tellRows(
  learnt: readonly SideRow[],
  held: readonly SideRow[],
  dimension: number,
  signal: AbortSignal | undefined,
): Promise<readonly ToldRow[]> {
  const matrix = (rows: readonly SideRow[]): Float32Array => {
    const embeddings = new Float32Array(rows.length * dimension);
    for (const [place, { row }] of rows.entries()) embeddings.set(row, place * dimension);
    return embeddings;
  };
  const classes = Int32Array.from(learnt, ({ side }) => side);
  const probe = await fitLinearProbe({ embeddings: matrix(learnt), classes }, PENALTY, {
    dimension,
    classes: 2,
    limits: { tolerance: 1e-3, maxIterations: 50 },
    ...(signal === undefined ? {} : { signal }),
  });
  const scores = linearScores(probe, matrix(held));
  return held.map((one, row) => ({ ...one, margin: scores[2 * row + 1]! - scores[2 * row]! }));
}
