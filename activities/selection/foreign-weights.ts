/** Which files of a model's folder may be converted, and how they are kept apart from those that may come in. */
import { lstat, mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import type { Candidate } from '../../pipelines/definition.ts';
import { WEIGHTS } from './allow-list.ts';
import { BERT_CONFIG } from './google-bert.ts';

/** By what wrote them: torch.save, a TensorFlow class of transformers, TensorFlow 1's Saver. */
export type WeightsForm = 'torch' | 'keras' | 'checkpoint';

/** By their names in the model's folder. */
export interface ForeignFiles {
  readonly form: WeightsForm;
  /** The file, or the index of `parts`. */
  readonly name: string;
  readonly parts: readonly string[];
  /** What besides them is read, in place of a config.json that is not there. */
  readonly config: string | null;
}
export interface ForeignWeights extends Pick<ForeignFiles, 'form' | 'name' | 'parts'> {
  /** They lie in it, alone. */
  readonly folder: string;
}

/** What whole weights are called that torch.save wrote, the usual name first. Parts of weights are none: only of TensorFlow are they put together. */
const TORCH = ['pytorch_model.bin', 'model.pt', 'model.pth', 'model.ckpt'];
const KERAS = 'tf_model.h5';
const KERAS_INDEX = 'tf_model.h5.index.json';
const KERAS_PART = /^tf_model-\d{5}-of-\d{5}\.h5$/;
const CHECKPOINT = /^([\w.-]{1,100}\.ckpt(?:-\d{1,12})?)\.index$/;
const SHARD = /^\.data-\d{5}-of-\d{5}$/;

/**
 * The files to convert: only where that was asked for, and never beside a model.safetensors. Throws BadModel where there
 * are several checkpoints.
 */
export function foreignWeightsOf(paths: readonly string[], convert: Candidate['convert']): ForeignFiles | undefined {
  if (convert === undefined || paths.includes(WEIGHTS)) return undefined;
  const name = (convert === 'torch' ? TORCH : [KERAS, KERAS_INDEX]).find((one) => paths.includes(one));
  if (name === undefined) return convert === 'torch' ? undefined : checkpointOf(paths);
  const parts = name === KERAS_INDEX ? paths.filter((path) => KERAS_PART.test(path)).toSorted() : [];
  return { form: convert === 'torch' ? 'torch' : 'keras', name, parts, config: null };
}

/** Every name that is read: weights, parts and what stands for the config. */
export function namesOf({ name, parts, config }: ForeignFiles): readonly string[] {
  return [name, ...parts, ...(config === null ? [] : [config])];
}

function checkpointOf(paths: readonly string[]): ForeignFiles | undefined {
  const found = paths.filter((path) => CHECKPOINT.test(path)).toSorted();
  const [name, second] = found;
  if (name === undefined) return undefined;
  if (second !== undefined) {
    const shown = found.slice(0, 5).join(', ');
    throw new EspalierError('BadModel', `there are ${found.length} checkpoints: ${shown}; which one is meant?`, {
      where: second,
      fix: 'leave one of them in the folder',
    });
  }
  const prefix = CHECKPOINT.exec(name)?.[1] ?? '';
  const parts = paths.filter((path) => path.startsWith(prefix) && SHARD.test(path.slice(prefix.length)));
  const needsConfig = !paths.includes('config.json') && paths.includes(BERT_CONFIG);
  return { form: 'checkpoint', name, parts: parts.toSorted(), config: needsConfig ? BERT_CONFIG : null };
}

/** Moves the files to convert out of the folder. Throws UnsafeModel when one is no regular file. */
export async function putForeignWeightsAside(
  folder: string,
  convert: Candidate['convert'],
  workDir: string,
): Promise<ForeignWeights | undefined> {
  const found = foreignWeightsOf(await readdir(folder), convert);
  if (found === undefined) return undefined;
  const { form, name, parts } = found;
  for (const file of [name, ...parts]) {
    if ((await lstat(join(folder, file))).isFile()) continue;
    throw new EspalierError('UnsafeModel', `${file} is not a regular file`, {
      where: file,
      fix: 'put the file itself there',
    });
  }
  const aside = join(workDir, form);
  await mkdir(aside);
  for (const file of [name, ...parts]) await rename(join(folder, file), join(aside, file));
  return { form, name, parts, folder: aside };
}
