/** What must hold of the data of pictures that its schema cannot say. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Problem } from './check.ts';
import { addressProblem, isFetched } from './data-sources.ts';
import { ImageDataSchema, type ImageData } from './definition/data.ts';
import { splitProblems } from './split-rules.ts';

/** Of data that parse; local sources are looked for when the definition's folder is given. */
export function imageDataProblems(
  raw: Readonly<Record<string, unknown>>,
  folder: string | undefined,
): readonly Problem[] {
  const parsed = ImageDataSchema.safeParse(raw['data']);
  if (!parsed.success) return [];
  const { data } = parsed;
  const labels = data.labels ?? [];
  const seen = new Set<string>();
  return [
    ...labels.flatMap((label, index) =>
      labels.indexOf(label) === index
        ? []
        : [{ path: `data.labels[${index}]`, message: `the label '${label}' is there twice`, fix: 'remove one' }],
    ),
    ...(data.image === data.label
      ? [
          {
            path: 'data.label',
            message: `is the same column as data.image ('${data.image}')`,
            fix: 'name the column of the label',
          },
        ]
      : []),
    ...(data.groups !== undefined && raw['task'] === 'image-retrieval'
      ? [
          {
            path: 'data.groups',
            message: 'a model that finds pictures is not measured group by group',
            fix: 'leave it out',
          },
        ]
      : []),
    ...splitProblems(data),
    ...croissantProblems(data, folder),
    ...sourcesOf(data).flatMap(({ path, source }) => {
      const again = seen.has(source);
      seen.add(source);
      if (again) return [{ path, message: `names '${source}' again`, fix: 'name each source once' }];
      const problem = sourceProblem(source, folder);
      return problem === undefined ? [] : [{ path, ...problem }];
    }),
  ];
}

function croissantProblems({ croissant }: ImageData, folder: string | undefined): readonly Problem[] {
  if (croissant === undefined) return [];
  const elsewhere = addressProblem(croissant);
  if (elsewhere !== undefined) return [{ path: 'data.croissant', ...elsewhere }];
  if (folder === undefined || isFetched(croissant)) return [];
  if (statSync(resolve(folder, croissant), { throwIfNoEntry: false })?.isFile() === true) return [];
  const message = `there is no file '${croissant}' in ${folder}`;
  return [{ path: 'data.croissant', message, fix: "paths are relative to the definition's folder" }];
}

/** Where pictures are: told by the ending, anything else is a folder. */
export function pictureSourceKind(source: string): 'tar' | 'csv' | 'jsonl' | 'folder' {
  const ending = /\.(tar|csv|jsonl)$/i.exec(source)?.[1]?.toLowerCase();
  return ending === 'tar' || ending === 'csv' || ending === 'jsonl' ? ending : 'folder';
}

interface NamedSource {
  readonly path: string;
  readonly source: string;
}

function sourcesOf({ files, shiftedFiles = [] }: ImageData): readonly NamedSource[] {
  const of = (list: readonly string[], at: string): readonly NamedSource[] =>
    list.map((source, index) => ({ path: `${at}[${index}]`, source }));
  const shifted = of(shiftedFiles, 'data.shiftedFiles');
  if (Array.isArray(files)) return [...of(files, 'data.files'), ...shifted];
  const splits = ['train', 'validation', 'test'] as const;
  return [...splits.flatMap((split) => of(files[split] ?? [], `data.files.${split}`)), ...shifted];
}

function sourceProblem(source: string, folder: string | undefined): Omit<Problem, 'path'> | undefined {
  const kind = pictureSourceKind(source);
  if (isFetched(source) && kind !== 'tar') {
    return {
      message: `'${source}' is not a tar shard`,
      fix: 'name a .tar: folders and lists are read from this machine',
    };
  }
  const elsewhere = addressProblem(source);
  if (elsewhere !== undefined || isFetched(source)) return elsewhere;
  if (folder === undefined) return undefined;
  const found = statSync(resolve(folder, source), { throwIfNoEntry: false });
  if (found === undefined) {
    return { message: `there is no '${source}' in ${folder}`, fix: "paths are relative to the definition's folder" };
  }
  if (kind === 'folder' ? found.isDirectory() : found.isFile()) return undefined;
  return {
    message: `'${source}' is not a ${kind === 'folder' ? 'folder' : 'file'}`,
    fix: 'name a folder with a subfolder a label, a .tar, or a .csv or .jsonl with paths',
  };
}
