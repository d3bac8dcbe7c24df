/** Which files of a model's folder may be converted, and how they are kept apart from those that may come in. */
import { lstat, mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import type { Candidate } from '../../pipelines/definition.ts';
import { listFiles, WEIGHTS } from './allow-list.ts';
import { BERT_CONFIG } from './google-bert.ts';
import { SAFETENSORS_INDEX, TORCH_INDEX } from './weight-map.ts';

/** By what wrote them: torch.save, a TensorFlow class of transformers, TensorFlow's own saving of variables or objects; safetensors in parts. */
export type WeightsForm = 'torch' | 'keras' | 'checkpoint' | 'safetensors';

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

/** What weights are called that torch.save wrote, the usual name first; indices have their parts in PARTS. */
const TORCH = ['pytorch_model.bin', TORCH_INDEX, 'model.pt', 'model.pth', 'model.ckpt'];
const KERAS_INDEX = 'tf_model.h5.index.json';
const KERAS = ['tf_model.h5', KERAS_INDEX];
/** Of an index: what the parts are called that it may name. */
const PARTS: Readonly<Record<string, RegExp>> = {
  [SAFETENSORS_INDEX]: /^model-\d{5}-of-\d{5}\.safetensors$/,
  [TORCH_INDEX]: /^pytorch_model-\d{5}-of-\d{5}\.bin$/,
  [KERAS_INDEX]: /^tf_model-\d{5}-of-\d{5}\.h5$/,
};
/** Of another name than transformers gives: `save_weights('x.h5')`, and what Keras 3 saves. */
const OTHER_KERAS = /^(?!tf_model-\d)[\w.-]{1,100}\.(h5|keras)$/;
/** The index of a checkpoint, or that of the variables of a SavedModel, whose folder may be the model's or as transformers lays it. */
const CHECKPOINT = /^([\w.-]{1,100}|(?:saved_model\/\d{1,19}\/)?variables\/variables)\.index$/;
const SHARD = /^\.data-\d{5}-of-\d{5}$/;
/** What needs no files beside it to be taken for the index of a checkpoint: other programs have `.index` files, too. */
const SURELY_CHECKPOINT = /\.ckpt(?:-\d{1,12})?$/;

/**
 * The files to convert: never beside a model.safetensors, and another library's only where that was asked for; parts of
 * safetensors are put together by themselves. Throws BadModel where several of TensorFlow's could be meant.
 */
export function foreignWeightsOf(paths: readonly string[], convert: Candidate['convert']): ForeignFiles | undefined {
  if (paths.includes(WEIGHTS)) return undefined;
  const named = (form: WeightsForm, name: string): ForeignFiles => {
    const parts = paths.filter((path) => PARTS[name]?.test(path) === true).toSorted();
    return { form, name, parts, config: null };
  };
  if (paths.includes(SAFETENSORS_INDEX)) return named('safetensors', SAFETENSORS_INDEX);
  if (convert === undefined) return undefined;
  const name = (convert === 'torch' ? TORCH : KERAS).find((one) => paths.includes(one));
  if (name !== undefined) return named(convert === 'torch' ? 'torch' : 'keras', name);
  return convert === 'torch' ? undefined : otherTensorFlowOf(paths);
}

/** Every name that is read: weights, parts and what stands for the config. */
export function namesOf({ name, parts, config }: ForeignFiles): readonly string[] {
  return [name, ...parts, ...(config === null ? [] : [config])];
}

function otherTensorFlowOf(paths: readonly string[]): ForeignFiles | undefined {
  const keras = paths
    .filter((path) => OTHER_KERAS.test(path))
    .map((name) => ({ form: 'keras' as const, name, parts: [] }));
  const found = [...keras, ...checkpointsOf(paths)].toSorted((left, right) => (left.name < right.name ? -1 : 1));
  const [only, second] = found;
  if (only === undefined) return undefined;
  if (second !== undefined) {
    const shown = found
      .slice(0, 5)
      .map(({ name }) => name)
      .join(', ');
    const message = `there are ${found.length} checkpoints or files of weights: ${shown}; which one is meant?`;
    throw new EspalierError('BadModel', message, { where: second.name, fix: 'leave one of them in the folder' });
  }
  const needsConfig = only.form === 'checkpoint' && !paths.includes('config.json') && paths.includes(BERT_CONFIG);
  return { ...only, config: needsConfig ? BERT_CONFIG : null };
}

function checkpointsOf(paths: readonly string[]): Omit<ForeignFiles, 'config'>[] {
  return paths.flatMap((name) => {
    const prefix = CHECKPOINT.exec(name)?.[1];
    if (prefix === undefined) return [];
    const parts = paths.filter((path) => path.startsWith(prefix) && SHARD.test(path.slice(prefix.length)));
    if (parts.length === 0 && !SURELY_CHECKPOINT.test(prefix)) return [];
    return [{ form: 'checkpoint' as const, name, parts: parts.toSorted() }];
  });
}

/** Moves the files to convert out of the folder. Throws UnsafeModel when one is no regular file. */
export async function putForeignWeightsAside(
  folder: string,
  convert: Candidate['convert'],
  workDir: string,
): Promise<ForeignWeights | undefined> {
  const found = foreignWeightsOf(await listFiles(folder), convert);
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
  for (const file of [name, ...parts]) {
    await mkdir(dirname(join(aside, file)), { recursive: true });
    await rename(join(folder, file), join(aside, file));
  }
  return { form, name, parts, folder: aside };
}
