/** How likely texts are to a model, from their log likelihoods. Pure. */
import type { Score } from '../../contract/measures.ts';
import { bootstrapInterval } from '../../validation/statistics.ts';
import { NO_SCORE } from '../../validation/scores.ts';

/** Of one text: minus the logarithm of its probability, and the tokens that were predicted. */
export interface Likelihood {
  readonly nats: number;
  readonly tokens: number;
}

export interface LikelihoodOptions {
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/**
 * Perplexity a token, exp(Σ nats / Σ tokens) (Jelinek, Mercer, Bahl & Baker, JASA 62(S1), 1977); of models with different
 * tokenizers it cannot be compared. Texts, not tokens, are resampled: what one text says hangs together.
 */
export async function perplexity(texts: readonly Likelihood[], options: LikelihoodOptions): Promise<Score> {
  return ratioOfSums(
    texts.map(({ nats, tokens }) => [nats, tokens]),
    Math.exp,
    options,
  );
}

/** Bits a byte of UTF-8, Σ nats / (ln 2 · Σ bytes): comparable between models whatever their tokens are. */
export async function bitsPerByte(
  texts: readonly (Likelihood & { readonly bytes: number })[],
  options: LikelihoodOptions,
): Promise<Score> {
  return ratioOfSums(
    texts.map(({ nats, bytes }) => [nats / Math.LN2, bytes]),
    (value) => value,
    options,
  );
}

/**
 * How many nats a token the texts have become less likely than they were to the base model: what was unlearnt. Both share
 * texts and tokens, so that the difficulty of a text cancels out. Throws RangeError where they do not.
 */
export async function lostNats(
  tuned: readonly Likelihood[],
  base: readonly Likelihood[],
  options: LikelihoodOptions,
): Promise<Score> {
  return ratioOfSums(differences(tuned, base), (value) => value, options);
}

/** Perplexity divided by the base model's, of the same texts and tokens: exp of what `lostNats` gives. */
export async function perplexityRatio(
  tuned: readonly Likelihood[],
  base: readonly Likelihood[],
  options: LikelihoodOptions,
): Promise<Score> {
  return ratioOfSums(differences(tuned, base), Math.exp, options);
}

function differences(
  tuned: readonly Likelihood[],
  base: readonly Likelihood[],
): readonly (readonly [difference: number, tokens: number])[] {
  if (tuned.length !== base.length || tuned.some(({ tokens }, index) => tokens !== base[index]?.tokens)) {
    throw new RangeError(
      `likelihoods of ${tuned.length} and ${base.length} texts, or of other tokens, cannot be paired`,
    );
  }
  return tuned.map(({ nats, tokens }, index) => [nats - base[index]!.nats, tokens]);
}

async function ratioOfSums(
  pairs: readonly (readonly [number, number])[],
  scale: (ratio: number) => number,
  { seed, signal }: LikelihoodOptions,
): Promise<Score> {
  const used = pairs.filter(([, size]) => size > 0);
  const of = (indices: Iterable<number>): number => {
    let [above, below] = [0, 0];
    for (const index of indices) {
      above += used[index]![0];
      below += used[index]![1];
    }
    return scale(above / below);
  };
  const value = used.length === 0 ? Number.NaN : of(used.keys());
  if (!Number.isFinite(value)) return { ...NO_SCORE, rows: used.length };
  // One text says nothing about how texts differ.
  const interval =
    used.length < 2
      ? null
      : await bootstrapInterval(used.length, of, { seed, ...(signal === undefined ? {} : { signal }) });
  return { value, interval, rows: used.length };
}
