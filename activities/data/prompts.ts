/** Prepared prompts, read back (`DatasetSummary.dataset` of a pipeline that generates). */
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type { Split } from '../contract/data.ts';
import { isCanaryRow } from '../privacy/memorisation/canaries.ts';
import { sampleIndices, seededRandom } from '../validation/random.ts';
import { lineBlocks } from './line-blocks.ts';

const PromptRowSchema = z.object({
  id: z.string(),
  /** What was said before the prompt: perhaps a system text, then turns that end with an assistant's. Missing where nothing was. */
  history: z
    .array(z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() }).readonly())
    .readonly()
    .optional(),
  prompt: z.string(),
  /** A good answer, where somebody has written one. */
  completion: z.string().optional(),
  /** What the answer may rest on. */
  facts: z.array(z.string()).optional(),
  /** Value by column of `data.groups`, where the definition names any: nothing of it is asked or learnt. */
  groups: z.record(z.string(), z.string()).optional(),
});
export type PromptRow = Readonly<z.output<typeof PromptRowSchema>>;

const GeneralRowSchema = z.object({ text: z.string() });

type OfSplit = readonly [store: ArtifactStore, dataset: ArtifactRef, split: Split | 'shifted', signal?: AbortSignal];

/** One split in the dataset's order, without canaries. Throws BadData by file and line. */
export async function loadPrompts(...of: OfSplit): Promise<readonly PromptRow[]> {
  return collected(promptRows(...of));
}

/** The same, one after the other: a split of any size is never in memory whole. */
export function promptRows(...[store, dataset, split, signal]: OfSplit): AsyncGenerator<PromptRow> {
  return readRows(store, dataset, `${split}.jsonl`, PromptRowSchema, signal);
}

export interface SampledPrompts {
  readonly rows: readonly PromptRow[];
  /** That the split has. */
  readonly of: number;
}

/** All rows of a split, or `most` of them that the seed (and a stream of it) draws, in their order. */
export async function samplePrompts(
  of: OfSplit,
  most: number,
  { seed, stream }: { readonly seed: number; readonly stream?: number },
): Promise<SampledPrompts> {
  const count = await countPrompts(...of);
  const chosen = new Set(sampleIndices(count, most, seededRandom(seed, stream)));
  const rows: PromptRow[] = [];
  let place = 0;
  for await (const row of promptRows(...of)) if (chosen.has(place++)) rows.push(row);
  return { rows, of: count };
}

export async function countPrompts(...of: OfSplit): Promise<number> {
  let count = 0;
  for await (const _ of promptRows(...of)) count += 1;
  return count;
}

/** General text that the tuned model is to go on knowing, `most` at most; empty where the dataset has none. */
export async function loadGeneralText(
  store: ArtifactStore,
  dataset: ArtifactRef,
  signal?: AbortSignal,
  most = Number.POSITIVE_INFINITY,
): Promise<readonly string[]> {
  const { entries } = await store.tree(dataset);
  if (!entries.some(({ path }) => path === 'general.jsonl')) return [];
  const texts: string[] = [];
  for await (const { text } of readRows(store, dataset, 'general.jsonl', GeneralRowSchema, signal)) {
    if (texts.length >= most) break;
    texts.push(text);
  }
  return texts;
}

async function* readRows<Row>(
  store: ArtifactStore,
  dataset: ArtifactRef,
  name: string,
  schema: z.ZodType<Row>,
  signal?: AbortSignal,
): AsyncGenerator<Row> {
  let line = 0;
  for await (const block of lineBlocks(await store.fileInTree(dataset, name, signal), name, signal)) {
    for (const value of block) {
      line += 1;
      if (typeof value === 'object' && value !== null && isCanaryRow(value)) continue;
      const row = schema.safeParse(value);
      // The parser's own message would quote the text.
      if (!row.success) {
        throw new EspalierError('BadData', `${name}:${line} is not such a row`, {
          where: `${name}:${line}`,
          fix: 'prepare the data again',
        });
      }
      yield row.data;
    }
  }
}

async function collected<Row>(rows: AsyncIterable<Row>): Promise<readonly Row[]> {
  const all: Row[] = [];
  for await (const row of rows) all.push(row);
  return all;
}

const TextsRowSchema = z.union([
  z
    .object({ id: z.string(), text: z.string(), pair: z.string().optional() })
    .transform(({ id, text, pair }) => ({ id, texts: pair === undefined ? [text] : [text, pair] })),
  PromptRowSchema.transform((row) => ({ id: row.id, texts: textsOf(row) })),
]);

/** What people have written in the rows of a split, or of those from elsewhere, of labelled texts and of prompts alike. */
export async function loadTexts(
  store: ArtifactStore,
  dataset: ArtifactRef,
  split: Split | 'shifted',
  signal?: AbortSignal,
): Promise<readonly { readonly id: string; readonly texts: readonly string[] }[]> {
  return collected(readRows(store, dataset, `${split}.jsonl`, TextsRowSchema, signal));
}

/** All that people have written in a row: what is looked through for personal data. */
export function textsOf({ prompt, completion, facts = [], history = [] }: PromptRow): readonly string[] {
  const said = history.map(({ content }) => content);
  return [prompt, ...(completion === undefined ? [] : [completion]), ...facts, ...said];
}

/** One line of a file of rows. U+2028 and U+2029 are escaped: some readers of lines, Node's among them, break there. */
export function jsonLine(row: object): string {
  const json = JSON.stringify(row);
  return `${json.replaceAll(/[\u2028\u2029]/gu, (character) => `\\u${character.charCodeAt(0).toString(16)}`)}\n`;
}
