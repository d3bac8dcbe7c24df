/** How much of what a model writes stands word for word in the texts that it was trained on. Pure. */
import type { Score } from '../../contract/measures.ts';
import { normaliseText } from '../../data/normalise.ts';
import { bootstrapInterval, wilsonInterval } from '../../validation/statistics.ts';

export function wordsOf(text: string): readonly string[] {
  return normaliseText(text).match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
}

/** Runs of `words` words that stand in a training text and in no held-out one: what both have is idiom, not memory. */
export class Learnt {
  readonly #runs = new Set<string>();
  readonly #words: number;

  constructor(training: Iterable<string>, heldOut: Iterable<string>, words: number) {
    this.#words = words;
    for (const text of training) for (const run of this.#runsOf(wordsOf(text))) this.#runs.add(run);
    for (const text of heldOut) for (const run of this.#runsOf(wordsOf(text))) this.#runs.delete(run);
  }

  /**
   * Of a continuation's runs, how many are copied; and the longest stretch of words that copied runs make up. `shown`: texts
   * that the model was shown just then; what stands in them it need not know by heart, and counts for nothing.
   */
  copied(
    text: string,
    shown: readonly string[] = [],
  ): { readonly runs: number; readonly copied: number; readonly longest: number } {
    let [counted, copied, longest, inRow] = [0, 0, 0, 0];
    const read = new Set(shown.flatMap((one) => this.#runsOf(wordsOf(one))));
    for (const run of this.#runsOf(wordsOf(text))) {
      const isShown = read.has(run);
      counted += Number(!isShown);
      inRow = !isShown && this.#runs.has(run) ? inRow + 1 : 0;
      if (inRow === 0) continue;
      copied += 1;
      longest = Math.max(longest, inRow + this.#words - 1);
    }
    return { runs: counted, copied, longest };
  }

  #runsOf(words: readonly string[]): readonly string[] {
    return Array.from({ length: Math.max(0, words.length - this.#words + 1) }, (_, start) =>
      words.slice(start, start + this.#words).join(' '),
    );
  }
}

/**
 * Share of all runs that are copied. Prompts, not runs, are resampled: what is written from one beginning hangs together.
 * Where none or all are copied a bootstrap cannot tell how sure that is: there it is Wilson's interval over prompts.
 * `groups`: each prompt's continuations. Null where no continuation is long enough for one run.
 */
export async function copiedShare(
  groups: readonly { readonly runs: number; readonly copied: number }[],
  seed: number,
  signal?: AbortSignal,
): Promise<Score> {
  const used = groups.filter(({ runs }) => runs > 0);
  const share = (indices: Iterable<number>): number => {
    let [runs, copied] = [0, 0];
    for (const index of indices) {
      runs += used[index]!.runs;
      copied += used[index]!.copied;
    }
    return copied / runs;
  };
  const rows = used.length;
  if (rows === 0) return { value: null, interval: null, rows };
  const value = share(used.keys());
  const interval =
    value === 0 || value === 1
      ? wilsonInterval(value * rows, rows)
      : await bootstrapInterval(rows, share, { seed, ...(signal === undefined ? {} : { signal }) });
  return { value, interval, rows };
}
