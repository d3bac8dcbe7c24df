/** Does the model server find what the index of this bundle has? Asked with test pictures; what is right is worked out here, from the bundle itself. */
import { z } from 'zod';
import {
  INDEX_FILES,
  RETRIEVAL_FILE,
  type ReferenceStatistics,
  type RetrievalSettings,
} from '../../artifacts/bundle.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef, Digest } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { EmbeddingIndex, type Match } from '../../inference/retrieval/embedding-index.ts';
import { parseIndex, parseIndexHeader, readIndexFilesAt } from '../../inference/retrieval/index-files.ts';
import type { ActivityServices } from '../step.ts';
import { float32FromBytes } from '../validation/float32.ts';
import { ANSWER_MS, askServer, unusable } from './ask-server.ts';
import { servingQuestions } from './serving-questions.ts';

const PICTURES = 16;
/** Cosine: other batches round otherwise, which may also exchange two that are equally near. */
const TOLERANCE = 1e-3;
/** Of a graph, which may overlook some: of all that is truly nearest to the pictures that are asked. */
const LEAST_FOUND = 0.9;

/**
 * Each neighbour that is served must be as near as the index says, and in its order; where search is exact, none may be nearer. Throws
 * BadModel when they are otherwise, NetworkUnavailable for an answer that is none, BadConfig where the question is refused.
 */
export async function compareNeighbours(
  url: string,
  bundle: ArtifactRef,
  { store }: Pick<ActivityServices, 'store'>,
  signal: AbortSignal,
): Promise<{ readonly checkedRows: number; readonly agreement: number }> {
  const { index, embeddings, dimension, k, dataset, rows, places, isExact } = await expectations(store, bundle, signal);
  const questions = await servingQuestions(store, dataset, { most: Math.min(PICTURES, rows), places }, signal);
  if (questions.length === 0) {
    throw new EspalierError('BadModel', 'the bundle has no test picture to compare', { where: bundle.digest });
  }
  const lookUp = looksUp(index);
  const wrong: string[] = [];
  let found = 0;
  let wanted = 0;
  for (const { rows: asked, inputs } of questions) {
    const row = asked[0] ?? 0;
    const embedding = embeddings.subarray(row * dimension, (row + 1) * dimension);
    const nearest = await index.search(embedding, { k, signal });
    const served = await neighboursOf(url, inputs, nearest.length, signal);
    const problem = problemOf(served, nearest, lookUp(embedding), isExact);
    if (problem !== undefined) wrong.push(`test picture ${(places?.[row] ?? row) + 1}: ${problem}`);
    found += foundOf(served, nearest);
    wanted += nearest.length;
  }
  const agreement = found / wanted;
  if (wrong.length === 0 && agreement >= LEAST_FOUND) return { checkedRows: questions.length, agreement };
  const what = wrong.length === 0 ? `it finds ${found} of the ${wanted} that are nearest` : wrong.join('; ');
  throw new EspalierError('BadModel', `the model server finds otherwise than the index has it: ${what}`, {
    where: url,
    fix: "run the server on the release's own runtime version, or evaluate on the hardware that serves",
  });
}

/** Ten times what 50,000 rows of 512 take (bench/retrieval.ts): another machine, and others on it. */
const MS_A_NUMBER = 0.01;
/** An attempt at a deployment has a quarter of an hour. */
const MOST_BUILDING_MS = 10 * 60_000;

/** How long a server may need to build the bundle's graph before it serves; 0 where there is none. */
export async function graphBuildingMs(store: ArtifactStore, bundle: ArtifactRef): Promise<number> {
  const { entries } = await store.tree(bundle);
  const header = entries.find(({ path }) => path === INDEX_FILES[0]);
  if (header === undefined) return 0;
  const { graph, ids, dimension } = parseIndexHeader(await store.getBytes(header.digest), bundle.digest);
  return graph === null ? 0 : Math.min(MOST_BUILDING_MS, ids.length * dimension * MS_A_NUMBER);
}

async function expectations(store: ArtifactStore, bundle: ArtifactRef, signal: AbortSignal) {
  const { entries } = await store.tree(bundle);
  const digestOf = (path: string): Digest => {
    const entry = entries.find((file) => file.path === path);
    if (entry === undefined) throw new EspalierError('BadModel', `the bundle lacks ${path}`, { where: bundle.digest });
    return entry.digest;
  };
  const read = (path: string): Promise<Buffer> => store.getBytes(digestOf(path));
  const json = async <T>(path: string): Promise<T> => JSON.parse((await read(path)).toString('utf8')) as T;
  const [headerPath, vectorsPath] = INDEX_FILES;
  // From files: an index may be larger than what the store gives at once.
  const files = await readIndexFilesAt(bundle.digest, {
    header: await store.file(digestOf(headerPath), signal),
    vectors: await store.file(digestOf(vectorsPath), signal),
  });
  const { header, vectors } = parseIndex(files);
  const reference = await json<ReferenceStatistics>('reference/reference.json');
  const { dataset } = await json<{ dataset: { digest: Digest } }>('provenance.json');
  return {
    // Exactly, whatever is served: what a graph overlooks is seen only so.
    index: await EmbeddingIndex.ofParsed({ header: { ...header, graph: null }, vectors }),
    isExact: header.graph === null,
    embeddings: float32FromBytes(await read(`reference/${reference.embeddings}`)),
    dimension: reference.dimension,
    rows: reference.rows,
    places: reference.places,
    k: (await json<RetrievalSettings>(RETRIEVAL_FILE)).neighbours,
    dataset: dataset.digest,
  };
}

type Look = (id: string) => Match | undefined;

/** Every entry of the index as an embedding has it: the ids, which may be a million, are gone through once. */
function looksUp(index: EmbeddingIndex): (embedding: Float32Array) => Look {
  const { ids, labels, classes } = index.header;
  const rows = new Map(ids.map((id, row) => [id, row]));
  return (embedding) => {
    const similarities = index.similarities(embedding);
    return (id) => {
      const row = rows.get(id);
      return row === undefined ? undefined : { id, label: labels[classes[row]!]!, similarity: similarities[row]! };
    };
  };
}

/** Undefined where all is as it should be. */
function problemOf(
  served: readonly Match[],
  nearest: readonly Match[],
  look: Look,
  isExact: boolean,
): string | undefined {
  if (new Set(served.map(({ id }) => id)).size < served.length) return 'it finds one picture twice';
  for (const [place, { id, label, similarity }] of served.entries()) {
    const is = look(id);
    if (is === undefined) return `'${id}' is not in the index`;
    if (is.label !== label) return `'${id}' is said to be a '${label}', and is a '${is.label}'`;
    if (Math.abs(is.similarity - similarity) > TOLERANCE) {
      return `'${id}' is said to be ${similarity} near, and is ${is.similarity}`;
    }
    const best = nearest[place]?.similarity ?? -1;
    if (isExact && similarity < best - TOLERANCE) {
      return `at place ${place + 1} is '${id}', ${similarity} near; nearer is one of ${best}`;
    }
  }
  return undefined;
}

/** Those as near as the last of the truly nearest: of equally near ones either will do. */
function foundOf(served: readonly Match[], nearest: readonly Match[]): number {
  const last = nearest.at(-1)?.similarity ?? 1;
  return served.filter(({ similarity }) => similarity >= last - TOLERANCE).length;
}

/** What the server finds for one picture. Throws NetworkUnavailable where it is no answer. */
async function neighboursOf(
  url: string,
  inputs: readonly object[],
  count: number,
  signal: AbortSignal,
): Promise<readonly Match[]> {
  // Our own question is no traffic: it must not count as a prediction in the drift check.
  const outputs = OUTPUTS.map((name) => ({ name }));
  const body = { parameters: { espalier_record: false }, inputs, outputs };
  const answer = await askServer(url, signal, { method: 'POST', body: JSON.stringify(body) }, ANSWER_MS);
  const [ids, similarities, labels] = answer.body.outputs.map(({ data }) => data);
  const found = FoundSchema.safeParse(
    (ids ?? []).map((id, place) => ({ id, similarity: similarities?.[place], label: labels?.[place] })),
  );
  if (answer.status === 200 && found.success && found.data.length === count) return found.data;
  throw unusable(url, 'a test picture', answer, `not ${count} neighbours`);
}

const OUTPUTS = ['id', 'similarity', 'label'] as const;
const FoundSchema = z.array(z.object({ id: z.string(), similarity: z.number(), label: z.string() }));
