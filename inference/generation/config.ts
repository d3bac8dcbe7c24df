/** `generator.json` beside a generator's `model.onnx`: all a Node process needs to run it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';
import { CHAT_FORMAT_NAMES } from './chat-formats.ts';

const count = z.int().min(1);

const GeneratorConfigSchema = z.object({
  kind: z.literal('generator'),
  /** transformers' model_type: for people. */
  architecture: z.string(),
  layers: count,
  /** Heads and size of the key and value tensors: [batch, keyValueHeads, tokens, headSize]. */
  keyValueHeads: count,
  headSize: count,
  /** Columns of the logits. */
  vocabularySize: count,
  /** Tokens of prompt and answer together. */
  contextTokens: z.int().min(2),
  /** Any of these ends an answer; none: only length and stop sequences do. */
  endTokens: z.array(z.int().min(0)),
  /** How messages become a prompt (chat-formats.ts). */
  chatFormat: z.enum(CHAT_FORMAT_NAMES),
});
export type GeneratorConfig = Readonly<z.output<typeof GeneratorConfigSchema>>;

export const GENERATOR_CONFIG = 'generator.json';

/** Throws BadModel naming the field. */
export function parseGeneratorConfig(text: string, where: string): GeneratorConfig {
  try {
    return GeneratorConfigSchema.parse(JSON.parse(text));
  } catch (error) {
    const message = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw unusable(where, message, error);
  }
}

/** Reads `generator.json` of a folder. Throws BadModel. */
export async function readGeneratorConfig(folder: string): Promise<GeneratorConfig> {
  const file = join(folder, GENERATOR_CONFIG);
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw unusable(file, error.message, error);
  });
  return parseGeneratorConfig(text, file);
}

function unusable(where: string, message: string, cause: unknown): EspalierError {
  return new EspalierError('BadModel', `generator.json cannot be used: ${message}`, {
    where,
    fix: 'use the folder that the export step wrote',
    cause,
  });
}
