/** What a pipeline that tunes a generative model says about learning by heart: the canaries, and the gates' limits. */
import { z } from 'zod';

export const MOST_CONTROLS = 100_000;

/** Random secrets that are put among the training texts, to see whether the model gives them away. */
export const CanariesSchema = z.strictObject({
  /** Different secrets; 0 (the default) puts none in. Each one more is a chance more to catch; what so many are ahead by luck is taken off. */
  count: z.int().min(0).max(64).default(0),
  /** How often each stands in the training data. Once is what a person's number does; more tells how much repetition is safe. */
  repeats: z.int().min(1).max(1000).default(4),
  /** Secrets of the same make that are in no data: the ranks are among these. 1000 tell a chance of 1 in 1000. */
  controls: z.int().min(100).max(MOST_CONTROLS).default(1000),
  seed: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .default(7),
});
export type CanariesSpec = z.output<typeof CanariesSchema>;

export const MEMORISATION_GATE_NAMES = ['canaryExposure', 'membershipAuc', 'verbatimOverlap'] as const;
export type MemorisationGateName = (typeof MEMORISATION_GATE_NAMES)[number];

const atMost = (max: number) =>
  z
    .strictObject({ max: z.number().default(max), severity: z.enum(['fail', 'warn', 'off']).default('fail') })
    .prefault({});

/** Each fails where memory is shown beyond chance; `off` records only. */
export const MemorisationGatesSchema = z.strictObject({
  /** Bits, of all canaries together: of secrets that were never told one run in 2^4.33 = 20 is above. */
  canaryExposure: atMost(4.33),
  /** 0.5: members cannot be told. The lower end of the 95 % interval is judged: what is shown to be above. */
  membershipAuc: atMost(0.6),
  /** Share of what the model writes that stands word for word in the training texts, and not in held-out ones; the lower end. */
  verbatimOverlap: atMost(0.03),
});
export type MemorisationGatesSpec = z.output<typeof MemorisationGatesSchema>;

export const MemorisationSchema = z.strictObject({
  /** Training texts, and as many held-out ones, whose losses are compared. */
  texts: z.int().min(20).max(20_000).default(500),
  /** Training texts whose beginnings the model is given. */
  prompts: z.int().min(1).max(5000).default(100),
  /** Tokens of a text that are given; of a short one its first half. */
  prefixTokens: z.int().min(1).max(1024).default(32),
  newTokens: z.int().min(1).max(1024).default(64),
  /** Sampled continuations a prompt, besides the greedy one. */
  samples: z.int().min(0).max(64).default(3),
  temperature: z.number().positive().max(10).default(1),
  /** Words in a row that count as copied. Fewer are idiom: eight are rarely the same by chance. */
  words: z.int().min(2).max(100).default(8),
  batchSize: z.int().min(1).max(4096).default(16),
  threads: z.int().min(1).max(256).default(1),
});
export type MemorisationSpec = z.output<typeof MemorisationSchema>;

/** The section of a definition. */
export const MemorisationSectionSchema = z.strictObject({
  canaries: CanariesSchema.prefault({ count: 8 }),
  measure: MemorisationSchema.prefault({}),
  gates: MemorisationGatesSchema.prefault({}),
});
