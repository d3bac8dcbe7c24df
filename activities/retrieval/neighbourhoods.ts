/** Pictures asked without themselves: how early their label comes, and which labels stand around them. */
import type { AnsweredPictures } from '../selection/embed-pictures.ts';
import { rowsInMemory } from '../selection/embedded-rows.ts';
import { nearestOf } from '../../inference/retrieval/nearest.ts';
import { definedOnly } from '../../artifacts/defined-only.ts';
import type { StepContext } from '../step.ts';
import { sampledPlaces } from '../validation/sample-rows.ts';
import { timeSlice } from '../validation/time-slice.ts';
import type { Gallery } from './gallery.ts';
import { averagePrecision } from './metrics.ts';
import { rankGallery } from './query-figures.ts';
import { similarityRows } from './similarities.ts';

/** Neighbours that a picture's label is held against. */
export const NEIGHBOURS = 10;
/** Of the gallery, and of the test pictures: an accuracy among them has a standard error of about a point. */
const MOST_ASKED = 2000;
/** Of rows × labels: 32 MB of shares. */
const MOST_CELLS = 2 ** 22;

type AskingPictures = Pick<AnsweredPictures, 'ids' | 'classes' | 'embeddings'>;

export interface Neighbourhoods extends Pick<AnsweredPictures, 'ids' | 'classes'> {
  /** Of the whole gallery, ranked exactly; NaN where it has nothing else of the label. */
  readonly averagePrecision: Float64Array;
  /** Share of each label among the nearest ten, row-major [pictures, labels]. */
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
    test: await neighbourhoods(gallery, test, labels, options),
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
  return neighbourhoods(gallery, { ...picked, ids: places.map((place) => gallery.ids[place]!) }, labels, context);
}

/** Of pictures of any kind; one that stands in the gallery never finds itself. Throws BadModel for one that does not fit. */
async function neighbourhoods(
  gallery: Gallery,
  { ids, classes, embeddings }: AskingPictures,
  labels: number,
  { signal, progress }: Pick<StepContext, 'signal' | 'progress'>,
): Promise<Neighbourhoods> {
  const rows = ids.length;
  const asking = new Set(ids);
  const own = new Map(gallery.ids.flatMap((id, row) => (asking.has(id) ? [[id, row] as const] : [])));
  const found = { averagePrecision: new Float64Array(rows), shares: new Float64Array(rows * labels) };
  const pause = timeSlice(signal);
  let row = 0;
  for await (const similarities of similarityRows(gallery, { rows, embeddings }, signal)) {
    const id = ids[row]!;
    found.averagePrecision[row] = averagePrecision(rankGallery(gallery, similarities, classes[row]!, id));
    const nearest = nearestOf(similarities, { k: NEIGHBOURS, ...definedOnly({ except: own.get(id) }) });
    for (const near of nearest) {
      found.shares[row * labels + gallery.rows.classes[near.row]!]! += 1 / NEIGHBOURS;
    }
    row += 1;
    await pause();
    progress({ phase: 'neighbourhoods', done: row, total: rows });
  }
  return { ids, classes, ...found };
}
