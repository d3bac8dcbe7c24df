/** `encoder.json` / `classifier.json` beside a `model.onnx`: all a Node process needs to run it on texts or on pictures. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { EspalierError } from '../artifacts/errors.ts';
import type { Windows } from './windows.ts';
import { ImageProcessorSchema, type ImageProcessor } from './image/processor.ts';

/** Of texts. */
export interface EncoderConfig {
  readonly kind: 'encoder';
  readonly input?: 'text';
  /** Tokens; longer texts are cut. */
  readonly maxLength: number;
  /** How longer texts are read instead. */
  readonly windows?: Windows | undefined;
  readonly pooling: 'mean' | 'cls';
  readonly dimension: number;
  /** The graph's inputs, of input_ids, attention_mask, token_type_ids. */
  readonly inputs: readonly string[];
}

export interface ClassifierConfig extends Omit<EncoderConfig, 'kind'> {
  readonly kind: 'classifier';
  /** Index = class. */
  readonly labels: readonly string[];
  /** It was trained on two texts a row, and is asked two. */
  readonly pairs?: true;
  /**
   * A row has none, one or several labels: each by itself, from this probability on. Missing: it has one, the most probable, and
   * the probabilities sum to 1.
   */
  readonly thresholds?: readonly number[];
}

/** Of pictures. */
export interface ImageEncoderConfig {
  readonly kind: 'encoder';
  readonly input: 'image';
  /** What is done to a picture; in the file it is the model's `preprocessor_config.json`. */
  readonly processor: ImageProcessor;
  readonly dimension: number;
  /** `pixel_values`, float32 [batch, 3, height, width]. */
  readonly inputs: readonly string[];
}

export interface ImageClassifierConfig extends Omit<ImageEncoderConfig, 'kind'> {
  readonly kind: 'classifier';
  readonly labels: readonly string[];
}

export type ModelConfig = EncoderConfig | ClassifierConfig | ImageEncoderConfig | ImageClassifierConfig;

const textShape = {
  input: z.literal('text').optional(),
  maxLength: z.int().min(2),
  windows: z.strictObject({ overlap: z.number().min(0).max(0.5), most: z.int().min(2).max(64) }).optional(),
  pooling: z.enum(['mean', 'cls']),
  dimension: z.int().min(1),
  inputs: z.array(z.enum(['input_ids', 'attention_mask', 'token_type_ids'])).min(1),
};
const imageShape = {
  input: z.literal('image'),
  processor: ImageProcessorSchema,
  dimension: z.int().min(1),
  inputs: z.tuple([z.literal('pixel_values')]),
};
const encoder = { kind: z.literal('encoder') };
const classifier = { kind: z.literal('classifier'), labels: z.array(z.string()).min(2) };
/** A classifier's file says nothing that is not known here: a server older than a field would pass over it, and answer otherwise. */
const SCHEMAS = {
  'classifier.json': {
    text: z
      .strictObject({
        ...classifier,
        ...textShape,
        pairs: z.literal(true).optional(),
        thresholds: z.array(z.number().min(0).max(1)).optional(),
      })
      .refine(({ labels, thresholds }) => thresholds === undefined || thresholds.length === labels.length, {
        path: ['thresholds'],
        message: 'there must be one for each label',
      }),
    image: z.strictObject({ ...classifier, ...imageShape }),
  },
  'encoder.json': { text: z.object({ ...encoder, ...textShape }), image: z.object({ ...encoder, ...imageShape }) },
} as const;

export type ConfigName = keyof typeof SCHEMAS;

/** Reads the config of a model folder, whichever of the two it has. Throws BadModel naming the file and the field. */
export async function readModelConfig(directory: string): Promise<ModelConfig> {
  for (const name of ['classifier.json', 'encoder.json'] as const) {
    const file = join(directory, name);
    try {
      return parseModelConfig(name, await readFile(file, 'utf8'), file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      throw error instanceof EspalierError ? error : bad(file, (error as Error).message, error);
    }
  }
  throw bad(directory, 'neither classifier.json nor encoder.json is there');
}

/** `where` it was read. Throws BadModel naming the field. */
export function parseModelConfig(name: ConfigName, text: string, where: string): ModelConfig {
  try {
    const value: unknown = JSON.parse(text);
    const ofImages = typeof value === 'object' && value !== null && 'input' in value && value.input === 'image';
    return SCHEMAS[name][ofImages ? 'image' : 'text'].parse(value);
  } catch (error) {
    throw bad(where, error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message, error);
  }
}

/** The config where it is one of texts. Throws BadModel. */
export function ofTexts(config: ModelConfig, where: string): EncoderConfig | ClassifierConfig {
  if (config.input !== 'image') return config;
  throw bad(where, 'the model takes pictures, not texts');
}

/** The config where it is one of pictures. Throws BadModel. */
export function ofPictures(config: ModelConfig, where: string): ImageEncoderConfig | ImageClassifierConfig {
  if (config.input === 'image') return config;
  throw bad(where, 'the model takes texts, not pictures');
}

function bad(where: string, message: string, cause?: unknown): EspalierError {
  return new EspalierError('BadModel', `the model's config cannot be used: ${message}`, {
    where,
    fix: 'use the folder that the export step wrote',
    ...(cause === undefined ? {} : { cause }),
  });
}
