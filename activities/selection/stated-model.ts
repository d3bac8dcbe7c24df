/** What a source says of a model without its weights, as far as it can tell: for `fitting.ts` to judge. */
import { mkdir, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ModelSource } from '../../pipelines/sources.ts';
import type { StepContext } from '../step.ts';
import { WEIGHTS } from './allow-list.ts';
import { wheelCache } from '../fetch-process.ts';
import type { StatedModel } from './fitting.ts';
import type { FetchedHeader } from './hub-terms.ts';
import { namedTerms, type NamedTerms } from './named-terms.ts';

/** Longer than the header of any model that is tuned here. */
const MAX_HEADER_BYTES = 16 * 1024 * 1024;

/** Of the weights among the headers that were fetched without them. */
export function weightsHeader(headers: readonly FetchedHeader[]): Uint8Array | null {
  const header = headers.find(({ path }) => path === WEIGHTS)?.header;
  return header == null ? null : Buffer.from(header, 'base64');
}

/** Of a safetensors file that lies here; null where it has none that can be read: whether it is sound is asked elsewhere. */
export async function headerOfFile(path: string): Promise<Uint8Array | null> {
  const file = await open(path, 'r');
  try {
    const start = Buffer.alloc(8);
    if ((await file.read(start, 0, 8, 0)).bytesRead < 8) return null;
    const length = start.readBigUInt64LE();
    if (length > BigInt(MAX_HEADER_BYTES)) return null;
    const header = Buffer.alloc(Number(length));
    return (await file.read(header, 0, header.length, 8)).bytesRead < header.length ? null : header;
  } finally {
    await file.close();
  }
}

/**
 * Of a source that is copied whole when it is pinned: what it says before that. undefined: the source does not tell, or what
 * was fetched before is at hand; then the copy is asked.
 */
export async function statedEarly(
  source: ModelSource,
  model: string,
  { python, signal, workDir }: Pick<StepContext, 'python' | 'signal' | 'workDir'>,
): Promise<NamedTerms | undefined> {
  if (source.kind !== 's3' && source.kind !== 'pypi') return undefined;
  if (source.kind === 'pypi' && (await isCached(source))) return undefined;
  const folder = join(workDir, 'stated');
  await mkdir(folder);
  try {
    return await namedTerms(model, { python, signal, env: process.env, workDir: folder });
  } catch (error) {
    // An index without ranges, for one: pinning says what is wrong, or does without.
    if (error instanceof EspalierError) return undefined;
    throw error;
  }
}

async function isCached({ name, version }: Extract<ModelSource, { kind: 'pypi' }>): Promise<boolean> {
  const project = name.replaceAll(/[-_.]+/g, '-').toLowerCase();
  const kept = await readdir(join(wheelCache(), `${project}-${version}`)).catch(() => []);
  return kept.some((entry) => /^[0-9a-f]{64}$/.test(entry));
}

/** From names, sizes, headers and configuration of a source. */
export function statedBy({
  files,
  headers,
  split,
  config,
  sources,
}: Pick<NamedTerms, 'files' | 'headers' | 'split' | 'config' | 'sources'>): StatedModel {
  return { files, header: weightsHeader(headers), split, config, card: sources.card };
}
