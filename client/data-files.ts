/** The data files that a definition names, and those of this machine as artifacts: a run never depends on somebody's disk. */
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import type { DataFileSource } from '../activities/contract/data.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { tableFormat } from '../pipelines/behaviour/rules.ts';
import { picturesOf, readBehaviourTable } from '../pipelines/behaviour/table.ts';
import { DATA_MEDIA_TYPES } from '../pipelines/data-media-types.ts';
import { isFetched } from '../pipelines/data-sources.ts';
import type { ImageClassification, ImageRetrieval, Pipeline } from '../pipelines/definition.ts';
import type { BehaviourSpec } from '../pipelines/definition/behaviour.ts';
import type { ImageData } from '../pipelines/definition/data.ts';
import { pictureSourceKind } from '../pipelines/image-data-rules.ts';
import { packFolder, packList, packNamed } from './pack-pictures.ts';

/**
 * Every data file of a definition, those of this machine in the store. Pictures become one tar a source.
 * @throws EspalierError NotFound for what is not there
 */
export async function snapshotDataFiles(
  pipeline: Pipeline,
  folder: string,
  store: ArtifactStore,
): Promise<readonly DataFileSource[]> {
  if (pipeline.task !== 'image-classification' && pipeline.task !== 'image-retrieval') {
    return Promise.all(rowFilesOf(pipeline).map((file) => snapshotFile(file, folder, store)));
  }
  const { data } = pipeline;
  const files: DataFileSource[] = [];
  // One after the other: each may be large, and is written to disk once more before it is sent.
  for (const file of [...pictureFilesOf(data), ...tablesOf(pipeline)]) {
    files.push(await snapshotPictures(file, pipeline, folder, store));
  }
  return files;
}

function rowFilesOf(pipeline: Exclude<Pipeline, ImageClassification | ImageRetrieval>): DataFileSource[] {
  const { data } = pipeline;
  const { files, format, evaluationFiles = [], croissant } = data;
  const general = 'generalText' in data ? data.generalText : undefined;
  const source =
    (split: DataFileSource['split']) =>
    (path: string): DataFileSource => ({
      path,
      split,
      format: format ?? (/\.jsonl(\?|$)|\.ndjson$/i.test(path) ? 'jsonl' : 'csv'),
    });
  return [
    ...bySplit(files, source),
    ...evaluationFiles.map(source('evaluation')),
    ...('shiftedFiles' in data ? (data.shiftedFiles ?? []) : []).map(source('shifted')),
    ...(croissant === undefined ? [] : [describing(croissant)]),
    ...tablesOf(pipeline),
    ...(general === undefined ? [] : [{ path: general, split: 'general', format: 'text' } as const]),
  ];
}

/** Of what the ending does not say the definition's check has said so. */
function tablesOf(pipeline: Pipeline): DataFileSource[] {
  return Object.values(behaviourOf(pipeline)).map(({ file: path }) => ({
    path,
    split: 'behaviour',
    format: tableFormat(path) ?? 'csv',
  }));
}

function behaviourOf({ behaviour = {} }: Pipeline): BehaviourSpec {
  return behaviour;
}

function pictureFilesOf({ files, shiftedFiles = [], croissant }: ImageData): DataFileSource[] {
  const source =
    (split: DataFileSource['split']) =>
    (path: string): DataFileSource => {
      const kind = pictureSourceKind(path);
      return { path, split, format: kind === 'folder' ? 'tar' : kind };
    };
  const shifted = shiftedFiles.map(source('shifted'));
  return [...bySplit(files, source), ...shifted, ...(croissant === undefined ? [] : [describing(croissant)])];
}

function bySplit(
  files: Pipeline['data']['files'],
  source: (split: DataFileSource['split']) => (path: string) => DataFileSource,
): readonly DataFileSource[] {
  if (Array.isArray(files)) return files.map(source('all'));
  return (['train', 'validation', 'test'] as const).flatMap((split) => (files[split] ?? []).map(source(split)));
}

function describing(path: string): DataFileSource {
  return { path, split: 'description', format: 'json' };
}

async function snapshotFile(file: DataFileSource, folder: string, store: ArtifactStore): Promise<DataFileSource> {
  if (isFetched(file.path)) return file;
  const path = resolve(folder, file.path);
  await requireKind(path, 'file', `data.files: ${file.path}`);
  return {
    ...file,
    ref: await store.putFile(path, { name: basename(path), mediaType: DATA_MEDIA_TYPES[file.format] }),
  };
}

async function snapshotPictures(
  file: DataFileSource,
  pipeline: ImageClassification | ImageRetrieval,
  folder: string,
  store: ArtifactStore,
): Promise<DataFileSource> {
  const kind = pictureSourceKind(file.path);
  if (file.split === 'description' || kind === 'tar') return snapshotFile(file, folder, store);
  const path = resolve(folder, file.path);
  await requireKind(path, kind === 'folder' ? 'folder' : 'file', `data.files: ${file.path}`);
  const work = await mkdtemp(join(tmpdir(), 'espalier-pictures-'));
  try {
    const packed = join(work, 'pictures.tar');
    if (file.split === 'behaviour') await packNamed(path, await picturesAsked(file, path, pipeline), packed);
    else await (kind === 'folder' ? packFolder(path, packed) : packList(path, pipeline.data.image, packed));
    const name = `${basename(path)}.tar`;
    return { ...file, ref: await store.putFile(packed, { name, mediaType: DATA_MEDIA_TYPES.tar }) };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** By name; of rows that are wrong none, since whoever prepares the data refuses these. */
async function picturesAsked(
  { path: file, format }: DataFileSource,
  path: string,
  pipeline: Pipeline,
): Promise<readonly string[]> {
  const kind = Object.values(behaviourOf(pipeline)).find((table) => table.file === file)?.kind;
  if (kind === undefined || (format !== 'csv' && format !== 'jsonl')) return [];
  const { tests } = readBehaviourTable(await readFile(path), kind, format, {
    input: 'image',
    ...(pipeline.task === 'image-retrieval' ? { finds: true } : {}),
  });
  return tests.flatMap(({ test }) => picturesOf(test).map(({ name }) => name));
}

/** @throws EspalierError NotFound when there is nothing, or something else, at a path that the definition names */
export async function requireKind(path: string, kind: 'file' | 'folder', where: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found !== undefined && (kind === 'file' ? found.isFile() : found.isDirectory())) return;
  throw new EspalierError('NotFound', `${path} ${found === undefined ? 'does not exist' : `is not a ${kind}`}`, {
    where,
    fix: "paths are relative to the definition's folder; correct the path or create it",
  });
}
