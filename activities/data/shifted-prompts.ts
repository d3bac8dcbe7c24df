/** Prompts from elsewhere than the training data: the chosen generator answers them, and is never trained or prompted by them. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { PreparePromptsInput } from '../contract/data.ts';
import type { StepContext } from '../step.ts';
import { badData } from './checks.ts';
import { withoutPersonalData } from './prompt-personal-data.ts';
import { readPrompts, type CheckedPrompt } from './read-prompts.ts';

/**
 * Checked and redacted as all prompts are, each once. `[]` without such files. Throws BadData for bad rows, unless the definition
 * drops them, and where no row can be used.
 */
export async function readShiftedPrompts(
  input: PreparePromptsInput,
  context: StepContext,
): Promise<readonly CheckedPrompt[]> {
  const files = input.files
    .filter(({ split }) => split === 'shifted')
    .map((file) => ({ ...file, split: 'test' as const }));
  if (files.length === 0) return [];
  const { onBadRow, onPersonalData } = input.data;
  const { rows: read, badRows } = await readPrompts({ ...input, files }, context);
  if (badRows.length > 0 && onBadRow === 'fail') throw badData(badRows);
  const { rows } = await withoutPersonalData(read, onPersonalData, context);
  if (rows.length === 0) {
    throw new EspalierError('BadData', 'no prompt of data.shiftedFiles can be used', {
      where: 'data.shiftedFiles',
      fix: 'correct them, or leave data.shiftedFiles out',
    });
  }
  return [...new Map(rows.toReversed().map((row) => [row.id, row])).values()].toReversed();
}
