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

/** No label: the gallery has nothing but the picture itself. */
const NOTHING = -1;

/**
 * The label of the first neighbour, under the edits that leave to people what a picture shows, as search gives it: by the graph where
 * there is one. Files are called by their rows' ids, and a picture never finds itself. Throws BadModel for an embedding that is not finite.
 */
export async function measureQueryFlips(
  model: Pick<ImageModel, 'runPixels' | 'config'>,
  gallery: SearchedGallery,
  files: readonly string[],
  options: { readonly signal: AbortSignal; readonly onProgress?: (done: number, total: number) => void },
): Promise<QueryFlips> {
  const { signal } = options;
  const { dimension, processor } = model.config;
  const pictures = files.map((path) => () => readFile(path, { signal }));
  const queries: { readonly embedding: Float32Array; readonly k: number }[] = [];
  for await (const pixels of editedPictures(pictures, processor, options)) {
    const { embeddings } = await model.runPixels(pixels);
    // Two: the first may be the picture itself.
    for (let form = 0; form < FORMS; form++) {
      queries.push({ embedding: embeddings.slice(form * dimension, (form + 1) * dimension), k: 2 });
    }
  }
  const found = await searchAll(gallery, queries, signal);
  const labelOf = (matches: readonly Match[], except: string): number => {
    const first = matches.find(({ id }) => id !== except);
    return first === undefined ? NOTHING : gallery.labels.indexOf(first.label);
  };
  const labels = files.map((path, place) => {
    const own = found.slice(place * FORMS, (place + 1) * FORMS);
    return Int32Array.from(own, (matches) => labelOf(matches, basename(path)));
  });
  const { changed, ...flips } = flipsOf(labels);
  return { ...flips, changed: changed.map(({ row, edit }) => ({ id: basename(files[row]!), edit })) };
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
