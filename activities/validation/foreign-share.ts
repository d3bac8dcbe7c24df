/**
 * How many test rows do not come from where training rows come from: a classifier two-sample test, as in shift.ts, that says a share of
 * rows. A discriminant learns to tell the two, and of rows that it has not seen the share
 * of test rows that it takes for test rows, minus that of training rows, is what cannot have come from there: at most the
 * share of rows from elsewhere, and 0 on average where there are none (the two shares' difference bounds the total variation
 * distance from below, and a test set of which a share s is from elsewhere is at most s away). Its interval is Newcombe's.
 *
 * Each row is told once, by what the others taught: a fifth at a time. Such answers share rows, so that the interval is nearly
 * right only and its false alarms are measured (bench/prompt-shift.ts). The directions in which rows differ most are
 * found from all of them, without their sides: where rows are few, it is these that show a kind of which they are half or a quarter.
 *
 * Rows that are kin (kin.ts) are not independent: where they are looked for, a group is learnt or held whole, and
 * the interval counts rows as if kin were all told alike (Kish, Survey Sampling, 1965: the effective sample size).
 */
import type { Score } from '../contract/measures.ts';
import { discriminant } from './discriminant.ts';
import { MOST_EXAMPLES } from './gate-examples.ts';
import { foldsOf, kinOf } from './kin.ts';
import { principalPlaces } from './principal-components.ts';
import { notMeasured } from './scores.ts';
import { sampleIndices, seededRandom, shuffleStart, type Random } from './random.ts';
import { shareDifferenceInterval } from './shares.ts';

/** Rows of each side. */
const MOST_ROWS = 1000;
const LEAST_ROWS = 20;
const FOLDS = 5;
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
/** A row of a side, which is 0 (`here`) or 1. */
interface SideRow {
  readonly place: number;
  readonly row: Float32Array;
  readonly side: number;
  readonly fold: number;
  /** Places of its kin on its side, without it. */
  readonly kin: readonly number[];
}
interface ToldRow extends SideRow {
  /** How much more it looks like `there`; below 0 like `here`. */
  readonly margin: number;
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
  const sides: (readonly SideRow[])[] = [];
  for (const [side, rows] of [here, there].entries()) {
    const name = `${side === 0 ? 'training' : 'test'} ${called}`;
    const chosen = await sideRows(rows, dimension, { side, own: keys?.[side], random, signal });
    const { patterns } = chosen;
    if (patterns < LEAST_ROWS) {
      return tooFew(
        `the ${chosen.rows.length} ${name} are made by ${patterns} patterns (texts that differ in a few words, digits or turns are one), ` +
          `and it takes ${name} of ${LEAST_ROWS} patterns to tell`,
      );
    }
    sides.push(chosen.rows);
  }
  const told = await tellRows(sides.flat(), random, signal);
  const surest = told
    .filter(({ margin, side }) => side === 1 && margin > 0)
    .toSorted((a, b) => b.margin - a.margin)
    .slice(0, MOST_EXAMPLES)
    .map(({ place }) => place);
  return { score: beyondChance(told), surest };
}

function tooFew(reason: string): ForeignShare {
  return { score: notMeasured(reason), surest: [] };
}

/** Rows of one side, drawn where there are many, with their folds; and of how many patterns they are. */
async function sideRows(
  embeddings: Float32Array,
  dimension: number,
  {
    side,
    own,
    random,
    signal,
  }: {
    readonly side: number;
    readonly own: readonly (readonly string[])[] | undefined;
    readonly random: Random;
    readonly signal: AbortSignal | undefined;
  },
): Promise<{ readonly rows: readonly SideRow[]; readonly patterns: number }> {
  const all = embeddings.length / dimension;
  const places = sampleIndices(all, Math.min(MOST_ROWS, all), random);
  shuffleStart(places, places.length, random);
  const rows = places.map((place) => embeddings.subarray(place * dimension, (place + 1) * dimension));
  const keys = own === undefined ? undefined : places.map((place) => own[place]!);
  const found = keys === undefined ? undefined : await kinOf(rows, keys, signal);
  const groups = found?.groups ?? [...places.keys()];
  const folds = foldsOf(groups, FOLDS);
  return {
    patterns: new Set(groups).size,
    rows: places.map((place, at) => ({
      place,
      row: rows[at]!,
      side,
      fold: folds[at]!,
      kin: found?.kin[at]!.map((other) => places[other]!) ?? [],
    })),
  };
}

/** Each by what the other folds taught. */
async function tellRows(
  rows: readonly SideRow[],
  random: Random,
  signal: AbortSignal | undefined,
): Promise<readonly ToldRow[]> {
  const places = await principalPlaces(
    rows.map(({ row }) => row),
    DIRECTIONS,
    random,
    signal,
  );
  const known = rows.map((row, at) => ({ row, side: row.side, fold: row.fold, features: places[at]! }));
  return Array.from({ length: FOLDS }, (_, fold) => {
    const marginOf = discriminant(known.filter((one) => one.fold !== fold));
    return known
      .filter((one) => one.fold === fold)
      .map(({ row, features }): ToldRow => ({ ...row, margin: marginOf(features) }));
  }).flat();
}

/** Share of `there` that is taken for `there` minus that of `here`: never below 0, as no share is. */
function beyondChance(told: readonly ToldRow[]): Score {
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

/** As how many independent rows these of one side count, if a row and its kin are all told alike. */
function independentRows(rows: readonly SideRow[]): number {
  return rows.length ** 2 / rows.reduce((sum, { kin }) => sum + 1 + kin.length, 0);
}
