/**
 * How many test rows do not come from where training rows come from: a classifier two-sample test, as in shift.ts, that says a share of
 * rows. A discriminant learns to tell the two, and of rows that it has not seen the share
 * of test rows that it takes for test rows, minus that of training rows, is what cannot have come from there: at most the
 * share of rows from elsewhere, and 0 on average where there are none (the two shares' difference bounds the total variation
 * distance from below, and a test set of which a share s is from elsewhere is at most s away). Its interval is Newcombe's.
 *
 * Each row is told once, by what the others taught: a fifth at a time. Such answers share rows, so that the interval is nearly
 * right only and its false alarms are measured (bench/prompt-shift.ts).
 *
 * Rows that are kin (kin.ts) are not independent: where they are looked for, a group is learnt or held whole, and
 * the interval counts rows as if kin were all told alike (Kish, Survey Sampling, 1965: the effective sample size).
 */
import type { Score } from '../contract/measures.ts';
import { notMeasured } from './scores.ts';
import { seededRandom } from './random.ts';
import { shareDifferenceInterval } from './shares.ts';
import {
  drawSide,
  independentRows,
  kinByLikeness,
  surestOf,
  tellSides,
  type KinRow,
  type ToldRow,
} from './told-sides.ts';

/** Rows of each side. */
const MOST_ROWS = 1000;
const LEAST_ROWS = 20;
/** Of a test set half from elsewhere 8 and 16 show less and 64 no more, on the texts of bench/prompt-shift.ts. */
const DIRECTIONS = 32;

export interface ForeignShare {
  /** Share of `there` that is from elsewhere than `here`, as far as held-out rows show it: 0 where they are alike. */
  readonly score: Score;
  /** Up to five held-out rows of `there` that are told most surely, the surest first. */
  readonly surest: readonly number[];
}

interface Options {
  readonly seed: number;
  /** Keys of each row of `here` and of `there`, where kin is to be looked for: rows of a side that share one are kin. */
  readonly keys?: readonly [here: readonly (readonly string[])[], there: readonly (readonly string[])[]];
  /** What the rows are called where they are too few. */
  readonly called?: string;
  readonly signal?: AbortSignal;
}
/** Embeddings row-major: those of training rows, and those of test rows. */
export async function foreignShare(
  here: Float32Array,
  there: Float32Array,
  dimension: number,
  { seed, keys, called = 'rows', signal }: Options,
): Promise<ForeignShare> {
  const [training, test] = [here.length / dimension, there.length / dimension];
  if (Math.min(training, test) < LEAST_ROWS) {
    return tooFew(
      `there are ${test} test ${called} and ${training} training ${called}, and it takes ${LEAST_ROWS} of each to tell`,
    );
  }
  const random = seededRandom(seed, 13);
  const sides: (readonly KinRow[])[] = [];
  for (const [side, rows] of [here, there].entries()) {
    const name = `${side === 0 ? 'training' : 'test'} ${called}`;
    const own = keys?.[side];
    const rowOf = (place: number): Float32Array => rows.subarray(place * dimension, (place + 1) * dimension);
    const kinAmong = own && kinByLikeness({ rowOf, keysOf: (place) => own[place]! });
    const chosen = await drawSide(rows, dimension, { side, most: MOST_ROWS, kinAmong, random, signal });
    const { patterns } = chosen;
    if (patterns < LEAST_ROWS) {
      return tooFew(
        `the ${chosen.rows.length} ${name} are made by ${patterns} patterns (texts that differ in a few words, digits or turns are one), ` +
          `and it takes ${name} of ${LEAST_ROWS} patterns to tell`,
      );
    }
    sides.push(chosen.rows);
  }
  const told = await tellSides(sides.flat(), DIRECTIONS, random, signal);
  return { score: beyondChance(told), surest: surestOf(told) };
}

function tooFew(reason: string): ForeignShare {
  return { score: notMeasured(reason), surest: [] };
}

/** Share of `there` that is taken for `there` minus that of `here`: never below 0, as no share is. */
function beyondChance(told: readonly ToldRow<KinRow>[]): Score {
  const [here, there] = [0, 1].map((side) => {
    const own = told.filter((row) => row.side === side);
    const rows = independentRows(own);
    return { hits: (own.filter(({ margin }) => margin > 0).length / own.length) * rows, rows };
  }) as [{ hits: number; rows: number }, { hits: number; rows: number }];
  const { low, high, confidence } = shareDifferenceInterval(there, here);
  const floor = (share: number): number => Math.max(0, share);
  return {
    value: floor(there.hits / there.rows - here.hits / here.rows),
    interval: { low: floor(low), high: floor(high), confidence },
    rows: told.filter(({ side }) => side === 1).length,
  };
}
