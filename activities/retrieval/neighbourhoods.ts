/** Pictures asked without themselves: how early their label comes, and which pictures stand around them. */
import type { AnsweredPictures } from '../selection/embed-pictures.ts';
import { rowsInMemory } from '../selection/embedded-rows.ts';
import type { StepContext } from '../step.ts';
import { sampledPlaces } from '../validation/sample-rows.ts';
import { timeSlice } from '../validation/time-slice.ts';
import type { Gallery } from './gallery.ts';
import { averagePrecision } from './metrics.ts';
import { rankGallery } from './query-figures.ts';
import { similarityRows } from './similarities.ts';
import { countLabels, mixWeights, witnessesAround } from './witnesses.ts';

/** Of the gallery, and of the test pictures: an accuracy among them has a standard error of about a point. */
const MOST_ASKED = 2000;
/** Kept of each picture beyond its witnesses: where labels change, more may be needed. 8 MB a side. */
const MOST_NEAR = 1000;

type AskingPictures = Pick<AnsweredPictures, 'ids' | 'classes' | 'embeddings'>;

export interface Neighbourhoods extends Pick<AnsweredPictures, 'ids' | 'classes'> {
  /** Of the whole gallery, ranked exactly; NaN where it has nothing else of the label. */
  readonly averagePrecision: Float64Array;
  /** Of every picture the gallery's rows that stand around it, the nearest first: its witnesses, and as many again. */
  readonly nearest: readonly Uint32Array[];
}

export interface AroundPictures {
  /** `rows`: of the gallery. */
  readonly gallery: Neighbourhoods & { readonly rows: readonly number[] };
  readonly test: Neighbourhoods;
  /** Of the whole gallery. */
  readonly galleryClasses: Int32Array;
}

/** Of some of the gallery's own pictures, each without itself (leave one out), and of some of the test pictures. */
export async function lookAround(
  gallery: Gallery,
  { ids, classes, embeddings }: AskingPictures,
  labels: number,
  options: { readonly seed: number } & Pick<StepContext, 'signal' | 'progress'>,
): Promise<AroundPictures> {
  const galleryClasses = gallery.rows.classes;
  const places = sampledPlaces(ids.length, MOST_ASKED, options.seed);
  const some = await rowsInMemory({ embeddings, classes }, gallery.dimension).pick(places);
  const test = { ...some, ids: places.map((place) => ids[place]!) };
  return {
    gallery: await galleryNeighbourhoods(gallery, labels, options),
    test: await neighbourhoods(gallery, test, mixWeights(test.classes, countLabels(galleryClasses, labels)), options),
    galleryClasses,
  };
}

async function galleryNeighbourhoods(
  gallery: Gallery,
  labels: number,
  { seed, ...context }: { readonly seed: number } & Pick<StepContext, 'signal' | 'progress'>,
): Promise<AroundPictures['gallery']> {
  const places = sampledPlaces(gallery.ids.length, MOST_ASKED, seed);
  const picked = await gallery.rows.pick(places);
  const asking = { ...picked, ids: places.map((place) => gallery.ids[place]!) };
  // What is around them is mixed as they are.
  return { ...(await neighbourhoods(gallery, asking, new Float64Array(labels).fill(1), context)), rows: places };
}

/** Of pictures of any kind; one that stands in the gallery never finds itself. Throws BadModel for one that does not fit. */
async function neighbourhoods(
  gallery: Gallery,
  { ids, classes, embeddings }: AskingPictures,
  weights: Float64Array,
  { signal, progress }: Pick<StepContext, 'signal' | 'progress'>,
): Promise<Neighbourhoods> {
  const rows = ids.length;
  const averagePrecisions = new Float64Array(rows);
  const nearest: Uint32Array[] = [];
  const classOf = (near: number): number => gallery.rows.classes[near]!;
  const pause = timeSlice(signal);
  let row = 0;
  for await (const similarities of similarityRows(gallery, { rows, embeddings }, signal)) {
    const ranking = rankGallery(gallery, similarities, classes[row]!, ids[row]!);
    averagePrecisions[row] = averagePrecision(ranking);
    nearest.push(nearestOf(ranking.order, witnessesAround(ranking.order, classOf, weights)));
    row += 1;
    await pause();
    progress({ phase: 'neighbourhoods', done: row, total: rows });
  }
  return { ids, classes, averagePrecision: averagePrecisions, nearest };
}

/** A copy: the whole order is not kept. */
export function nearestOf(order: Uint32Array, witnesses: number): Uint32Array {
  return order.slice(0, Math.max(witnesses, Math.min(MOST_NEAR, 2 * witnesses)));
}
