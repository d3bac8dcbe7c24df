/** `encoder.json` / `classifier.json` beside a `model.onnx`: all a Node process needs to run it on text. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { EspalierError } from '../artifacts/errors.ts';

export interface EncoderConfig {
  readonly kind: 'encoder';
  /** Tokens; longer texts are truncated. */
  readonly maxLength: number;
  readonly pooling: 'mean' | 'cls';
  readonly dimension: number;
  /** The graph's inputs, of input_ids, attention_mask, token_type_ids. */
  readonly inputs: readonly string[];
}

export interface ClassifierConfig extends Omit<EncoderConfig, 'kind'> {
  readonly kind: 'classifier';
  /** Index = class. */
  readonly labels: readonly string[];
}

const shape = {
  maxLength: z.int().min(2),
  pooling: z.enum(['mean', 'cls']),
  dimension: z.int().min(1),
  inputs: z.array(z.enum(['input_ids', 'attention_mask', 'token_type_ids'])).min(1),
};
const FILES = [
  ['classifier.json', z.object({ kind: z.literal('classifier'), ...shape, labels: z.array(z.string()).min(2) })],
  ['encoder.json', z.object({ kind: z.literal('encoder'), ...shape })],
] as const;

/** Reads the config of a model folder, whichever of the two it has. Throws BadModel naming the file and the field. */
export async function readModelConfig(directory: string): Promise<EncoderConfig | ClassifierConfig> {
  for (const [name] of FILES) {
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

export type ConfigName = (typeof FILES)[number][0];

/** `where` it was read. Throws BadModel naming the field. */
export function parseModelConfig(name: ConfigName, text: string, where: string): EncoderConfig | ClassifierConfig {
  const [, schema] = FILES.find(([known]) => known === name) as (typeof FILES)[number];
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw bad(where, error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message, error);
  }
}

function bad(where: string, message: string, cause?: unknown): EspalierError {
  return new EspalierError('BadModel', `the model's config cannot be used: ${message}`, {
    where,
    fix: 'use the folder that the export step wrote',
    ...(cause === undefined ? {} : { cause }),
  });
}
