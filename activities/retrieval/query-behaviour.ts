/** How a finder behaves on pictures that no test split has: awkward ones, and harmless edits of known ones. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { ImageModel } from '../../inference/image-model.ts';
import type { Match } from '../../inference/retrieval/embedding-index.ts';
import type { Evaluation } from '../contract/validation.ts';
import type { Flips } from '../validation/behaviour.ts';
import { askEdgePictures, editedPictures, flipsOf, FORMS } from '../validation/picture-behaviour.ts';
import type { SearchedGallery } from './gallery.ts';
import { searchAll } from './similarities.ts';

/** Of unit vectors in float32 a cosine is within 1e-6 of the range. */
const ROUNDING = 1e-3;

/**
 * Asks the index with each of the classifiers' awkward pictures, as a server does. One is answered whose embedding is finite and has a
 * direction, and which finds `k` neighbours (all of a smaller gallery) with a cosine each; one that throws is not.
 */
export async function checkEdgeQueries(
  model: Pick<ImageModel, 'run' | 'config'>,
  gallery: SearchedGallery,
  { k, signal }: { readonly k: number; readonly signal: AbortSignal },
): Promise<Evaluation['edgeInputs']> {
  const { dimension } = model.config;
  const embedded = new Map<string, Float32Array>();
  const asked = await askEdgePictures(
    async (picture, name) => {
      const { embeddings } = await model.run([picture], { names: [name] });
      embedded.set(name, embeddings);
      return embeddingProblem(embeddings, dimension);
    },
    { good: 'answered with neighbours', signal },
  );
  const usable = asked.filter(({ ok }) => ok).map(({ name }) => name);
  // Together: the gallery's vectors lie in a file, and are read once.
  const queries = usable.map((name) => ({ embedding: embedded.get(name)!, k }));
  const found = await searchAll(gallery, queries, signal);
  const wanted = Math.min(k, gallery.ids.length);
  const problems = new Map(usable.map((name, at) => [name, matchesProblem(found[at]!, wanted)]));
  return asked.map((one) => {
    const problem = problems.get(one.name) ?? null;
    return problem === null ? one : { ...one, ok: false, detail: problem };
  });
}

/** As a classifier's flips; what changes is named by its row's id. */
export interface QueryFlips extends Omit<Flips, 'changed'> {
  readonly changed: readonly { readonly id: string; readonly edit: string }[];
}

/** About what a page shows: a first neighbour that is still on it is not lost, whatever `retrieval.k` is. */
const PAGE = 10;
/** Of a small gallery a page is no larger a share: any page would have one neighbour in twenty by chance. */
const PAGE_SHARE = 1 / 20;

/**
 * Asks with pictures as they are, and under the edits that leave to people what a picture shows. Files are called by their rows' ids,
 * and a picture never finds itself. Throws BadModel for an embedding that is not finite.
 */
export async function measureQueryFlips(
  model: Pick<ImageModel, 'runPixels' | 'config'>,
  gallery: SearchedGallery,
  files: readonly string[],
  options: { readonly signal: AbortSignal; readonly onProgress?: (done: number, total: number) => void },
): Promise<QueryFlips> {
  const { signal } = options;
  const pictures = files.map((path) => () => readFile(path, { signal }));
  const forms: Float32Array[] = [];
  for await (const pixels of editedPictures(pictures, model.config.processor, options)) {
    forms.push((await model.runPixels(pixels)).embeddings);
  }
  const ids = files.map((path) => basename(path));
  return queryFlips(gallery, { ids, forms }, signal);
}

/**
 * Which pictures lose what they find first, as search gives it: by the graph where there is one. A first neighbour is lost that an edit
 * takes off the page (the first ten; of a gallery of less than 200 a twentieth) and puts one of another label first: where features
 * hardly tell labels apart it is chance which of near neighbours comes first, and of many that look the same none is missed.
 * `forms`: of each picture its embeddings as it is and under each edit, row-major [FORMS, dimension].
 */
export async function queryFlips(
  gallery: SearchedGallery,
  { ids, forms }: { readonly ids: readonly string[]; readonly forms: readonly Float32Array[] },
  signal: AbortSignal,
): Promise<QueryFlips> {
  const { dimension } = gallery;
  const page = Math.max(1, Math.min(PAGE, Math.floor(PAGE_SHARE * gallery.ids.length)));
  const queries = forms.flatMap((embeddings) =>
    Array.from({ length: FORMS }, (_, form) => ({
      embedding: embeddings.slice(form * dimension, (form + 1) * dimension),
      // One more: the picture itself may be among them.
      k: page + 1,
    })),
  );
  const found = await searchAll(gallery, queries, signal);
  const lost = ids.map((own, place) => {
    const pages = found
      .slice(place * FORMS, (place + 1) * FORMS)
      .map((matches) => matches.filter(({ id }) => id !== own).slice(0, page));
    const first = pages[0]?.[0];
    return Int32Array.from(pages, (matches) => Number(isLost(first, matches)));
  });
  const { changed, ...flips } = flipsOf(lost);
  return { ...flips, changed: changed.map(({ row, edit }) => ({ id: ids[row]!, edit })) };
}

function isLost(first: Match | undefined, page: readonly Match[]): boolean {
  if (first === undefined) return false;
  return page[0]?.label !== first.label && page.every(({ id }) => id !== first.id);
}

/** What is wrong with an embedding that is to be looked up, or null. */
export function embeddingProblem(embedding: Float32Array, dimension: number): string | null {
  if (embedding.length !== dimension) return `${embedding.length} numbers for an embedding of ${dimension}`;
  const wrong = embedding.find((value) => !Number.isFinite(value));
  if (wrong !== undefined) return `a number of the embedding is ${wrong}`;
  return embedding.some((value) => value !== 0) ? null : 'the embedding is zero: it is as near to one as to another';
}

/** What is wrong with what an embedding finds, or null. */
export function matchesProblem(matches: readonly Match[], wanted: number): string | null {
  if (matches.length !== wanted) return `${matches.length} neighbours come back of ${wanted}`;
  const wrong = matches.find(({ similarity }) => !(Math.abs(similarity) <= 1 + ROUNDING));
  return wrong === undefined ? null : `a similarity is ${wrong.similarity}`;
}
