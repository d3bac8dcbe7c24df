/** Pictures asked without themselves: how early their label comes, and which labels stand around them. */
import type { AnsweredPictures } from '../selection/embed-pictures.ts';
import { rowsInMemory } from '../selection/embedded-rows.ts';
import type { StepContext } from '../step.ts';
import { sampledPlaces } from '../validation/sample-rows.ts';
import { timeSlice } from '../validation/time-slice.ts';
import type { Gallery } from './gallery.ts';
import { averagePrecision } from './metrics.ts';
import { rankGallery } from './query-figures.ts';
import { similarityRows } from './similarities.ts';
import { mixWeights, sharesAround } from './witnesses.ts';

/** Of the gallery, and of the test pictures: an accuracy among them has a standard error of about a point. */
const MOST_ASKED = 2000;
/** Of rows × labels: 32 MB of shares. */
const MOST_CELLS = 2 ** 22;

type AskingPictures = Pick<AnsweredPictures, 'ids' | 'classes' | 'embeddings'>;

export interface Neighbourhoods extends Pick<AnsweredPictures, 'ids' | 'classes'> {
  /** Of the whole gallery, ranked exactly; NaN where it has nothing else of the label. */
  readonly averagePrecision: Float64Array;
  /** Share of each label among the nearest, by `sharesAround`, row-major [pictures, labels]. */
  readonly shares: Float64Array;
}

/** How many pictures are asked of one side, seeded, ascending. */
function askedPlaces(rows: number, labels: number, seed: number): readonly number[] {
  return sampledPlaces(rows, Math.min(MOST_ASKED, Math.max(1, Math.floor(MOST_CELLS / labels))), seed);
}

export interface AroundPictures {
  readonly gallery: Neighbourhoods;
  readonly test: Neighbourhoods;
  /** Pictures of each label in the whole gallery. */
  readonly inGallery: Uint32Array;
}

/** Of some of the gallery's own pictures, each without itself (leave one out), and of some of the test pictures. */
export async function lookAround(
  gallery: Gallery,
  { ids, classes, embeddings }: AskingPictures,
  labels: number,
  options: { readonly seed: number } & Pick<StepContext, 'signal' | 'progress'>,
): Promise<AroundPictures> {
  const inGallery = new Uint32Array(labels);
  for (const label of gallery.rows.classes) inGallery[label]!++;
  const places = askedPlaces(ids.length, labels, options.seed);
  const some = await rowsInMemory({ embeddings, classes }, gallery.dimension).pick(places);
  const test = { ...some, ids: places.map((place) => ids[place]!) };
  return {
    gallery: await galleryNeighbourhoods(gallery, labels, options),
    test: await neighbourhoods(gallery, test, mixWeights(test.classes, inGallery), options),
    inGallery,
  };
}

async function galleryNeighbourhoods(
  gallery: Gallery,
  labels: number,
  { seed, ...context }: { readonly seed: number } & Pick<StepContext, 'signal' | 'progress'>,
): Promise<Neighbourhoods> {
  const places = askedPlaces(gallery.ids.length, labels, seed);
  const picked = await gallery.rows.pick(places);
  const asking = { ...picked, ids: places.map((place) => gallery.ids[place]!) };
  // What is around them is mixed as they are.
  return neighbourhoods(gallery, asking, new Float64Array(labels).fill(1), context);
}

/** Of pictures of any kind; one that stands in the gallery never finds itself. Throws BadModel for one that does not fit. */
async function neighbourhoods(
  gallery: Gallery,
  { ids, classes, embeddings }: AskingPictures,
  weights: Float64Array,
  { signal, progress }: Pick<StepContext, 'signal' | 'progress'>,
): Promise<Neighbourhoods> {
  const labels = weights.length;
  const rows = ids.length;
  const found = { averagePrecision: new Float64Array(rows), shares: new Float64Array(rows * labels) };
  const classOf = (near: number): number => gallery.rows.classes[near]!;
  const pause = timeSlice(signal);
  let row = 0;
  for await (const similarities of similarityRows(gallery, { rows, embeddings }, signal)) {
    const ranking = rankGallery(gallery, similarities, classes[row]!, ids[row]!);
    found.averagePrecision[row] = averagePrecision(ranking);
    found.shares.set(sharesAround(ranking.order, classOf, weights), row * labels);
    row += 1;
    await pause();
    progress({ phase: 'neighbourhoods', done: row, total: rows });
  }
  return { ids, classes, ...found };
}
