/**
 * What a larger gallery should find, from parts of a smaller one. Every picture that asks ranks a quarter, a half and all of the gallery;
 * a power law through the means (activities/selection/learning-curve.ts) is read off at the whole: of what recall@k misses, which grows
 * less as neighbours grow nearer, and of mAP, which falls towards a limit: above a wanted picture stands as large a share of wanted ones
 * in a gallery of any size, but for itself, which counts for less among more. The interval draws queries anew and halves of the gallery: a half
 * drawn without replacement varies about the whole as the whole does about the pictures that there might be (the delete-d jackknife: Shao &
 * Wu, Ann. Statist. 17(3), 1989). Labels are taken to stay the same, in the same shares. How often it holds: bench/foretold-finder.ts.
 */
import type { Interval } from '../contract/measures.ts';
import type { ForetoldFindings } from '../contract/retrieval.ts';
import { accuracyAt, fitLearningCurve } from '../selection/learning-curve.ts';
import { seededRandom, shuffleStart, type Random } from '../validation/random.ts';
import { quantile } from '../validation/statistics.ts';
import { timeSlice } from '../validation/time-slice.ts';
import { averagePrecision, recallAt } from './metrics.ts';
import type { QueryRanking } from './query-figures.ts';

/** A gallery that some pictures ask, ranked exactly. */
export interface RankedQueries {
  /** Class of every gallery entry. */
  readonly classes: ArrayLike<number>;
  readonly queries: readonly RankedQuery[];
}
export interface RankedQuery extends QueryRanking {
  readonly label: number;
}

/** Pictures of a label, so that an eighth of the gallery has one. */
const LEAST_OF_LABEL = 8;
/** Queries whose label has so many: of fewer, what is foretold is not of these pictures. */
const LEAST_SHARE = 0.9;
/** Of a quarter and of a half, of which the mean is taken: of the gallery, and of each half of it. */
const DRAWS = { ofAll: 100, ofAHalf: 12 } as const;
/** Halves of the gallery in the interval, and draws of the queries for each. */
const HALVES = 50;
const QUERY_DRAWS = 4;

type Figures = Readonly<Record<'recallAtK' | 'meanAveragePrecision', number>>;
type Curve = readonly Figures[];

/**
 * At a gallery of `fullRows`. `not`: why nothing is foretold. Deterministic in `seed`. Takes the time of some 550 rankings of the gallery by each query.
 */
export async function foretellGallery(
  { classes, queries: all }: RankedQueries,
  {
    k,
    fullRows,
    seed,
    signal,
  }: { readonly k: number; readonly fullRows: number; readonly seed: number; readonly signal: AbortSignal },
): Promise<Omit<ForetoldFindings, 'secondsAPicture' | 'search'> | { readonly not: string }> {
  const rows = classes.length;
  if (fullRows <= rows) return { not: 'the gallery of the prototype is the whole one' };
  const ofLabel = new Map<number, number>();
  for (let row = 0; row < rows; row++) ofLabel.set(classes[row]!, (ofLabel.get(classes[row]!) ?? 0) + 1);
  const answered = all.filter(({ label }) => ofLabel.has(label));
  const queries = answered.filter(({ label }) => (ofLabel.get(label) ?? 0) >= LEAST_OF_LABEL);
  if (queries.length < LEAST_SHARE * all.length || queries.length < 2) {
    return {
      not: `${all.length - queries.length} of ${all.length} test pictures have a label with fewer than ${LEAST_OF_LABEL} pictures in the gallery, too few to draw parts of`,
    };
  }
  const pause = timeSlice(signal);
  const [quarter, half] = [Math.ceil(rows / 4), Math.ceil(rows / 2)];
  const everyRow = Uint32Array.from({ length: rows }, (_, row) => row);
  const drawnOf = async (from: Uint32Array, kept: number, random: Random): Promise<QueryValues> => {
    const draws: QueryValues[] = [];
    const count = from.length === rows ? DRAWS.ofAll : DRAWS.ofAHalf;
    for (let draw = 0; draw < count; draw++) {
      draws.push(figuresOf(queries, stratifiedPart(classes, from, kept, random), k));
      await pause();
    }
    return meanOf(draws);
  };
  const curveOf = async (from: Uint32Array, random: Random): Promise<readonly QueryValues[]> => [
    await drawnOf(from, Math.ceil(from.length / 4), random),
    await drawnOf(from, Math.ceil(from.length / 2), random),
    figuresOf(queries, isOf(from, rows), k),
  ];
  const sizes = [quarter, half, rows];
  const whole = (await curveOf(everyRow, seededRandom(seed))).map((values) => meansOf(values));
  const said = readOff(whole, sizes, fullRows);
  const drawn: Figures[] = [];
  for (let at = 1; at <= HALVES; at++) {
    const random = seededRandom(seed, at);
    const rowsOfHalf = rowsIn(stratifiedPart(classes, everyRow, half, random));
    const curve = await curveOf(rowsOfHalf, random);
    const ofHalf = [Math.ceil(half / 4), Math.ceil(half / 2), half];
    for (let again = 0; again < QUERY_DRAWS; again++) {
      const chosen = Uint32Array.from({ length: queries.length }, () => random.below(queries.length));
      drawn.push(
        readOff(
          curve.map((values) => meansOf(values, chosen)),
          ofHalf,
          (fullRows * half) / rows,
        ),
      );
    }
  }
  const predicted = (figure: keyof Figures) => ({
    value: said[figure],
    interval: around(
      said[figure],
      drawn.map((one) => one[figure]),
    ),
  });
  return {
    galleryRows: rows,
    fullRows,
    queries: queries.length,
    curve: whole.map((figures, at) => ({ rows: sizes[at]!, ...figures })),
    recallAtK: predicted('recallAtK'),
    meanAveragePrecision: predicted('meanAveragePrecision'),
  };
}

/** By query. */
interface QueryValues {
  readonly recallAtK: Float64Array;
  readonly averagePrecision: Float64Array;
}

/** `kept` of these rows, as many of each class as its share, one at least, whatever is left over by chance: 1 where a row is kept. */
function stratifiedPart(classes: ArrayLike<number>, from: Uint32Array, kept: number, random: Random): Uint8Array {
  const rows = from.slice();
  shuffleStart(rows, rows.length, random);
  const members = new Map<number, number>();
  for (const row of rows) members.set(classes[row]!, (members.get(classes[row]!) ?? 0) + 1);
  const seen = new Map<number, number>();
  const turns = Array.from(rows, (row) => {
    const at = seen.get(classes[row]!) ?? 0;
    seen.set(classes[row]!, at + 1);
    return { row, turn: at === 0 ? 0 : (at + random.uniform()) / members.get(classes[row]!)! };
  });
  const first = turns.sort((one, other) => one.turn - other.turn).slice(0, kept);
  const part = new Uint8Array(classes.length);
  for (const { row } of first) part[row] = 1;
  return part;
}

function rowsIn(part: Uint8Array): Uint32Array {
  return Uint32Array.from(Array.from(part.keys()).filter((row) => part[row] === 1));
}

function isOf(rows: Uint32Array, length: number): Uint8Array {
  const part = new Uint8Array(length);
  for (const row of rows) part[row] = 1;
  return part;
}

/** What each query finds among the entries that are kept; NaN where nothing is to be found there. */
function figuresOf(queries: readonly RankedQuery[], part: Uint8Array, k: number): QueryValues {
  const values = { recallAtK: new Float64Array(queries.length), averagePrecision: new Float64Array(queries.length) };
  const kept = { scores: new Float64Array(part.length), relevant: new Uint8Array(part.length) };
  for (const [at, { order, scores, relevant }] of queries.entries()) {
    let count = 0;
    for (let place = 0; place < order.length; place++) {
      if (part[order[place]!] !== 1) continue;
      kept.scores[count] = scores[place]!;
      kept.relevant[count++] = relevant[place]!;
    }
    const ranking = { scores: kept.scores.subarray(0, count), relevant: kept.relevant.subarray(0, count) };
    values.recallAtK[at] = recallAt(ranking, k);
    values.averagePrecision[at] = averagePrecision(ranking);
  }
  return values;
}

/** By query, over the draws in which there is something to find. */
function meanOf(draws: readonly QueryValues[]): QueryValues {
  const over = (of: (values: QueryValues) => Float64Array): Float64Array =>
    Float64Array.from(of(draws[0]!), (_, at) => mean(draws.map((values) => of(values)[at]!)) ?? Number.NaN);
  return { recallAtK: over((one) => one.recallAtK), averagePrecision: over((one) => one.averagePrecision) };
}

/** Over the queries, or those that are chosen, with something to find. */
function meansOf({ recallAtK, averagePrecision: precision }: QueryValues, chosen?: Uint32Array): Figures {
  const over = (values: Float64Array): number =>
    mean(chosen === undefined ? values : Float64Array.from(chosen, (query) => values[query]!)) ?? 0;
  return { recallAtK: over(recallAtK), meanAveragePrecision: over(precision) };
}

/** Of those that are numbers; undefined where none is. */
function mean(values: ArrayLike<number>): number | undefined {
  let [sum, count] = [0, 0];
  for (let at = 0; at < values.length; at++) {
    if (Number.isNaN(values[at]!)) continue;
    sum += values[at]!;
    count += 1;
  }
  return count === 0 ? undefined : sum / count;
}

/** Both laws through a curve, at so many pictures. */
function readOff(curve: Curve, sizes: readonly number[], rows: number): Figures {
  const at = (accuracyOf: (figures: Figures) => number): number => {
    const points = curve.map((figures, size) => ({ rows: sizes[size]!, accuracy: accuracyOf(figures) }));
    const law = fitLearningCurve(points);
    return law === null ? points.at(-1)!.accuracy : accuracyAt(law, rows);
  };
  return {
    recallAtK: at(({ recallAtK }) => recallAtK),
    // It falls towards its limit as an error does.
    meanAveragePrecision: 1 - at(({ meanAveragePrecision: falling }) => 1 - falling),
  };
}

/** How far draws lie from their own middle, laid about what is predicted. */
function around(value: number, drawn: readonly number[]): Interval {
  const sorted = Float64Array.from(drawn).sort();
  const middle = drawn.reduce((sum, one) => sum + one, 0) / drawn.length;
  const at = (probability: number): number => Math.min(1, Math.max(0, value + quantile(sorted, probability) - middle));
  return { low: at(0.025), high: at(0.975), confidence: 0.95 };
}
