/**
 * Whether a classifier's test rows come from where its training rows come from (shift.ts), whatever kin there are among the rows of a side
 * (forms of one text, a burst of pictures): a test that has learnt one of them knows the others, and together they say little more than one.
 */
import { toUnitLength } from '../../inference/retrieval/nearest.ts';
import { rowsInMemory } from '../selection/embedded-rows.ts';
import { countRuns } from './character-runs.ts';
import { sampledPlaces } from './sample-rows.ts';
import { MOST_ROWS, twoSampleTest, type TwoSampleTest } from './shift.ts';
import type { Likeness } from './told-sides.ts';
import { unlikePictures, type Pictures } from './unlike-pictures.ts';

/** Row-major [rows, dimension], by the frozen encoder. */
interface Frozen {
  readonly dimension: number;
  readonly train: Float32Array;
  readonly test: Float32Array;
}

/**
 * The least cosine of kin (kin.ts): of 0.4, 0.5 and 0.6 on the design half of bench/gates-shift.ts the middle one tells forms of one text as little as
 * the first, and half of a test set from elsewhere nearly as well as the last.
 */
const LEAST_ALIKE = 0.5;

/** Texts are kin that have much of their characters in common: whole groups are learnt or asked about, and count as few rows. */
export function textShift(
  { dimension, train, test }: Frozen,
  texts: { readonly train: readonly string[]; readonly test: readonly string[] },
  options: { readonly seed: number; readonly signal?: AbortSignal },
): Promise<TwoSampleTest> {
  const by = (own: readonly string[]): Likeness => ({
    rowOf: (place) => countRuns(own[place]!),
    chains: false,
    least: LEAST_ALIKE,
  });
  return twoSampleTest(train, test, dimension, { ...options, likeness: [by(texts.train), by(texts.test)] });
}

/** Of pictures that are near kin by their embeddings one is taken. */
export async function pictureShift(
  { dimension, train, test }: Frozen,
  classes: { readonly train: Int32Array; readonly test: Int32Array },
  options: { readonly seed: number; readonly signal: AbortSignal },
): Promise<TwoSampleTest> {
  const sides = await Promise.all(
    [
      { embeddings: train, classes: classes.train },
      { embeddings: test, classes: classes.test },
    ].map(async (side) => {
      const places = sampledPlaces(side.classes.length, MOST_ROWS, options.seed);
      return { places, ...(await rowsInMemory(side, dimension).pick(places)) };
    }),
  );
  const unit = ({ embeddings, classes: own }: Pictures): Pictures => ({
    embeddings: toUnitLength(embeddings, dimension),
    classes: own,
  });
  const unlike = await unlikePictures(unit(sides[0]!), unit(sides[1]!), { ...options, dimension });
  const [here, there] = await Promise.all(
    unlike.map(async (kept, side) => (await rowsInMemory(sides[side]!, dimension).pick(kept)).embeddings),
  );
  const { score, surest } = await twoSampleTest(here!, there!, dimension, options);
  return { score, surest: surest.map((at) => sides[1]!.places[unlike[1][at]!]!) };
}
