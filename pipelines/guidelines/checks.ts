/** The kinds of checks that guidelines are made of, each with its settings. What each does: activities/generation/guidelines. */
import { z } from 'zod';
import { PII_KINDS } from '../definition/data.ts';
import { name } from '../definition/values.ts';
import { jsonSchemaProblem } from './json-schema.ts';
import { Pattern } from './pattern.ts';

/** Words of guidelines, prompts and answers are short; what is longer is an accident. */
const phrase = z.string().trim().min(1).max(500);
const phrases = z.array(phrase).max(500);

/** A pattern of `pattern-syntax.ts`; letters are the same in upper and lower case. */
export const pattern = z
  .string()
  .min(1)
  .superRefine((source, issues) => {
    try {
      void new Pattern(source, { ignoreCase: true });
    } catch (error) {
      issues.addIssue({ code: 'custom', message: (error as Error).message });
    }
  });

/** Which prompts a check is about; without it, all. Both must hold where both are given. */
const WhenSchema = z
  .strictObject({ promptMatches: pattern.optional(), promptLacks: pattern.optional() })
  .refine(({ promptMatches, promptLacks }) => promptMatches !== undefined || promptLacks !== undefined, {
    error: 'needs promptMatches or promptLacks: without either it says nothing',
  });

const common = {
  /** Its name in reports and comparisons. */
  id: name,
  /** One sentence for people; made of the settings when left out. */
  meaning: z.string().trim().min(1).max(300).optional(),
  /** The rule as the model is told it, where the sentence made of the check is not to be used. */
  tell: phrase.optional(),
  /** `gate`: an answer that breaks it does not adhere. `soft`: it costs its weight of the score, no more. */
  severity: z.enum(['gate', 'soft']).default('gate'),
  weight: z.number().positive().max(100).default(1),
  when: WhenSchema.optional(),
} as const;

const limit = z.int().min(0).max(1_000_000).optional();

export const TONES = ['polite', 'formal', 'neutral', 'empathetic'] as const;
export type Tone = (typeof TONES)[number];
export const LANGUAGES = ['en', 'de', 'fr', 'es', 'it', 'pt', 'nl'] as const;
export type Language = (typeof LANGUAGES)[number];
export const SCRIPTS = [
  'Latin',
  'Cyrillic',
  'Greek',
  'Arabic',
  'Hebrew',
  'Devanagari',
  'Han',
  'Hangul',
  'Thai',
] as const;
export const FACT_KINDS = ['number', 'date', 'name', 'quote'] as const;
export type FactKind = (typeof FACT_KINDS)[number];

const OPTIONS = [
  /** Phrases that must be there, however they are written: one of them, or all. */
  z.strictObject({
    ...common,
    kind: z.literal('required-phrases'),
    phrases: phrases.min(1),
    need: z.enum(['any', 'all']).default('any'),
  }),
  /** Phrases that must not be there, as whole words, whatever their case and whichever look-alikes they are written with. */
  z.strictObject({ ...common, kind: z.literal('banned-phrases'), phrases: phrases.min(1) }),
  z.strictObject({
    ...common,
    kind: z.literal('pattern'),
    pattern,
    expect: z.enum(['match', 'no-match']).default('match'),
    ignoreCase: z.boolean().default(true),
  }),
  z.strictObject({
    ...common,
    kind: z.literal('length'),
    minWords: limit,
    maxWords: limit,
    minSentences: limit,
    maxSentences: limit,
    minCharacters: limit,
    maxCharacters: limit,
  }),
  /** Words of a tone that is wanted, and of one that is not: lists of ours (English, `tone`), the user's own, or both. */
  z.strictObject({
    ...common,
    kind: z.literal('tone'),
    tone: z.enum(TONES).optional(),
    prefer: phrases.default([]),
    avoid: phrases.default([]),
    /** Left out: what the tone of ours asks for, else 0. */
    minPreferred: z.int().min(0).max(500).optional(),
    maxAvoided: z.int().min(0).max(500).default(0),
  }),
  z.strictObject({
    ...common,
    kind: z.literal('reading-level'),
    /** School years that it takes to read it (Flesch–Kincaid); of English. */
    minGrade: z.number().min(0).max(30).optional(),
    maxGrade: z.number().min(0).max(30).optional(),
    /** Words a sentence plus percentage of long words (LIX); of any language that parts words by spaces. */
    maxLix: z.number().min(0).max(200).optional(),
  }),
  /** `plain`: no mark-up. `list`: mostly items. `markdown`: its marks are closed, its tables are even. */
  z.strictObject({ ...common, kind: z.literal('format'), format: z.enum(['plain', 'list', 'markdown']) }),
  /** The whole answer is JSON, of this schema where one is given (JSON Schema 2020-12). */
  z.strictObject({
    ...common,
    kind: z.literal('json'),
    schema: z
      .record(z.string(), z.unknown())
      .superRefine((schema, issues) => {
        const problem = jsonSchemaProblem(schema);
        if (problem !== undefined) issues.addIssue({ code: 'custom', message: problem });
      })
      .optional(),
  }),
  /** No value of these kinds (all that have a form, when left out). */
  z.strictObject({
    ...common,
    kind: z.literal('no-personal-data'),
    kinds: z.array(z.enum(PII_KINDS)).min(1).optional(),
    /** Values that may be given away: the help desk's own address. */
    allow: phrases.default([]),
    /** Repeating what the question or its facts hold is no leak. */
    allowGiven: z.boolean().default(true),
  }),
  /** `refuse`: prompts that `when` names must be refused. `answer`: they must not. */
  z.strictObject({
    ...common,
    kind: z.literal('refusal'),
    must: z.enum(['refuse', 'answer']).default('refuse'),
    /** How else a refusal is worded, besides the forms of ours. */
    declineBy: phrases.default([]),
  }),
  /** What an answer may state only where the question, its facts or the system prompt state it. */
  z.strictObject({
    ...common,
    kind: z.literal('citations'),
    facts: z.array(z.enum(FACT_KINDS)).max(FACT_KINDS.length).default(['number', 'date', 'quote']),
    /** What is always known: `24`, `Monday`, the name of the house. */
    allow: phrases.default([]),
    /** Whole numbers up to this are counting words, not facts. */
    smallNumbers: z.int().min(0).max(100).default(0),
    /** So many different words of one given fact must stand in the answer; 0 asks for none. */
    minShared: z.int().min(0).max(100).default(0),
  }),
  z.strictObject({
    ...common,
    kind: z.literal('language'),
    /** Told by its commonest words; an answer of fewer than five words is not judged. */
    language: z.enum(LANGUAGES).optional(),
    /** Nine of ten letters must be of it. */
    script: z.enum(SCRIPTS).optional(),
  }),
  z.strictObject({
    ...common,
    kind: z.literal('repetition'),
    /** Words in a row that count as repeated. */
    words: z.int().min(1).max(20).default(4),
    /** Largest share of such runs that stood in the answer before. */
    maxShare: z.number().min(0).max(1).default(0.2),
  }),
  z.strictObject({
    ...common,
    kind: z.literal('disclaimer'),
    text: phrase,
    place: z.enum(['start', 'end', 'anywhere']).default('anywhere'),
  }),
  /** Every letter in capitals, or rows of exclamation marks. */
  z.strictObject({ ...common, kind: z.literal('no-shouting') }),
  /** No marks of a chat format (`User:`, `<|im_start|>`…), nor these. */
  z.strictObject({ ...common, kind: z.literal('no-role-leak'), marks: phrases.default([]) }),
  /** The system prompt is not given away, and what an injected instruction asks for is not written. */
  z.strictObject({
    ...common,
    kind: z.literal('no-instruction-echo'),
    /** So many words in a row of the system prompt; quotations in it may be said. */
    words: z.int().min(3).max(50).default(8),
    marks: phrases.default([]),
  }),
] as const;

export const CheckSchema = z.discriminatedUnion('kind', OPTIONS);
export type GuidelineCheck = Readonly<z.output<typeof CheckSchema>>;
export type CheckKind = GuidelineCheck['kind'];
export type CheckOf<Kind extends CheckKind> = Extract<GuidelineCheck, { readonly kind: Kind }>;

export const CHECK_KINDS: readonly CheckKind[] = OPTIONS.map(({ shape }) => shape.kind.value);
