/** Prompts from elsewhere than the training data: the chosen generator answers them, and is never trained or prompted by them. */
import type { PreparePromptsInput } from '../contract/data.ts';
import type { StepContext } from '../step.ts';
import { badData, deduplicate } from './checks.ts';
import { beginningsOf } from './conversations.ts';
import { fromElsewhere, type Elsewhere } from './elsewhere.ts';
import { pause } from './pauses.ts';
import { withoutPersonalData } from './prompt-personal-data.ts';
import { readPrompts, type CheckedPrompt } from './read-prompts.ts';

/**
 * Checked and redacted as all prompts are, each once, and none that `known` rows (of the splits) ask, at their end or on
 * their way. No rows without such files. Throws BadData for bad rows, unless the definition drops them, and where no row can be used.
 */
export async function readShiftedPrompts(
  input: PreparePromptsInput,
  known: readonly CheckedPrompt[],
  context: StepContext,
): Promise<Elsewhere<CheckedPrompt>> {
  const files = input.files
    .filter(({ split }) => split === 'shifted')
    .map((file) => ({ ...file, split: 'test' as const }));
  if (files.length === 0) return { rows: [], badRows: [], left: [], rowsRead: {} };
  // Their groups are judged by nothing, and no one has looked there for personal data: they are not kept.
  const { groups: _, ...data } = input.data;
  const { onBadRow, onPersonalData } = data;
  const { rows: read, badRows, rowsRead } = await readPrompts({ ...input, files, data }, context);
  if (badRows.length > 0 && onBadRow === 'fail') throw badData(badRows);
  const { rows, left: personal } = await withoutPersonalData(read, onPersonalData, context);
  const thing = input.data.messages === undefined ? 'text' : 'conversation';
  const { kept, duplicates } = deduplicate(rows, thing, ({ id }) => id);
  const asked = await askedBy(known, kept, context.signal);
  const fresh = fromElsewhere(kept, asked, { thing: 'prompt', asks: 'asks it', bad: badRows });
  return { rows: fresh.rows, badRows, left: [...personal, ...duplicates, ...fresh.left], rowsRead };
}

const PAUSE_ROWS = 2000;

/** Those of `rows` that a known row asks, with the first that does; white space, case and system texts do not count. */
async function askedBy(
  known: readonly CheckedPrompt[],
  rows: readonly CheckedPrompt[],
  signal: AbortSignal,
): Promise<ReadonlyMap<CheckedPrompt, CheckedPrompt>> {
  const asks = new Map<string, CheckedPrompt>();
  for (const [index, row] of known.entries()) {
    for (const question of beginningsOf(row.normalised)) if (!asks.has(question)) asks.set(question, row);
    if (index % PAUSE_ROWS === 0) await pause(signal);
  }
  return new Map(
    rows.flatMap((row) => {
      const by = asks.get(beginningsOf(row.normalised).at(-1)!);
      return by === undefined ? [] : [[row, by] as const];
    }),
  );
}
