/** `prompt.json` of a bundle: what a served model is told with every conversation, and how it answers where a request does not say. Pure. */
import { Buffer } from 'node:buffer';
import { join } from 'node:path';
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';
import type { GenerateOptions } from './options.ts';

/** Strict: an option that is not known here would be served otherwise than it was measured. */
const ServedGenerationSchema = z.strictObject({
  maxNewTokens: z.int().min(1).max(131_072).optional(),
  temperature: z.number().min(0).max(10).optional(),
  topK: z.int().min(1).optional(),
  topP: z.number().gt(0).max(1).optional(),
  repetitionPenalty: z.number().gt(0).max(10).optional(),
  stop: z.array(z.string().min(1).max(200)).max(16).optional(),
  /** What the evaluation drew from. No default: two people who ask the same are not to get the same draws. */
  seed: z.int().min(0).optional(),
});
/** The options that everything approved was measured with. */
export type ServedGeneration = z.output<typeof ServedGenerationSchema>;

/** More fields may stand beside these. */
const ServedPromptSchema = z.looseObject({
  /** Empty: no system text. */
  system: z.string(),
  examples: z.array(z.looseObject({ user: z.string(), assistant: z.string() })),
  generation: ServedGenerationSchema.optional(),
});
export type ServedPrompt = z.output<typeof ServedPromptSchema>;

/** `folder`: for messages, where the file was read. Throws BadModel. */
export function servedPromptOf(bytes: Uint8Array, folder: string): ServedPrompt {
  const where = join(folder, 'prompt.json');
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new EspalierError('BadModel', `prompt.json is no JSON: ${(cause as Error).message}`, { where, cause });
  }
  const { data, error } = ServedPromptSchema.safeParse(value);
  if (data !== undefined) return data;
  const wrong = error.issues.map(({ path, message }) => `${path.join('.') || 'the prompt'}: ${message}`);
  throw new EspalierError('BadModel', `prompt.json cannot be used: ${wrong.join('; ')}`, { where });
}

/** What a request asks for; how much it leaves open. */
export type AskedOptions = Omit<GenerateOptions, 'signal' | 'maxNewTokens'> & {
  readonly maxNewTokens?: number | undefined;
};

/**
 * A request's options over the bundle's own. The seed stays open. No stop sequence of the bundle's where JSON of a schema
 * is asked for: it could cut the JSON. The length is capped at `mostTokens` only where the request did not name it.
 */
export function withServedGeneration(
  asked: AskedOptions,
  { seed: _seed, stop, ...served }: ServedGeneration,
  mostTokens: number,
): AskedOptions & { readonly maxNewTokens: number } {
  return {
    temperature: asked.temperature ?? served.temperature,
    topK: asked.topK ?? served.topK,
    topP: asked.topP ?? served.topP,
    repetitionPenalty: asked.repetitionPenalty ?? served.repetitionPenalty,
    stop: asked.stop ?? (asked.jsonSchema === undefined ? stop : undefined),
    seed: asked.seed,
    jsonSchema: asked.jsonSchema,
    bannedPhrases: asked.bannedPhrases,
    maxNewTokens: asked.maxNewTokens ?? Math.min(served.maxNewTokens ?? mostTokens, mostTokens),
  };
}
