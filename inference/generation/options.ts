/** What is asked of a generator and what it answers. */
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';

export interface GenerateOptions {
  /** Fewer where the context is full before. */
  readonly maxNewTokens: number;
  /** 0 (the default) is greedy: always the most probable token. */
  readonly temperature?: number | undefined;
  /** Only the k most probable tokens are drawn from. */
  readonly topK?: number | undefined;
  /** 0–1: only the fewest most probable tokens that have this much probability together. */
  readonly topP?: number | undefined;
  /** Divides the positive logits of tokens that were there before, and multiplies the negative ones (Keskar et al. 2019). */
  readonly repetitionPenalty?: number | undefined;
  /** The answer ends before the first of these; they are not part of it. */
  readonly stop?: readonly string[] | undefined;
  /** Where the draws come from: the same seed gives the same text. 0 when missing. */
  readonly seed?: number | undefined;
  /** The answer is JSON that this schema accepts (the subset of json/schema.ts). Not together with `stop`. */
  readonly jsonSchema?: unknown;
  /** Never written, in whatever case. */
  readonly bannedPhrases?: readonly string[] | undefined;
  /** Ends the generation between two tokens by throwing its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A part of an answer: whole characters, never part of a stop sequence. */
export interface Piece {
  readonly text: string;
  /** Tokens written so far. */
  readonly tokens: number;
}

export interface Completion {
  readonly text: string;
  readonly promptTokens: number;
  /** Tokens written, the end token not counted. */
  readonly tokens: number;
  /** The model ended it, a stop sequence did, or it was long enough. */
  readonly finish: 'end' | 'stop' | 'length';
}

const MOST_STOPS = 16;
const PhraseSchema = z.string().min(1).max(200);
/** One or several; what is wrong is said of the field, not of each reading of it. */
export const stopSchema = (most = MOST_STOPS) =>
  z.union([PhraseSchema, z.array(PhraseSchema).max(most)], {
    error: `must be a text of 1 to 200 characters, or a list of at most ${most} of them`,
  });
/** What each option may be, whoever asks. */
export const OPTION_SCHEMAS = {
  temperature: z.number().min(0).max(10),
  topK: z.int().min(1),
  topP: z.number().gt(0).max(1),
  repetitionPenalty: z.number().gt(0).max(10),
  seed: z.int().min(0),
  bannedPhrases: z.array(PhraseSchema).max(256),
} as const;
const OptionsSchema = z.strictObject({
  maxNewTokens: z.int().min(1).max(131_072),
  temperature: OPTION_SCHEMAS.temperature.default(0),
  topK: OPTION_SCHEMAS.topK.optional(),
  topP: OPTION_SCHEMAS.topP.default(1),
  repetitionPenalty: OPTION_SCHEMAS.repetitionPenalty.default(1),
  stop: z.array(PhraseSchema).max(MOST_STOPS).default([]),
  seed: OPTION_SCHEMAS.seed.default(0),
  jsonSchema: z.unknown().optional(),
  bannedPhrases: OPTION_SCHEMAS.bannedPhrases.default([]),
});
export type CheckedOptions = z.output<typeof OptionsSchema> & { readonly signal: AbortSignal | undefined };

/** Throws BadRequest naming every option that cannot be used. */
export function checkOptions({ signal, ...options }: GenerateOptions): CheckedOptions {
  const { data, error } = OptionsSchema.safeParse(options);
  if (data === undefined) {
    const wrong = error.issues.map(({ path, message }) => `${path.join('.') || 'the options'}: ${message}`);
    throw new EspalierError('BadRequest', wrong.join('; '), { where: 'options' });
  }
  if (data.jsonSchema !== undefined && data.stop.length > 0) {
    throw new EspalierError('BadRequest', 'stop cannot be used together with a JSON schema: it could cut the JSON', {
      where: 'stop',
      fix: 'leave it out: the answer ends where the JSON does',
    });
  }
  return { ...data, signal };
}
