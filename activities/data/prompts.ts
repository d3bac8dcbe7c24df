/** Prepared prompts, read back (`DatasetSummary.dataset` of a pipeline that generates). */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type { Split } from '../contract/data.ts';
import { isCanaryRow } from '../privacy/memorisation/canaries.ts';

const PromptRowSchema = z.object({
  id: z.string(),
  prompt: z.string(),
  /** A good answer, where somebody has written one. */
  completion: z.string().optional(),
  /** What the answer may rest on. */
  facts: z.array(z.string()).optional(),
});
export type PromptRow = Readonly<z.output<typeof PromptRowSchema>>;

const GeneralRowSchema = z.object({ text: z.string() });

/** One split in the dataset's order, without canaries. Throws BadData by file and line. */
export async function loadPrompts(
  store: ArtifactStore,
  dataset: ArtifactRef,
  split: Split,
  signal?: AbortSignal,
): Promise<readonly PromptRow[]> {
  return readLines(store, dataset, `${split}.jsonl`, PromptRowSchema, signal);
}

/** General text that the tuned model is to go on knowing; empty where the dataset has none. */
export async function loadGeneralText(
  store: ArtifactStore,
  dataset: ArtifactRef,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  const { entries } = await store.tree(dataset);
  if (!entries.some(({ path }) => path === 'general.jsonl')) return [];
  return (await readLines(store, dataset, 'general.jsonl', GeneralRowSchema, signal)).map(({ text }) => text);
}

async function readLines<Row>(
  store: ArtifactStore,
  dataset: ArtifactRef,
  name: string,
  schema: z.ZodType<Row>,
  signal?: AbortSignal,
): Promise<readonly Row[]> {
  const lines = (await readFile(await store.fileInTree(dataset, name, signal), 'utf8')).split('\n');
  return lines.flatMap((line, index): Row[] => {
    if (line === '') return [];
    const value = parsed(line);
    if (typeof value === 'object' && value !== null && isCanaryRow(value)) return [];
    const row = schema.safeParse(value);
    if (row.success) return [row.data];
    // The parser's own message would quote the text.
    throw new EspalierError('BadData', `${name}:${index + 1} is not such a row`, {
      where: `${name}:${index + 1}`,
      fix: 'prepare the data again',
    });
  });
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

const TextsRowSchema = z.union([
  z
    .object({ id: z.string(), text: z.string(), pair: z.string().optional() })
    .transform(({ id, text, pair }) => ({ id, texts: pair === undefined ? [text] : [text, pair] })),
  PromptRowSchema.transform((row) => ({ id: row.id, texts: textsOf(row) })),
]);

/** What people have written in the rows of a split, of labelled texts and of prompts alike. */
export async function loadTexts(
  store: ArtifactStore,
  dataset: ArtifactRef,
  split: Split,
  signal?: AbortSignal,
): Promise<readonly { readonly id: string; readonly texts: readonly string[] }[]> {
  return readLines(store, dataset, `${split}.jsonl`, TextsRowSchema, signal);
}

/** All that people have written in a row: what is looked through for personal data. */
export function textsOf({ prompt, completion, facts = [] }: PromptRow): readonly string[] {
  return [prompt, ...(completion === undefined ? [] : [completion]), ...facts];
}

/** One line of a file of rows. U+2028 and U+2029 are escaped: some readers of lines, Node's among them, break there. */
export function jsonLine(row: object): string {
  const json = JSON.stringify(row);
  return `${json.replaceAll(/[\u2028\u2029]/gu, (character) => `\\u${character.charCodeAt(0).toString(16)}`)}\n`;
}
