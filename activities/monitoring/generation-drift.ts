/**
 * Has the traffic of a generator drifted? Lengths of prompts and of answers, and, where the texts of requests are recorded,
 * how the answers keep the guidelines: against the test prompts, by the permutation test of drift.ts. A generator has no
 * embeddings to compare: a change of subject that changes no length passes unseen, and the report says what was watched.
 */
import type { GenerationRecord, GeneratorReference } from '../../artifacts/bundle.ts';
import { seededRandom } from '../validation/random.ts';
import { timeSlice } from '../validation/time-slice.ts';
import { judgeByMinP, permutedGroupings, type DriftOptions, type DriftResult } from './drift.ts';
import { chiSquare, kolmogorovSmirnov, type GroupDifference } from './two-sample.ts';

export interface GenerationOutputs {
  readonly promptTokens: readonly number[];
  readonly answerTokens: readonly number[];
  /** null where nobody can say: the texts are not recorded. */
  readonly adherent: readonly boolean[] | null;
}

/** The usable records; one whose numbers are none says nothing about drift. */
export function generationWindow(
  records: readonly GenerationRecord[],
  adheres: ((prompt: string, answer: string) => boolean) | null,
): { readonly outputs: GenerationOutputs; readonly used: readonly GenerationRecord[]; readonly unusable: number } {
  const used = records.filter(({ promptTokens, tokens }) => Number.isFinite(promptTokens) && Number.isFinite(tokens));
  const known = adheres !== null && used.every(({ prompt, text }) => prompt !== undefined && text !== undefined);
  return {
    outputs: {
      promptTokens: used.map(({ promptTokens }) => promptTokens),
      answerTokens: used.map(({ tokens }) => tokens),
      adherent: known ? used.map(({ prompt = '', text = '' }) => adheres(prompt, text)) : null,
    },
    used,
    unusable: records.length - used.length,
  };
}

/** Throws RangeError when either side is empty. */
export async function detectGenerationDrift(
  reference: Pick<GeneratorReference, 'rows' | 'promptTokens' | 'answerTokens' | 'adherent'>,
  window: GenerationOutputs,
  { falseAlarmRate: rate, seed, signal, onProgress }: DriftOptions,
): Promise<DriftResult> {
  const windowRows = window.promptTokens.length;
  if (reference.rows === 0 || windowRows === 0) throw new RangeError('drift: reference and window need rows');
  const differences: Readonly<Record<string, GroupDifference>> = {
    'prompt-length': kolmogorovSmirnov([...reference.promptTokens, ...window.promptTokens], { tails: true }),
    'answer-length': kolmogorovSmirnov([...reference.answerTokens, ...window.answerTokens], { tails: true }),
    ...(window.adherent === null
      ? {}
      : { adherence: chiSquare([...reference.adherent, ...window.adherent].map(Number), 2) }),
  };
  // About twenty permutations lie beyond the critical one: with fewer the test stays valid but loses power.
  const permutations = Math.max(199, Math.ceil(20 / rate) - 1);
  const pause = timeSlice(signal);
  const statistics = Object.values(differences).map(() => new Float64Array(permutations + 1));
  const groupings = permutedGroupings(reference.rows, windowRows, seededRandom(seed, 4));
  for (let round = 0; round <= permutations; round++) {
    const grouping = groupings.next().value;
    for (const [test, difference] of Object.values(differences).entries()) {
      statistics[test]![round] = difference(grouping);
      await pause();
    }
    if (round % 100 === 0) onProgress?.(round, permutations);
  }
  const judged = judgeByMinP(statistics, rate);
  const tests = Object.keys(differences).map((name, test) => ({ name, ...judged[test]! }));
  return {
    drift: tests.some(({ alarm }) => alarm),
    tests,
    permutations,
    referenceRows: reference.rows,
    windowRows,
  };
}
