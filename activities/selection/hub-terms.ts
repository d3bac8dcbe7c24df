/** What a repository of the Hub says about its terms at one commit: card, licence texts, headers. No weights are fetched. */
import { mkdir } from 'node:fs/promises';
import { readModelFolder, statesTerms, type TermFiles } from '../../pipelines/licence/model-folder.ts';
import { safetensorsTerms } from '../../pipelines/licence/weights-metadata.ts';
import { fetchProcess, type FetchOptions, type HubFile } from './fetch-process.ts';

export interface HubCommit {
  readonly repo: string;
  readonly commit: string;
  readonly files: readonly HubFile[];
}

/** Headers are asked for one by one; a model of more files than this has its terms in its card. */
const MAX_HEADERS = 4;

/** Throws what the hub's client reports. `folder` must not exist. */
export async function hubTerms(
  { repo, commit, files }: HubCommit,
  folder: string,
  options: FetchOptions,
): Promise<TermFiles> {
  const stating = files.filter((file) => statesTerms(file.path));
  await mkdir(folder);
  if (stating.length > 0) await fetchProcess('hub-download', { repo, commit, files: stating, folder }, options);
  const { card, texts, unreadable, weights } = readModelFolder(folder);
  const found = [...weights];
  const unknown = [...unreadable];
  const headed = files.filter(({ path }) => /^[^/]+\.safetensors$/.test(path)).slice(0, MAX_HEADERS);
  for (const { path } of headed) {
    const { header } = await fetchProcess('hub-header', { repo, commit, path }, options);
    const entries = header === null ? undefined : safetensorsTerms(Buffer.from(header, 'base64'));
    if (entries === undefined) unknown.push(`the header of ${path}`);
    else if (Object.keys(entries).length > 0) found.push({ path, entries });
  }
  return { card, texts, unreadable: unknown, weights: found };
}
