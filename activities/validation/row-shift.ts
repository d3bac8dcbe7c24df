/**
 * Whether a classifier's test rows come from where its training rows come from (shift.ts), whatever kin there are among the rows of a side
 * (forms of one text, a burst of pictures): a test that has learnt one of them knows the others, and together they say little more than one.
 */
import { toUnitLength } from '../../inference/retrieval/nearest.ts';
import { rowsInMemory } from '../selection/embedded-rows.ts';
import { countRuns } from './character-runs.ts';
import type { Kin } from './kin.ts';
import { sampledPlaces } from './sample-rows.ts';
import { MOST_ROWS, twoSampleTest, type TwoSampleTest } from './shift.ts';
import { kinByLikeness, type KinAmong } from './told-sides.ts';
import { kinPictures, type Pictures } from './unlike-pictures.ts';

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
  const by = (own: readonly string[]): KinAmong =>
    kinByLikeness({ rowOf: (place) => countRuns(own[place]!), chains: false, least: LEAST_ALIKE });
  return twoSampleTest(train, test, dimension, { ...options, kin: [by(texts.train), by(texts.test)] });
}

/**
 * Pictures are kin that are near by their embeddings. All are asked about: were one kept of each burst, what comes in tight groups would be
 * rarer on the side with more rows, and told by that.
 */
export async function pictureShift(
  { dimension, train, test }: Frozen,
  classes: { readonly train: Int32Array; readonly test: Int32Array },
  { seed, signal }: { readonly seed: number; readonly signal: AbortSignal },
): Promise<TwoSampleTest> {
  const side = async (embeddings: Float32Array, own: Int32Array) => {
    const places = sampledPlaces(own.length, MOST_ROWS, seed);
    return { places, ...(await rowsInMemory({ embeddings, classes: own }, dimension).pick(places)) };
  };
  const [here, there] = [await side(train, classes.train), await side(test, classes.test)];
  const unit = (own: Pictures): Pictures => ({ ...own, embeddings: toUnitLength(own.embeddings, dimension) });
  const [ours, theirs] = await kinPictures(unit(here), unit(there), { dimension, signal });
  const { score, surest } = await twoSampleTest(here.embeddings, there.embeddings, dimension, {
    seed,
    signal,
    kin: [kinAt(ours), kinAt(theirs)],
    called: { rows: 'pictures', patterns: (count) => `of which ${count} are no near kin of one another` },
  });
  return { score, surest: surest.map((at) => there.places[at]!) };
}

/** Of all rows of a side, however they are shuffled. */
function kinAt({ groups, kin }: Kin): KinAmong {
  return async (places) => {
    const at = new Map(places.map((place, row) => [place, row]));
    return {
      groups: places.map((place) => groups[place]!),
      kin: places.map((place) => kin[place]!.flatMap((other) => at.get(other) ?? [])),
    };
  };
}
