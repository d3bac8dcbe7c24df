/**
 * Whether test pictures come from where the gallery's come from: the classifiers' two-sample test (`validation/shift.ts`) on directions of
 * embeddings, which are all that search looks at. They are to be of an encoder that learnt nothing from the gallery: one that did may
 * tell its pictures from any others. As many pictures of each label are taken from both sides, and of kin one: else another mix of labels,
 * or a burst that is known again, would be told as another population.
 */
import { toUnitLength } from '../../inference/retrieval/nearest.ts';
import { rowsInMemory } from '../selection/embedded-rows.ts';
import { seededRandom, shuffleStart } from '../validation/random.ts';
import { sampledPlaces } from '../validation/sample-rows.ts';
import { notMeasured } from '../validation/scores.ts';
import { LEAST_ROWS, MOST_ROWS, pairedTwoSampleTest, type TwoSampleTest } from '../validation/shift.ts';
import { unlikePictures, type Pictures } from '../validation/unlike-pictures.ts';
import type { Gallery } from './gallery.ts';

/** Places of two sides, each of the label of the other side's at the same position. */
type Pairs = readonly [ours: readonly number[], theirs: readonly number[]];

/** `queries`: embeddings, row-major, of any length. A seeded sample of either side is looked at; `surest` are places of queries. */
export async function queryShift(
  { rows, dimension }: Gallery,
  { embeddings, classes }: Pictures,
  options: { readonly seed: number; readonly signal: AbortSignal },
): Promise<TwoSampleTest> {
  const { seed } = options;
  const asking = rowsInMemory({ embeddings, classes }, dimension);
  const sampled = sampledPlaces(classes.length, MOST_ROWS, seed);
  const drawn = pairs([Array.from(rows.classes, (_, place) => place), sampled], [rows.classes, classes], seed);
  const here = await rows.pick(drawn[0]);
  const picked = await asking.pick(drawn[1]);
  const there = { ...picked, embeddings: toUnitLength(picked.embeddings, dimension) };
  const unlike = await unlikePictures(here, there, { ...options, dimension });
  const [ours, theirs] = pairs(unlike, [here.classes, there.classes], seed);
  if (ours.length < LEAST_ROWS) {
    const [gallery, queries] = unlike.map(({ length }) => length);
    return {
      score: notMeasured(
        `${ours.length} pairs of a test picture and one of the gallery with its label are too few to tell (${LEAST_ROWS} are needed): ${drawn[1].length} could be drawn, ` +
          `of which ${queries} test pictures and ${gallery} of the gallery are no near kin of one another`,
      ),
      surest: [],
    };
  }
  const chosen = await rowsInMemory(here, dimension).pick(ours);
  const asked = await rowsInMemory(there, dimension).pick(theirs);
  const { score, surest } = await pairedTwoSampleTest(chosen.embeddings, asked.embeddings, dimension, options);
  return { score, surest: surest.map((at) => drawn[1][theirs[at]!]!) };
}

/** Of each label as many places of either side as the one with fewer has, drawn by the seed. */
function pairs(places: Pairs, classes: readonly [Int32Array, Int32Array], seed: number): Pairs {
  const random = seededRandom(seed, 32);
  const drawn = places.map((side) => {
    const order = [...side];
    shuffleStart(order, order.length, random);
    return order;
  });
  const waiting = new Map<number, number[]>();
  for (const place of drawn[0]!) {
    const label = classes[0][place]!;
    const others = waiting.get(label);
    if (others === undefined) waiting.set(label, [place]);
    else others.push(place);
  }
  const both = drawn[1]!.flatMap((query) => {
    const picture = waiting.get(classes[1][query]!)?.pop();
    return picture === undefined ? [] : [[picture, query] as const];
  });
  return [both.map(([picture]) => picture), both.map(([, query]) => query)];
}
