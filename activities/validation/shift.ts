/**
 * Whether test rows come from where training rows come from: a classifier two-sample test (Lopez-Paz & Oquab, Revisiting
 * Classifier Two-Sample Tests, ICLR 2017). A logistic regression on frozen embeddings learns to tell the two from one half of
 * the rows; on the other half it is right half of the time where there is nothing to tell. Held-out answers are independent
 * under that hypothesis, so Wilson's interval of their share is the test; no permutation is needed. Where rows are few each can be
 * held out in turn instead: more rows are learnt from and all are told, by models that share rows, so that the interval
 * is nearly right only and its false alarms are measured (bench/prompt-shift.ts). Rows that are kin (kin.ts) are not independent: where
 * they are looked for, a group is learnt or held whole, and the interval counts rows as if kin were all told alike
 * (Kish, Survey Sampling, 1965: the effective sample size). Pure.
 */
import type { Score } from '../contract/measures.ts';
import { fitLinearProbe, linearScores } from '../selection/linear-probe.ts';
import { MOST_EXAMPLES } from './gate-examples.ts';
import { foldsOf, kinOf } from './kin.ts';
import { notMeasured } from './scores.ts';
import { sampleIndices, seededRandom, shuffleStart } from './random.ts';
import { wilsonInterval } from './statistics.ts';

/** Rows of each side. */
const MOST_ROWS = 1000;
/** Strong, as the embeddings have many dimensions and the halves few rows. */
const PENALTY = 100;
const LEAST_ROWS = 20;
const FOLDS = 5;

export interface TwoSampleTest {
  /** Accuracy of telling `there` from `here` on held-out rows, as many of each: 0.5 where they are alike. */
  readonly score: Score;
  /** Up to five held-out rows of `there` that are told most surely, the surest first. */
  readonly surest: readonly number[];
}

interface Options {
  readonly seed: number;
  /** With fewer rows a side than this, each fifth is told by what the other four taught; by default a half by the other half, always. */
  readonly inTurnBelow?: number;
  /** Keys of each row of `here` and of `there`, where kin is to be looked for: rows of a side that share one are kin. */
  readonly keys?: readonly [here: readonly (readonly string[])[], there: readonly (readonly string[])[]];
  readonly signal?: AbortSignal;
}
/** A row of a side, which is 0 or 1. */
interface SideRow {
  readonly place: number;
  readonly row: Float32Array;
  readonly side: number;
  readonly fold: number;
  /** Places of its kin on its side. */
  readonly kin: readonly number[];
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
  { seed, inTurnBelow = 0, keys, signal }: Options,
): Promise<TwoSampleTest> {
  const random = seededRandom(seed, 13);
  const count = Math.min(MOST_ROWS, here.length / dimension, there.length / dimension);
  if (count < LEAST_ROWS) return { score: notMeasured(`${count} rows are too few to tell`), surest: [] };
  const folds = count < inTurnBelow ? FOLDS : 2;
  const sides: (readonly SideRow[])[] = [];
  for (const [side, rows] of [here, there].entries()) {
    const chosen = sampleIndices(rows.length / dimension, count, random);
    shuffleStart(chosen, chosen.length, random);
    const places = [...chosen];
    const embeddings = places.map((place) => rows.subarray(place * dimension, (place + 1) * dimension));
    const own = keys?.[side];
    const found =
      own === undefined
        ? undefined
        : await kinOf(
            embeddings,
            places.map((place) => own[place]!),
            signal,
          );
    const different = new Set(found?.groups).size;
    if (found !== undefined && different < LEAST_ROWS) {
      return { score: notMeasured(`${different} groups of rows that are alike are too few to tell`), surest: [] };
    }
    const foldOf = found === undefined ? undefined : foldsOf(found.groups, folds);
    sides.push(
      places.map((place, at) => ({
        place,
        row: embeddings[at]!,
        side,
        fold: foldOf?.[at] ?? Math.floor(((at + 1) * folds - 1) / count),
        kin: found?.kin[at]!.map((other) => places[other]!) ?? [],
      })),
    );
  }
  const told: ToldRow[] = [];
  // In halves the second alone is told, by the first.
  for (let fold = folds === 2 ? 1 : 0; fold < folds; fold++) {
    const learnt = sides.flatMap((rows) => rows.filter((row) => row.fold !== fold));
    const held = sides.flatMap((rows) => rows.filter((row) => row.fold === fold));
    told.push(...(await tellRows(learnt, held, dimension, signal)));
  }
  const right = told.filter(({ margin, side }) => Number(margin > 0) === side).length;
  const surest = told
    .filter(({ margin, side }) => side === 1 && margin > 0)
    .toSorted((a, b) => b.margin - a.margin)
    .slice(0, MOST_EXAMPLES)
    .map(({ place }) => place);
  const value = right / told.length;
  const independent = independentRows(told);
  return { score: { value, interval: wilsonInterval(value * independent, independent), rows: told.length }, surest };
}

/** As how many independent rows these count, if a row and its kin are all told alike. */
function independentRows(told: readonly SideRow[]): number {
  const places = [0, 1].map((side) => new Set(told.filter((row) => row.side === side).map(({ place }) => place)));
  const pairs = told.reduce(
    (sum, { side, kin }) => sum + 1 + kin.filter((place) => places[side]!.has(place)).length,
    0,
  );
  return told.length ** 2 / pairs;
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
