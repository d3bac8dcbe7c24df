/**
 * Whether a candidate can fit the definition at all, told from what its source says before any weights are fetched: the
 * listing of its files, its `config.json`, the headers of its weights, its card. Bounds are kind: what is not known excludes nobody, and of the
 * weights only those count that every export keeps. Pure.
 */
import { MOST_WORKERS, usualWorkers } from '../../inference/workers.ts';
import { FAMILIES_OF } from '../../pipelines/families.ts';
import { readCard } from '../../pipelines/licence/card.ts';
import type { ModelLimits } from '../contract/selection.ts';
import type { Device } from '../contract/validation.ts';
import { GRAPH, WEIGHTS, type ModelInput } from './allow-list.ts';
import type { ModelConfig } from './model-config.ts';
import type { WeightMap } from './weight-map.ts';

export interface StatedModel {
  readonly files: readonly { readonly path: string; readonly size: number | null }[];
  /** JSON of the header of `model.safetensors`; null where there is none, or nobody could read it. */
  readonly header: Uint8Array | null;
  /** Of weights that lie in parts: what their index says; null or missing where there is none. */
  readonly split?: WeightMap | null;
  /** Of `config.json`; null where there is none, or nobody could read it. */
  readonly config: ModelConfig | null;
  /** README.md. */
  readonly card: string | null;
}

/** Exports are float32, whatever the weights were kept in. */
const BYTES_A_NUMBER = 4;
/** Weights are kept in at most as many: of 64-bit floats no published model is. */
const MOST_BYTES_KEPT = 4;
/** Parts of a name of a tensor that an export may leave behind: what stood behind the encoder, and is made anew. */
const LEFT_BEHIND = new Set([
  'cls',
  'classifier',
  'discriminator_predictions',
  'fc',
  'head',
  'heads',
  'lm_head',
  'mlm_head',
  'nsp_head',
  'pooler',
  'predictions',
  'qa_outputs',
  'score',
  'vocab_layer_norm',
  'vocab_projector',
  'vocab_transform',
]);
/** Last parts of names of tensors that are no parameters: what they hold is counted or computed, and an export makes it anew. */
const BUFFERS = new Set([
  'masked_bias',
  'num_batches_tracked',
  'position_ids',
  'running_mean',
  'running_var',
  'token_type_ids',
]);

export interface Asked {
  /** Texts when missing. */
  readonly input?: ModelInput | undefined;
  /** None of its layers is left out. */
  readonly whole: boolean;
  /** That will serve it. */
  readonly device?: Device | undefined;
}

/** Why the candidate cannot be what is asked for, a sentence each; empty where it may be. */
export function misfits(
  { files, header, split = null, config, card }: StatedModel,
  limits: ModelLimits,
  { input = 'text', whole, device = {} }: Asked,
): readonly string[] {
  const paths = new Set(files.map(({ path }) => path));
  const found: string[] = [];
  const [preparesTexts, preparesPictures] = [paths.has('tokenizer.json'), paths.has('preprocessor_config.json')];
  if (input === 'text' && preparesPictures && !preparesTexts) {
    found.push('It takes pictures (preprocessor_config.json, and no tokenizer.json), and the task is about texts.');
  }
  if (input === 'image' && preparesTexts && !preparesPictures) {
    found.push('It takes texts (tokenizer.json, and no preprocessor_config.json), and the task is about pictures.');
  }
  // A graph beside weights of another architecture is taken for what it is.
  if (!(input === 'image' && paths.has(GRAPH))) found.push(...foreignTo(config, limits.task));
  const parameters = whole ? leastOf(header, split) : null;
  const { maxParameters, maxSizeMb, maxMemoryMb, languages } = limits;
  if (parameters !== null && maxParameters !== undefined && parameters > maxParameters) {
    found.push(
      `It has at least ${millions(parameters)} parameters, more than ${millions(maxParameters)} (selection.maxParameters).`,
    );
  }
  const leastMb = whole ? leastMegabytes(parameters, files) : null;
  for (const [limit, field] of [
    [maxSizeMb, 'maxSizeMb'],
    [maxMemoryMb, 'maxMemoryMb'],
  ] as const) {
    if (leastMb === null || limit === undefined || leastMb <= limit) continue;
    found.push(
      `Its exported weights have at least ${figure(leastMb)} MB, more than ${figure(limit)} MB (selection.${field}).`,
    );
  }
  if (leastMb !== null && limits.hardwareFit !== undefined)
    found.push(...tooLarge(leastMb, device, limits.hardwareFit));
  const spoken = card === null ? [] : readCard(card).languages.map(languageOf);
  const missing = (languages ?? []).map(languageOf).filter((language) => !spoken.includes(language));
  // A name such as `Swiss German` may mean any of them: only codes tell what a model does not speak.
  const told = spoken.length > 0 && spoken.every((language) => /^[a-z]{2}$/.test(language));
  if (told && missing.length > 0) {
    found.push(
      `Its card names the languages ${spoken.slice(0, 20).join(', ')}, and not ${missing.join(', ')} (selection.languages).`,
    );
  }
  return found;
}

/** What the trainer would refuse when it loads the model, whatever its weights are. */
function foreignTo(config: ModelConfig | null, task: ModelLimits['task']): readonly string[] {
  if (config === null || task === undefined) return [];
  const { modelType, quantised } = config;
  const known = FAMILIES_OF[task];
  if (modelType !== null && !known.includes(modelType)) {
    return [`Its config.json has the model_type ${modelType}, and models for ${task} are ${known.join(', ')}.`];
  }
  return quantised ? ['Its config.json has a quantization_config: the original weights are needed.'] : [];
}

/** By the same count as the gate `hardwareFit`: a server has a copy of the model for each of its workers, and a process around them. */
function tooLarge(leastMb: number, { ramMb, storageMb, cores }: Device, most: number): readonly string[] {
  const workers = usualWorkers(cores ?? MOST_WORKERS);
  const needed = [
    [
      'ramMb',
      workers * leastMb,
      ramMb,
      `${workers} ${workers === 1 ? 'copy' : 'copies'} of its exported weights, one a worker, have`,
    ],
    ['storageMb', leastMb, storageMb, 'Its exported weights have'],
  ] as const;
  return needed.flatMap(([field, neededMb, thereMb, what]) =>
    thereMb === undefined || neededMb <= most * thereMb
      ? []
      : [
          `${what} at least ${figure(neededMb)} MB, more than ${figure(most)} of ${figure(thereMb)} MB (intendedUse.hardware.${field}, gates.hardwareFit).`,
        ],
  );
}

/** `en-US` and `eng` are English, `en`; what is no code stays as it is written. */
function languageOf(written: string): string {
  const language = written.toLowerCase().split(/[-_]/)[0] ?? '';
  try {
    return new Intl.Locale(language).language;
  } catch {
    return language;
  }
}

function leastOf(header: Uint8Array | null, split: WeightMap | null): number | null {
  if (header !== null) return leastParameters(header);
  return split === null ? null : leastOfSplit(split);
}

/**
 * The same, by the total size that the index of split weights states. It does not tell tensors apart: where some may be left
 * behind, half of it counts, for the largest of those (an output layer) is no larger than the embeddings, which stay.
 */
export function leastOfSplit({ files, totalBytes }: WeightMap): number | null {
  if (totalBytes === null) return null;
  const leaves = [...files.keys()].some((name) => name.split('.').some((part) => LEFT_BEHIND.has(part)));
  return Math.floor(totalBytes / MOST_BYTES_KEPT / (leaves ? 2 : 1)) || null;
}

/** Numbers in the tensors that every export keeps; null where the header is none. */
export function leastParameters(header: Uint8Array): number | null {
  try {
    const { __metadata__: _, ...tensors } = JSON.parse(new TextDecoder().decode(header)) as Record<string, unknown>;
    let sum = 0;
    for (const [name, tensor] of Object.entries(tensors)) {
      const parts = name.split('.');
      if (parts.some((part) => LEFT_BEHIND.has(part)) || BUFFERS.has(parts.at(-1) ?? '')) continue;
      const { shape } = tensor as { readonly shape?: unknown };
      if (!Array.isArray(shape) || !shape.every((size) => Number.isSafeInteger(size) && size >= 0)) return null;
      if (isCausalMask(parts, shape)) continue;
      sum += shape.reduce((product: number, size: number) => product * size, 1);
    }
    return Number.isSafeInteger(sum) && sum > 0 ? sum : null;
  } catch {
    return null;
  }
}

/** GPT-2 and its kin keep which token may see which as the `bias` of their attention: a true bias has one dimension. */
function isCausalMask(parts: readonly string[], shape: readonly unknown[]): boolean {
  const [of = '', name] = parts.slice(-2);
  return name === 'bias' && ['attn', 'attention'].includes(of) && shape.length === 4;
}

function leastMegabytes(parameters: number | null, files: StatedModel['files']): number | null {
  if (parameters !== null) return (parameters * BYTES_A_NUMBER) / 1e6;
  // A graph without weights of its own is served as it came.
  const graph = files.some(({ path }) => path === WEIGHTS) ? undefined : files.find(({ path }) => path === GRAPH);
  return graph?.size == null ? null : graph.size / 1e6;
}

function millions(parameters: number): string {
  return `${figure(parameters / 1e6)} million`;
}

function figure(value: number): string {
  return String(Number(value.toPrecision(3)));
}
