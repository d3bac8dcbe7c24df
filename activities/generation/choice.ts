/** Prompted or tuned: both have answered the same validation prompts. Pure. */
import type { AdherenceSpec } from '../../pipelines/definition/generation.ts';
import type { ChosenGenerator, PromptVariant } from '../contract/prompting.ts';
import { pairedShareInterval } from '../validation/paired.ts';
import { NO_SCORE } from '../validation/scores.ts';
import { judgedAdherence } from './ranking.ts';

export interface RowOutcome {
  readonly rowId: string;
  readonly adherent: boolean;
}
type Contender = Pick<PromptVariant, 'name' | 'adherence'> & { readonly rows: readonly RowOutcome[] };

/**
 * The tuned model must be better beyond chance on the prompts that both answered, or reach the target that the prompted one
 * misses without being worse. In doubt the prompted one stays: it has unlearnt nothing, and nothing of the data is in it.
 */
export function better(
  prompted: Contender,
  tuned: Contender,
  { target, judgedBy }: AdherenceSpec,
): Pick<ChosenGenerator, 'road' | 'reason' | 'difference'> {
  const before = new Map(prompted.rows.map(({ rowId, adherent }) => [rowId, adherent]));
  const both = tuned.rows.filter(({ rowId }) => before.has(rowId));
  const won = both.filter(({ rowId, adherent }) => adherent && before.get(rowId) === false).length;
  const lost = both.filter(({ rowId, adherent }) => !adherent && before.get(rowId) === true).length;
  const rows = both.length;
  const difference =
    rows === 0 ? NO_SCORE : { value: (won - lost) / rows, interval: pairedShareInterval({ won, lost }, rows), rows };
  const reaches = (one: Contender): boolean => (judgedAdherence(one.adherence, judgedBy) ?? -1) >= target;
  const low = difference.interval?.low ?? -1;
  const what = `of ${rows} validation prompts that both answered, only the tuned model keeps the guidelines in ${won}, only the prompted one in ${lost}`;
  if (low > 0) return { road: 'tuned', reason: `${what}: the tuned one is better beyond chance`, difference };
  if (won > lost && reaches(tuned) && !reaches(prompted)) {
    return { road: 'tuned', reason: `${what}: it alone reaches the target of ${target}`, difference };
  }
  const why = won > lost ? 'that can be chance' : 'tuning has not helped';
  return { road: 'prompted', reason: `${what}: ${why}, so the model stays as it came`, difference };
}
