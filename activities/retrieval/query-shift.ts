/**
 * Whether test pictures come from where the gallery's come from: the classifiers' two-sample test (`validation/shift.ts`) on directions of
 * embeddings, which are all that search looks at. They are to be of an encoder that learnt nothing from the gallery: one that did may
 * tell its pictures from any others.
 */
import { toUnitLength } from '../../inference/retrieval/nearest.ts';
import { rowsInMemory } from '../selection/embedded-rows.ts';
import { sampledPlaces } from '../validation/sample-rows.ts';
import { MOST_ROWS, twoSampleTest, type TwoSampleTest } from '../validation/shift.ts';
import type { Gallery } from './gallery.ts';

/** `queries`: their embeddings, row-major, of any length. A seeded sample of either side is looked at; `surest` are places of queries. */
export async function queryShift(
  { ids, rows, dimension }: Gallery,
  queries: Float32Array,
  options: { readonly seed: number; readonly signal: AbortSignal },
): Promise<TwoSampleTest> {
  const here = await rows.pick(sampledPlaces(ids.length, MOST_ROWS, options.seed));
  const count = queries.length / dimension;
  const places = sampledPlaces(count, MOST_ROWS, options.seed);
  const asking = rowsInMemory({ embeddings: queries, classes: new Int32Array(count) }, dimension);
  const there = toUnitLength((await asking.pick(places)).embeddings, dimension);
  const { score, surest } = await twoSampleTest(here.embeddings, there, dimension, options);
  return { score, surest: surest.map((at) => places[at]!) };
}
