/** Prompts as token ids, by the tokenizer that training used. */
import { Tokenizer } from 'tokenizers';
import { EspalierError } from '../../artifacts/errors.ts';
import type { PromptPart } from './chat.ts';

export class PromptTokenizer {
  readonly #tokenizer: Tokenizer;
  readonly #special: readonly string[];

  /** `text` of tokenizer.json. Throws BadModel. */
  constructor(text: string, special: readonly string[], where: string) {
    try {
      this.#tokenizer = Tokenizer.fromString(text);
      this.#tokenizer.disablePadding();
      this.#tokenizer.disableTruncation();
    } catch (error) {
      throw new EspalierError('BadModel', `tokenizer.json cannot be used: ${(error as Error).message}`, {
        where,
        cause: error,
      });
    }
    this.#special = special.filter((token) => token.length > 1);
  }

  /** Special tokens that the tokenizer puts at the beginning are among them; a text that spells one becomes it. */
  async ids(text: string): Promise<number[]> {
    return (await this.#tokenizer.encode(text)).getIds();
  }

  /** Of what follows a prompt: nothing is put before it. */
  async continuation(text: string): Promise<number[]> {
    return (await this.#tokenizer.encode(text, null, { addSpecialTokens: false })).getIds();
  }

  /** Whether a message spells a special token, which `ids` of all as one text would read and `chat` does not. */
  spells(parts: readonly PromptPart[]): boolean {
    return segments(parts, this.#special).length > 1;
  }

  /** Of a conversation: only the format's own markers become special tokens, whatever a message spells. */
  async chat(parts: readonly PromptPart[]): Promise<number[]> {
    const [first = '', ...rest] = segments(parts, this.#special);
    const ids = await this.ids(first);
    for (const segment of rest) ids.push(...(await this.continuation(segment)));
    return ids;
  }
}

/**
 * The parts as one text, cut inside every special token that is not the format's own: the halves are ordinary text to a
 * tokenizer that has no switch for it. One segment where no message spells one.
 */
export function segments(parts: readonly PromptPart[], special: readonly string[]): string[] {
  const text = parts.map((part) => part.text).join('');
  const owned: { readonly from: number; readonly to: number }[] = [];
  let at = 0;
  for (const part of parts) {
    if (part.ours) owned.push({ from: at, to: at + part.text.length });
    at += part.text.length;
  }
  const cuts = new Set<number>();
  for (const token of special) {
    for (let from = text.indexOf(token); from >= 0; from = text.indexOf(token, from + 1)) {
      const to = from + token.length;
      if (!owned.some((own) => own.from <= from && to <= own.to)) cuts.add(from + 1);
    }
  }
  const borders = [0, ...[...cuts].sort((a, b) => a - b), text.length];
  return borders.slice(1).map((border, index) => text.slice(borders[index], border));
}
