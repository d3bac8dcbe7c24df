/** Whether some part of the test prompts is answered worse than the rest. Pure. */
import type { GateExample } from '../contract/examples.ts';
import type { Score } from '../contract/measures.ts';
import type { PromptSlice } from '../contract/prompting.ts';
import type { PromptRow } from '../data/prompts.ts';
import { exampleOf, MOST_EXAMPLES } from '../validation/gate-examples.ts';
import {
  equalParts,
  groupSlices,
  LEAST_SLICE_ROWS,
  listedSlices,
  sliceGaps,
  worstGap,
  worstSlice,
  type Slice,
} from '../validation/slices.ts';
import { asked, type Answer } from './answers.ts';
import { spoken } from './gate-examples.ts';
import type { Judgement } from './judge.ts';

/** Slices that are told; of declared groups there may be hundreds. */
const LISTED = 20;

/**
 * By the length of the question, its facts included; of conversations also by the questions before it. A third each; a half where
 * thirds would have too few prompts to be judged. And by each value of the columns that the definition names as groups.
 */
export function promptSlices(rows: readonly PromptRow[]): readonly Slice[] {
  const count = rows.length < 3 * LEAST_SLICE_ROWS ? 2 : 3;
  return [
    ...equalParts(
      count,
      rows.map((row) => asked(row).length),
      (range) => `prompts of ${range} characters`,
    ),
    ...equalParts(
      count,
      rows.map(({ history = [] }) => history.filter(({ role }) => role === 'user').length),
      (range) => `prompts after ${range} earlier questions`,
    ),
    ...groupSlices(rows.map(({ groups }) => groups ?? {})),
  ];
}

/** Adherence of all other prompts minus that of the worst slice, and the answers of that slice which break guidelines. */
export function adherenceBySlice(
  answers: readonly Pick<Answer, 'row' | 'text' | 'refused'>[],
  judged: readonly Pick<Judgement, 'adherent' | 'broken'>[],
): {
  readonly score: Score;
  readonly slices: readonly PromptSlice[];
  readonly examples: readonly GateExample[];
} {
  const slices = promptSlices(answers.map(({ row }) => row));
  const gaps = sliceGaps(
    judged.map(({ adherent }) => adherent),
    slices,
  );
  const worst = worstSlice(gaps)?.name;
  const examples = (slices.find(({ name }) => name === worst)?.rows ?? [])
    .filter((place) => judged[place]?.adherent === false)
    .slice(0, MOST_EXAMPLES)
    .map((place) => {
      const { row, text, refused } = answers[place]!;
      const note = `breaks ${judged[place]!.broken.join(', ')}; ${worst}`;
      return exampleOf(row.id, note, spoken(asked(row), refused === undefined ? text : `(${refused})`));
    });
  return {
    score: worstGap(gaps),
    slices: listedSlices(gaps, LISTED).map(({ name, rows, accuracy, gap }) => ({
      name,
      rows,
      adherence: accuracy,
      gap,
    })),
    examples,
  };
}
