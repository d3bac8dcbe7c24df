/** What a model's source says of its terms now, read again where it can be reached. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import { termsOf } from '../../pipelines/licence/model-terms.ts';
import { readTermFiles, statesTerms } from '../../pipelines/licence/model-folder.ts';
import type { ModelTerms } from '../../pipelines/licence/decision.ts';
import { parseModelSource, type ModelSource } from '../../pipelines/sources.ts';
import type { ResolvedModel } from '../contract/selection.ts';
import type { SourceTerms } from '../contract/review.ts';
import { fetchProcess } from '../fetch-process.ts';
import { hubTerms } from '../selection/hub-terms.ts';
import { listModelObjects, snapshotModelObjects } from '../selection/s3-source.ts';
import type { ActivityServices } from '../step.ts';

export interface SourceContext extends Pick<ActivityServices, 'store' | 'python'> {
  readonly signal: AbortSignal;
  /** A folder that exists and is empty. */
  readonly workDir: string;
}

/** `terms` is missing where nothing could have changed, or nothing could be read. */
export interface ReadSource {
  readonly source: SourceTerms;
  readonly terms?: ModelTerms;
}

/** Never fails for a source that is out of reach: that is said, and is no change. */
export async function readSource(
  model: string,
  resolved: Pick<ResolvedModel, 'source'>,
  context: SourceContext,
): Promise<ReadSource> {
  const source = parseModelSource(model);
  try {
    if (source.kind === 'hf') return await readHub(source, context);
    if (source.kind === 's3') return await readBucket(source, context);
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof EspalierError)) throw error;
    return { source: { state: 'unreachable', at: error.message, declared: [], texts: [] } };
  }
  const why = source.kind === 'pypi' ? 'an exact version of a package' : 'a folder that was uploaded';
  return { source: { state: 'fixed', at: `${resolved.source}: ${why} does not change`, declared: [], texts: [] } };
}

/** A commit does not change, but what its owner says by now may: a branch is asked where it stands, a commit's `main`. */
async function readHub(source: Extract<ModelSource, { kind: 'hf' }>, context: SourceContext): Promise<ReadSource> {
  const { python, signal, workDir } = context;
  const repo = source.repository;
  const revision = source.pinned ? 'main' : source.revision;
  const { commit, files } = await fetchProcess('hub-resolve', { repo, revision }, { python, signal });
  const folder = join(workDir, 'terms');
  const found = await hubTerms({ repo, commit, files }, folder, { python, signal });
  const texts = await Promise.all(
    found.texts.map(async ({ path, digest }) => ({
      path,
      digest,
      ref: await context.store.putFile(join(folder, path), { name: path, mediaType: 'text/plain', signal }),
    })),
  );
  const terms = termsOf(found);
  return { source: { state: 'read', at: `${repo}@${commit}`, declared: declaredIn(terms), texts }, terms };
}

async function readBucket(source: Extract<ModelSource, { kind: 's3' }>, context: SourceContext): Promise<ReadSource> {
  const { store, signal } = context;
  const objects = (await listModelObjects(source)).filter(({ path }) => statesTerms(path));
  const onProgress = (): void => undefined;
  const tree = await snapshotModelObjects(source, objects, { store, signal, onProgress });
  const { entries } = await store.tree(tree);
  const files = await Promise.all(
    entries.map(async ({ path: name }) => ({ name, path: await store.fileInTree(tree, name, signal) })),
  );
  const found = readTermFiles(files);
  const texts = await Promise.all(
    found.texts.map(async ({ path, digest }) => {
      const file = files.find(({ name }) => name === path);
      const bytes = await readFile(file?.path ?? '');
      return { path, digest, ref: await store.putBytes(bytes, { name: path, mediaType: 'text/plain' }) };
    }),
  );
  const terms = termsOf(found);
  return {
    source: { state: 'read', at: `s3://${source.bucket}/${source.prefix}`, declared: declaredIn(terms), texts },
    terms,
  };
}

/** What card and texts declare, each once, in order. What weights say of themselves is not read again. */
export function declaredIn({ declared, name, gated }: ModelTerms): readonly string[] {
  const ids = declared
    .filter(({ by }) => !/^the metadata of |^the package /.test(by))
    .map(({ id }) => id.toLowerCase());
  return [...new Set([...ids, ...(name === null ? [] : [`named ${name}`]), ...(gated ? ['gated'] : [])])].toSorted();
}
