/** What a repository of the Hub says about its terms at one commit: card, licence texts, headers. No weights are fetched. */
import { mkdir } from 'node:fs/promises';
import { readModelFolder, statesTerms, type TermFiles } from '../../pipelines/licence/model-folder.ts';
import { safetensorsTerms } from '../../pipelines/licence/weights-metadata.ts';
import { fetchProcess, type FetchOptions, type HubFile } from '../fetch-process.ts';
import { CONFIG, MAX_CONFIG_BYTES } from './model-config.ts';
import { isIndex, MAX_INDEX_BYTES } from './weight-map.ts';

export interface HubCommit {
  readonly repo: string;
  readonly commit: string;
  readonly files: readonly HubFile[];
}

/** With the headers of the weights themselves: what they hold is known without them. */
export interface HubTerms extends TermFiles {
  readonly headers: readonly FetchedHeader[];
}

/** Headers are asked for one by one; a model of more files than this has its terms in its card. */
export const MAX_HEADERS = 4;

/** Throws what the hub's client reports. `folder` must not exist; `also` are small files that are fetched into it with the rest. */
export async function hubTerms(
  { repo, commit, files }: HubCommit,
  folder: string,
  options: FetchOptions,
  also: (file: HubFile) => boolean = () => false,
): Promise<HubTerms> {
  const stating = files.filter((file) => statesTerms(file.path) || also(file));
  await mkdir(folder);
  if (stating.length > 0) await fetchProcess('hub-download', { repo, commit, files: stating, folder }, options);
  const headers: FetchedHeader[] = [];
  for (const { path } of files.filter((file) => isHeaded(file.path)).slice(0, MAX_HEADERS)) {
    headers.push({ path, ...(await fetchProcess('hub-header', { repo, commit, path }, options)) });
  }
  return { ...withHeaders(readModelFolder(folder), headers), headers };
}

/** The header of a safetensors file in base64; null: longer than anybody reads. */
export interface FetchedHeader {
  readonly path: string;
  readonly header: string | null;
}

export function isHeaded(path: string): boolean {
  return /^[^/]+\.safetensors$/.test(path);
}

/** For `also`: the files that say what the model is, and how large it is where its weights are split. */
export function isDescription({ path, size }: HubFile): boolean {
  const most = path === CONFIG ? MAX_CONFIG_BYTES : isIndex(path) ? MAX_INDEX_BYTES : -1;
  return size !== null && size <= most;
}

/** Terms from files, with what the headers of weights say that were fetched without their weights. */
export function withHeaders(
  { card, texts, unreadable, weights }: TermFiles,
  headers: readonly FetchedHeader[],
): TermFiles {
  const found = [...weights];
  const unknown = [...unreadable];
  for (const { path, header } of headers) {
    const entries = header === null ? undefined : safetensorsTerms(Buffer.from(header, 'base64'));
    if (entries === undefined) unknown.push(`the header of ${path}`);
    else if (Object.keys(entries).length > 0) found.push({ path, entries });
  }
  return { card, texts, unreadable: unknown, weights: found };
}
