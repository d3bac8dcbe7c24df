/**
 * Which tensor lies in which part of split weights: the index that transformers' save_pretrained writes beside them
 * (`model.safetensors.index.json`, `pytorch_model.bin.index.json`). A name in it opens no file: it is compared with those that are there.
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';
import { hasDuplicateKeys } from './duplicate-keys.ts';
import { boundsFault, MODEL_JSON } from './json-bounds.ts';

export interface WeightMap {
  /** From a tensor's name to its file's. */
  readonly files: ReadonlyMap<string, string>;
  /** Of all tensors together, by its own word; null where it says none. */
  readonly totalBytes: number | null;
}

export const SAFETENSORS_INDEX = 'model.safetensors.index.json';
export const TORCH_INDEX = 'pytorch_model.bin.index.json';

export function isIndex(path: string): boolean {
  return path === SAFETENSORS_INDEX || path === TORCH_INDEX;
}

/** A model of 100,000 tensors has about 10 MB. */
export const MAX_INDEX_BYTES = 16 * 1024 * 1024;

const IndexSchema = z.object({
  metadata: z.object({ total_size: z.number().int().positive().optional() }).optional(),
  weight_map: z.record(z.string().min(1).max(500), z.string().min(1).max(200)),
});

/** Reads no more than an index may have. Throws BadModel, saying what is wrong with it. */
export async function readWeightMap(path: string, name: string): Promise<WeightMap> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    if (size > MAX_INDEX_BYTES) throw badIndex(name, `has ${size} bytes, more than ${MAX_INDEX_BYTES}`);
    return parseWeightMap(await file.readFile(), name);
  } finally {
    await file.close();
  }
}

function parseWeightMap(bytes: Uint8Array, name: string): WeightMap {
  const fault = boundsFault(bytes, MODEL_JSON);
  if (fault !== null) throw badIndex(name, fault);
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    value = JSON.parse(text);
  } catch (error) {
    throw badIndex(name, `is not JSON: ${(error as Error).message.slice(0, 120)}`);
  }
  if (hasDuplicateKeys(text)) throw badIndex(name, 'names a tensor twice');
  const index = IndexSchema.safeParse(value);
  const files = index.success ? Object.entries(index.data.weight_map) : [];
  if (files.length === 0) throw badIndex(name, 'has no weight_map of tensors and their files');
  return { files: new Map(files), totalBytes: index.data?.metadata?.total_size ?? null };
}

/** What the index of split weights in a folder says; null where there is none, or none that can be read: what is wrong with it the import says. */
export async function splitIn(folder: string): Promise<WeightMap | null> {
  for (const name of [SAFETENSORS_INDEX, TORCH_INDEX]) {
    const found = await stated(join(folder, name), name);
    if (found !== null) return found;
  }
  return null;
}

/** Of one file that is an index, or should be. */
export async function stated(path: string, name: string): Promise<WeightMap | null> {
  try {
    return await readWeightMap(path, name);
  } catch (error) {
    if (error instanceof EspalierError || (error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Throws BadModel unless the index names exactly what there is; `where` the latter lies. */
export function requireSame(named: Iterable<string>, found: Iterable<string>, index: string, where: string): void {
  const [wanted, there] = [new Set(named), new Set(found)];
  const missing = [...wanted].filter((name) => !there.has(name)).toSorted();
  const more = [...there].filter((name) => !wanted.has(name)).toSorted();
  if (missing.length > 0) throw badIndex(index, `names ${shown(missing)}, which is not ${where}`);
  if (more.length > 0) throw badIndex(index, `does not name ${shown(more)}, which is ${where}`);
}

const SHOWN = 3;

function shown(names: readonly string[]): string {
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '';
  return (
    names
      .slice(0, SHOWN)
      .map((name) => name.slice(0, 200))
      .join(', ') + more
  );
}

export function badIndex(where: string, what: string): EspalierError {
  return new EspalierError('BadModel', `${where} ${what}`, {
    where,
    fix: 'put all files of one save_pretrained into the folder: the index and every part that it names',
  });
}
