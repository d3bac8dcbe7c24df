/** Prompts from elsewhere than the training data: the chosen generator answers them, and is never trained or prompted by them. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { PreparePromptsInput } from '../contract/data.ts';
import type { StepContext } from '../step.ts';
import { badData, deduplicate, type BadRow } from './checks.ts';
import { beginningsOf } from './conversations.ts';
import { pause } from './pauses.ts';
import { withoutPersonalData } from './prompt-personal-data.ts';
import { readPrompts, type CheckedPrompt } from './read-prompts.ts';

export interface ShiftedPrompts {
  readonly rows: readonly CheckedPrompt[];
  /** Bad rows that the definition lets be dropped. */
  readonly badRows: readonly BadRow[];
  /** Dropped for personal data, as duplicates, or since they are not from elsewhere. */
  readonly left: readonly BadRow[];
  /** A file each. */
  readonly rowsRead: Readonly<Record<string, number>>;
}

/**
 * Checked and redacted as all prompts are, each once, and none that `known` rows (of the splits) ask, at their end or on
 * their way: a later export often still holds the earlier year, and what was learnt, or is asked already, hides what the rest loses. No rows without such
 * files. Throws BadData for bad rows, unless the definition drops them, and where no row can be used.
 */
export async function readShiftedPrompts(
  input: PreparePromptsInput,
  known: readonly CheckedPrompt[],
  context: StepContext,
): Promise<ShiftedPrompts> {
  const files = input.files
    .filter(({ split }) => split === 'shifted')
    .map((file) => ({ ...file, split: 'test' as const }));
  if (files.length === 0) return { rows: [], badRows: [], left: [], rowsRead: {} };
  const { onBadRow, onPersonalData } = input.data;
  const { rows: read, badRows, rowsRead } = await readPrompts({ ...input, files }, context);
  if (badRows.length > 0 && onBadRow === 'fail') throw badData(badRows);
  const { rows, left: personal } = await withoutPersonalData(read, onPersonalData, context);
  const thing = input.data.messages === undefined ? 'text' : 'conversation';
  const { kept, duplicates } = deduplicate(rows, thing, ({ id }) => id);
  const asked = await askedBy(known, kept, context.signal);
  const fresh = kept.filter((row) => !asked.has(row));
  if (fresh.length === 0) {
    const seen = asked.size === 0 ? '' : `: ${asked.size} of them are among the prompts of train, validation and test`;
    throw new EspalierError('BadData', `no prompt of data.shiftedFiles can be used${seen}`, {
      where: 'data.shiftedFiles',
      fix: 'name prompts from elsewhere, correct them, or leave data.shiftedFiles out',
    });
  }
  const seen = [...asked].map(([{ file, line }, by]): BadRow => {
    const message = `${by.file}:${by.line}, a row of the splits, asks it, too: it is not from elsewhere`;
    return { reason: 'not-elsewhere', file, line, message };
  });
  return { rows: fresh, badRows, left: [...personal, ...duplicates, ...seen], rowsRead };
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
