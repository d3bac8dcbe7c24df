/** How a tokenizer takes texts apart: what says whether a model has ever seen such words. Nothing is cut here. */
import { readFile } from 'node:fs/promises';
import { Tokenizer } from 'tokenizers';
import { EspalierError } from '../artifacts/errors.ts';
import { textsOf, type TextInput } from './texts.ts';

export interface TokenCounts {
  /** Special tokens left out. */
  readonly tokens: number;
  /** Tokens that stand for what the vocabulary does not have. */
  readonly unknown: number;
  /** Words as the tokenizer sees them, before it takes them apart; and how many of them are one known token. */
  readonly pieces: number;
  readonly whole: number;
  /** With the special tokens. */
  readonly length: number;
  /** Of two texts the tokens of each, special tokens left out. */
  readonly parts?: readonly [first: number, second: number];
}

export class TokenCounter {
  readonly #tokenizer: Tokenizer;
  readonly #unknown: number | null;

  private constructor(tokenizer: Tokenizer, unknown: number | null) {
    this.#tokenizer = tokenizer;
    this.#unknown = unknown;
  }

  /** Reads a `tokenizer.json`. Throws BadModel. */
  static async load(file: string): Promise<TokenCounter> {
    const text = await readFile(file, 'utf8');
    try {
      const tokenizer = Tokenizer.fromString(text);
      tokenizer.disablePadding();
      tokenizer.disableTruncation();
      return new TokenCounter(tokenizer, unknownId(tokenizer, JSON.parse(text)));
    } catch (error) {
      throw new EspalierError('BadModel', `tokenizer.json cannot be used: ${(error as Error).message}`, {
        where: file,
        cause: error,
      });
    }
  }

  /** Of two texts as they are joined for the model. */
  async count(texts: readonly TextInput[]): Promise<readonly TokenCounts[]> {
    if (texts.length === 0) return [];
    const single = texts.filter((text) => typeof text === 'string');
    // The package takes texts by the batch, and pairs only one by one.
    const encoded =
      single.length === texts.length
        ? await this.#tokenizer.encodeBatch([...single])
        : await Promise.all(texts.map((text) => this.#tokenizer.encode(...textsOf(text))));
    return encoded.map((one, row): TokenCounts => {
      const special = one.getSpecialTokensMask();
      const words = one.getWordIds();
      const sequences = one.getSequenceIds();
      const parts: [first: number, second: number] = [0, 0];
      const pieces = new Map<string, { parts: number; known: boolean }>();
      let [tokens, unknown] = [0, 0];
      for (const [at, id] of one.getIds().entries()) {
        if (special[at] === 1 && id !== this.#unknown) continue;
        const part = sequences[at] === 1 ? 1 : 0;
        tokens++;
        parts[part]++;
        const known = id !== this.#unknown;
        if (!known) unknown++;
        const word = words[at];
        if (word === undefined || word === null) continue;
        // Words are counted from 0 in each of two texts.
        const key = `${part} ${word}`;
        const piece = pieces.get(key) ?? { parts: 0, known: true };
        pieces.set(key, { parts: piece.parts + 1, known: piece.known && known });
      }
      const whole = [...pieces.values()].filter(({ parts, known }) => parts === 1 && known).length;
      return {
        tokens,
        unknown,
        pieces: pieces.size,
        whole,
        length: one.getLength(),
        ...(typeof texts[row] === 'string' ? {} : { parts }),
      };
    });
  }
}

/** Of WordPiece, WordLevel and BPE by name, of Unigram by place; null: bytes make up whatever is missing. */
function unknownId(tokenizer: Tokenizer, file: unknown): number | null {
  const { model } = file as { model?: { unk_token?: unknown; unk_id?: unknown } };
  if (typeof model?.unk_id === 'number') return model.unk_id;
  return typeof model?.unk_token === 'string' ? tokenizer.tokenToId(model.unk_token) : null;
}
