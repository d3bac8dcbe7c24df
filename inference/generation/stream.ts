/** Bytes of tokens in, text that may be shown out: whole characters only, and nothing that may yet be part of a stop sequence. */

export class AnswerStream {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly #stops: readonly string[];
  readonly #trimStart: boolean;
  #held = '';
  #text = '';
  #stopped = false;

  /** `trimStart`: white space before the first word is not part of the answer. */
  constructor(stops: readonly string[], trimStart: boolean) {
    this.#stops = stops;
    this.#trimStart = trimStart;
  }

  /** Everything that was let out. */
  get text(): string {
    return this.#text;
  }

  /** A stop sequence was written: nothing more comes. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** The answer as it would read with these bytes, stop sequences ignored: for looking at a token before it is taken. */
  get tail(): string {
    return this.#text.slice(-256) + this.#held;
  }

  /** What may be shown now. */
  push(bytes: Uint8Array): string {
    if (this.#stopped) return '';
    this.#held += this.#decoder.decode(bytes, { stream: true });
    const found = firstWhole(this.#held, this.#stops);
    if (found !== null) {
      this.#stopped = true;
      this.#held = this.#held.slice(0, found);
      return this.#letOut(this.#held.length);
    }
    return this.#letOut(this.#held.length - this.#undecided());
  }

  /** The rest, once no more tokens come. A character that was not finished is not part of it. */
  end(): string {
    return this.#letOut(this.#held.length);
  }

  /** The longest end of what is held that a stop sequence begins with. */
  #undecided(): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, this.#held.length); length > longest; length--) {
        if (this.#held.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }

  #letOut(length: number): string {
    let piece = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    if (this.#trimStart && this.#text === '') piece = piece.trimStart();
    this.#text += piece;
    return piece;
  }
}

/**
 * Where the stop sequence begins that is whole first, and of two that end together the longer: so it is the same however the text
 * is cut into tokens. Null where none is whole.
 */
export function firstWhole(text: string, stops: readonly string[]): number | null {
  let [found, ends] = [-1, Number.POSITIVE_INFINITY];
  for (const stop of stops) {
    const at = text.indexOf(stop);
    if (at < 0 || at + stop.length > ends || (at + stop.length === ends && at > found)) continue;
    [found, ends] = [at, at + stop.length];
  }
  return found < 0 ? null : found;
}
