/** How a tokenizer takes texts apart: what says whether a model has ever seen such words. Nothing is cut here. */
import { readFile } from 'node:fs/promises';
import { Tokenizer } from 'tokenizers';
import { EspalierError } from '../artifacts/errors.ts';

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

  async count(texts: readonly string[]): Promise<readonly TokenCounts[]> {
    if (texts.length === 0) return [];
    const encoded = await this.#tokenizer.encodeBatch([...texts]);
    return encoded.map((one): TokenCounts => {
      const special = one.getSpecialTokensMask();
      const words = one.getWordIds();
      const pieces = new Map<number, { parts: number; known: boolean }>();
      let [tokens, unknown] = [0, 0];
      for (const [at, id] of one.getIds().entries()) {
        if (special[at] === 1 && id !== this.#unknown) continue;
        tokens++;
        const known = id !== this.#unknown;
        if (!known) unknown++;
        const word = words[at];
        if (word === undefined || word === null) continue;
        const piece = pieces.get(word) ?? { parts: 0, known: true };
        pieces.set(word, { parts: piece.parts + 1, known: piece.known && known });
      }
      const whole = [...pieces.values()].filter(({ parts, known }) => parts === 1 && known).length;
      return { tokens, unknown, pieces: pieces.size, whole, length: one.getLength() };
    });
  }
}

/** Of WordPiece, WordLevel and BPE by name, of Unigram by place; null: bytes make up whatever is missing. */
function unknownId(tokenizer: Tokenizer, file: unknown): number | null {
  const { model } = file as { model?: { unk_token?: unknown; unk_id?: unknown } };
  if (typeof model?.unk_id === 'number') return model.unk_id;
  return typeof model?.unk_token === 'string' ? tokenizer.tokenToId(model.unk_token) : null;
}
