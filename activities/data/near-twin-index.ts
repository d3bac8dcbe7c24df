/**
 * Which of some texts another one is a near twin of, as near-duplicates.ts counts it: by their 5-grams (near-index.ts), and where both
 * are short also by a slip of the pen (one-edit.ts). They are asked one by one and nothing of them is kept.
 */
import { NearIndex } from './near-index.ts';
import { OneEditIndex } from './one-edit-index.ts';
import type { WordCounts } from './word-counts.ts';

/** Steps of `NearIndex` that take what reading a character takes: a question of four million takes some 10 ms. */
const STEPS_A_CHARACTER = 100;

export class NearTwinIndex {
  readonly #byGrams: NearIndex;
  readonly #bySlips: OneEditIndex;
  #cut = 0;

  private constructor(byGrams: NearIndex, bySlips: OneEditIndex) {
    this.#byGrams = byGrams;
    this.#bySlips = bySlips;
  }

  /**
   * Of normalised texts, which it keeps. `words`: of these texts and of all that will be asked about. `most`: what one question may take of
   * 5-grams (`NearIndex.of`).
   */
  static async of(
    texts: readonly string[],
    {
      similarity,
      words,
      most,
    }: { readonly similarity: number; readonly words: WordCounts; readonly most?: number | undefined },
    signal?: AbortSignal,
  ): Promise<NearTwinIndex> {
    const byGrams = await NearIndex.of(texts, similarity, signal, most);
    return new NearTwinIndex(byGrams, await OneEditIndex.of(texts, words, signal));
  }

  /** Those of the texts, by their place and without removed ones, that `text`, normalised, is a near twin of. */
  matches(text: string): readonly number[] {
    const before = this.#byGrams.cut + this.#bySlips.cut;
    const near = this.#byGrams.matches(text);
    const slips = this.#bySlips.matches(text);
    if (this.#byGrams.cut + this.#bySlips.cut > before) this.#cut += 1;
    return slips.length === 0 ? near : [...new Set([...near, ...slips])];
  }

  /** Questions of which a match may have been overlooked (`NearIndex.cut`, `OneEditIndex.cut`). */
  get cut(): number {
    return this.#cut;
  }

  /** What all questions have taken, in characters as `resting` counts them. */
  get work(): number {
    return this.#byGrams.work / STEPS_A_CHARACTER + this.#bySlips.work;
  }

  /** No later answer names it. */
  remove(row: number): void {
    this.#byGrams.remove(row);
    this.#bySlips.remove(row);
  }
}
