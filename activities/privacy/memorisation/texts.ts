/** What the measurement reads: rows of a causal language model's splits, and what the trainer wrote about them. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { EspalierError } from '../../../artifacts/errors.ts';
import type { ArtifactRef } from '../../../artifacts/reference.ts';
import type { ArtifactStore } from '../../../artifacts/store.ts';
import { isCanaryRow, type Canaries } from './canaries.ts';

/** A row as the trainer takes it. */
export type TextRow =
  | { readonly text: string }
  | {
      readonly prompt: string;
      readonly completion: string;
      /** Where in the prompt earlier answers are learnt, in code points. */
      readonly learnt?: readonly (readonly [from: number, to: number])[] | undefined;
    };

const SpanSchema = z.tuple([z.int().min(0), z.int().min(0)]).readonly();
const RowSchema = z.union([
  z.object({ text: z.string() }),
  z.object({ prompt: z.string(), completion: z.string(), learnt: z.array(SpanSchema).optional() }),
]);
const CanariesFileSchema = z.object({
  version: z.literal(1),
  seed: z.int(),
  repeats: z.int().min(1),
  inserted: z.array(z.string()),
  controls: z.array(z.string()),
});
const LossSchema = z.object({ tokens: z.int().min(1), loss: z.number(), baseLoss: z.number().nullable() });
const GenerationSchema = z.object({
  row: z.int().min(0),
  decoding: z.enum(['greedy', 'sampled']),
  sample: z.int().min(0),
  text: z.string(),
});
export type TextLoss = z.output<typeof LossSchema>;
export type Generation = z.output<typeof GenerationSchema>;

/** A split's rows without canaries, in the file's order; none where there is no such file. Throws BadData by file and line. */
export async function textRows(
  store: ArtifactStore,
  dataset: ArtifactRef,
  split: 'train' | 'validation' | 'test',
  signal: AbortSignal,
): Promise<readonly TextRow[]> {
  const name = `${split}.jsonl`;
  const { entries } = await store.tree(dataset);
  if (!entries.some(({ path }) => path === name)) return [];
  const lines = (await readFile(await store.fileInTree(dataset, name, signal), 'utf8')).split('\n');
  return lines.flatMap((line, index): TextRow[] => {
    if (line.trim() === '') return [];
    const value = parse(line, `${name}:${index + 1}`);
    if (typeof value === 'object' && value !== null && isCanaryRow(value)) return [];
    const row = RowSchema.safeParse(value);
    if (!row.success) throw badRow(`${name}:${index + 1}`);
    return [row.data];
  });
}

/** What the model is to learn of a row: a text, or answers. */
export function learntTexts(row: TextRow): readonly string[] {
  return 'text' in row ? [row.text] : [...shownAnswers(row), row.completion];
}

/** What of it the model is shown when it is to go on with a row: in a conversation the earlier answers. */
export function shownAnswers(row: TextRow): readonly string[] {
  if (!('learnt' in row) || row.learnt === undefined) return [];
  const characters = Array.from(row.prompt);
  return row.learnt.map(([from, to]) => characters.slice(from, to).join(''));
}

/** undefined where the dataset has none. */
export async function readCanaries(store: ArtifactStore, dataset: ArtifactRef): Promise<Canaries | undefined> {
  const entry = (await store.tree(dataset)).entries.find(({ path }) => path === 'canaries.json');
  if (entry === undefined) return undefined;
  return CanariesFileSchema.parse(await store.getJson<unknown>(entry.digest));
}

export async function readLosses(path: string): Promise<readonly TextLoss[]> {
  return readLines(path, LossSchema);
}

export async function readGenerations(path: string): Promise<readonly Generation[]> {
  return readLines(path, GenerationSchema);
}

async function readLines<Row>(path: string, schema: z.ZodType<Row>): Promise<readonly Row[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '');
  return lines.map((line, index) => {
    const row = schema.safeParse(parse(line, `${path}:${index + 1}`));
    if (row.success) return row.data;
    throw new EspalierError('TrainerFailed', `line ${index + 1} of the trainer's answer is not what was asked for`, {
      fix: 'see docs/training-process.md, measure-memorisation',
    });
  });
}

/** The parser's own message would quote the text. */
function parse(line: string, where: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw badRow(where);
  }
}

function badRow(where: string): EspalierError {
  return new EspalierError('BadData', `${where} is not a row of text, or of prompt and completion`, {
    where,
    fix: 'write rows of {"text"} or of {"prompt", "completion"}',
  });
}
