/**
 * Whether test rows come from where training rows come from: a classifier two-sample test (Lopez-Paz & Oquab, Revisiting
 * Classifier Two-Sample Tests, ICLR 2017). A discriminant on frozen embeddings learns to tell the two; of rows that it has not seen it is
 * right half of the time where there is nothing to tell. Each row is told once, by what the others taught: such answers share rows, so that
 * Wilson's interval is nearly right only and its false alarms are measured (bench/gates-shift.ts, bench/gates-finder-domain.ts). Rows that are kin
 * (kin.ts, unlike-pictures.ts) are learnt or asked about together: a classifier that has learnt one of them knows the others. Where one pattern
 * makes a third of the rows of a side they tell so little that even a shift of all others would pass: nothing is told then. Prompts are few: of
 * those foreign-share.ts says more. Pure.
 */
import type { Score } from '../contract/measures.ts';
import { notMeasured } from './scores.ts';
import { seededRandom, shuffleStart, type Random } from './random.ts';
import { wilsonInterval } from './statistics.ts';
import { drawSide, FOLDS, independentRows, surestOf, tellSides, type KinAmong, type KinRow } from './told-sides.ts';

/** Rows of each side. */
export const MOST_ROWS = 1000;
/** And as many patterns, and independent rows. */
export const LEAST_ROWS = 20;
/** Of pictures half from elsewhere 8 show as much, and 32 and 64 less: of embeddings of pictures and texts, on halves that nothing is reported on. */
const DIRECTIONS = 16;

interface Told {
  readonly right: number;
  readonly rows: number;
  readonly independent: number;
}

export interface TwoSampleTest {
  /** Accuracy of telling `there` from `here` on rows that were not learnt, both counted alike: 0.5 where they are alike. */
  readonly score: Score;
  /** Up to five rows of `there` that are told most surely, the surest first. */
  readonly surest: readonly number[];
}

interface Options {
  readonly seed: number;
  /** Of each side, where kin are to be looked for among its rows. */
  readonly kin?: readonly [here: KinAmong, there: KinAmong] | undefined;
  /** What rows, and kin of them, are called where they are too few. */
  readonly called?: Called;
  readonly signal?: AbortSignal | undefined;
}

export interface Called {
  readonly rows: string;
  /** So many of them that are not kin, in words. */
  readonly patterns: (count: number) => string;
}

/** Embeddings row-major. */
export async function twoSampleTest(
  here: Float32Array,
  there: Float32Array,
  dimension: number,
  { seed, kin, called = { rows: 'rows', patterns: (count) => `of ${count} patterns` }, signal }: Options,
): Promise<TwoSampleTest> {
  const random = seededRandom(seed, 13);
  const sides: (readonly KinRow[])[] = [];
  for (const [side, rows] of [here, there].entries()) {
    const drawn = await drawSide(rows, dimension, { side, most: MOST_ROWS, kinAmong: kin?.[side], random, signal });
    const lacking = tooFew(drawn, `${drawn.rows.length} ${side === 0 ? 'training' : 'test'} ${called.rows}`, called);
    if (lacking !== undefined) return { score: notMeasured(lacking), surest: [] };
    sides.push(drawn.rows);
  }
  return told(sides.flat(), random, signal);
}

/** Why rows of a side tell too little, or undefined. */
function tooFew(
  { rows, patterns }: { readonly rows: readonly KinRow[]; readonly patterns: number },
  name: string,
  called: Called,
): string | undefined {
  if (patterns < LEAST_ROWS) {
    const unlike = patterns === rows.length ? '' : `, ${called.patterns(patterns)},`;
    return `${name}${unlike} are too few to tell (${LEAST_ROWS} are needed)`;
  }
  const independent = Math.floor(independentRows(rows));
  if (independent >= LEAST_ROWS) return undefined;
  return (
    `${name} tell no more than ${independent} different ones, as many are alike, which is too few to tell (${LEAST_ROWS} are needed): ` +
    'keep fewer of those that are alike'
  );
}

/**
 * The same of pairs, row by row, `LEAST_ROWS` or more: both of a pair are learnt, or neither, so that what pairs have in common (a label) tells
 * nothing.
 */
export async function pairedTwoSampleTest(
  here: Float32Array,
  there: Float32Array,
  dimension: number,
  { seed, signal }: Pick<Options, 'seed' | 'signal'>,
): Promise<TwoSampleTest> {
  const random = seededRandom(seed, 13);
  const order = Array.from({ length: here.length / dimension }, (_, pair) => pair);
  shuffleStart(order, order.length, random);
  return told([...sideRows(here, order, 0, dimension), ...sideRows(there, order, 1, dimension)], random, signal);
}

function sideRows(rows: Float32Array, places: readonly number[], side: number, dimension: number): KinRow[] {
  return places.map((place, at) => ({
    place,
    row: rows.subarray(place * dimension, (place + 1) * dimension),
    side,
    fold: at % FOLDS,
    kin: [],
  }));
}

async function told(rows: readonly KinRow[], random: Random, signal: AbortSignal | undefined): Promise<TwoSampleTest> {
  const answers = await tellSides(rows, DIRECTIONS, random, signal);
  const [ours, theirs] = [0, 1].map((side) => {
    const own = answers.filter((one) => one.side === side);
    const right = own.filter(({ margin }) => Number(margin > 0) === side).length / own.length;
    return { right, rows: own.length, independent: independentRows(own) };
  }) as [Told, Told];
  const value = (ours.right + theirs.right) / 2;
  // As many rows as tell as much where both sides count alike (Kish, Survey Sampling, 1965): all, where they are as many and none is kin.
  const worth = 4 / (1 / ours.independent + 1 / theirs.independent);
  const interval = wilsonInterval(value * worth, worth);
  return { score: { value, interval, rows: theirs.rows }, surest: surestOf(answers) };
}
