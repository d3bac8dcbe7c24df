/**
 * Which of some texts another one is a near twin of, as near-duplicates.ts counts it: by their 5-grams (near-index.ts), and where both
 * are short also by a slip of the pen (one-edit.ts). They are asked one by one and nothing of them is kept.
 */
import { NearIndex } from './near-index.ts';
import { ShortWords } from './one-edit.ts';
import { OneEditIndex } from './one-edit-index.ts';

export class NearTwinIndex {
  readonly #byGrams: NearIndex;
  readonly #bySlips: OneEditIndex;
  readonly #removed: Uint8Array;

  private constructor(byGrams: NearIndex, bySlips: OneEditIndex, texts: number) {
    this.#byGrams = byGrams;
    this.#bySlips = bySlips;
    this.#removed = new Uint8Array(texts);
  }

  /** Of normalised texts, which it keeps. `most`: what one question may take (`NearIndex.of`). */
  static async of(
    texts: readonly string[],
    similarity: number,
    signal?: AbortSignal,
    most?: number,
  ): Promise<NearTwinIndex> {
    const byGrams = await NearIndex.of(texts, similarity, signal, most);
    const bySlips = await OneEditIndex.of(texts, await ShortWords.of([texts], signal), false, signal);
    return new NearTwinIndex(byGrams, bySlips, texts.length);
  }

  /** Those of the texts, by their place and without removed ones, that `text`, normalised, is a near twin of. */
  matches(text: string): readonly number[] {
    const near = this.#byGrams.matches(text);
    const slips = this.#bySlips.matches(text).filter((row) => this.#removed[row] === 0);
    return slips.length === 0 ? near : [...new Set([...near, ...slips])];
  }

  /** Questions of which a match by 5-grams may have been overlooked (`NearIndex.cut`). */
  get cut(): number {
    return this.#byGrams.cut;
  }

  /** No later answer names it. */
  remove(row: number): void {
    this.#byGrams.remove(row);
    this.#removed[row] = 1;
  }
}
