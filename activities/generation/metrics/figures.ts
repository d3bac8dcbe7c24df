/** Figures of answers beside those that gates judge. */
import { Buffer } from 'node:buffer';
import type { Score } from '../../contract/measures.ts';
import type { AnswerFigure } from '../../contract/prompting.ts';
import type { PromptRow } from '../../data/prompts.ts';
import { NO_SCORE, plainScore } from '../../validation/scores.ts';
import { bootstrapInterval } from '../../validation/statistics.ts';
import { distinctRuns } from './degeneration.ts';
import { bitsPerByte, perplexity, type Likelihood, type LikelihoodOptions } from './likelihood.ts';
import { chrF, rougeL } from './overlap.ts';

/** `likelihoods[i]` is of `good[i]`. */
export async function answerFigures(
  answers: readonly { readonly row: Pick<PromptRow, 'completion'>; readonly text: string }[],
  good: readonly { readonly completion: string }[],
  likelihoods: readonly Likelihood[],
  options: LikelihoodOptions,
): Promise<Readonly<Record<AnswerFigure, Score>>> {
  const sized = likelihoods.map((one, index) => ({ ...one, bytes: Buffer.byteLength(good[index]?.completion ?? '') }));
  const overlap = (of: (answer: string, reference: string) => number): Promise<Score> =>
    meanScore(
      answers.flatMap(({ row, text }) => (row.completion === undefined ? [] : [of(text, row.completion)])),
      options,
    );
  const texts = answers.map(({ text }) => text);
  return {
    perplexity: await perplexity(likelihoods, options),
    bitsPerByte: await bitsPerByte(sized, options),
    chrF: await overlap(chrF),
    rougeL: await overlap(rougeL),
    distinctPairs: plainScore(distinctRuns(texts, 2) ?? Number.NaN, texts.length),
  };
}

async function meanScore(values: readonly number[], { seed, signal }: LikelihoodOptions): Promise<Score> {
  const rows = values.length;
  if (rows === 0) return NO_SCORE;
  const mean = (indices: Iterable<number>): number => {
    let [sum, count] = [0, 0];
    for (const index of indices) {
      sum += values[index]!;
      count += 1;
    }
    return sum / count;
  };
  const options = { seed, ...(signal === undefined ? {} : { signal }) };
  return { value: mean(values.keys()), interval: await bootstrapInterval(rows, mean, options), rows };
}
