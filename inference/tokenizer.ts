/**
 * Text to token ids, by the Rust tokenizer that the trainer uses through Python (npm `tokenizers`): parity with the
 * Python package is tested (test/inference/tokenizer.test.ts), id by id.
 *
 * Text that spells a special token (`[SEP]`, `<s>`) becomes that token, here and in training alike: the package for
 * Node has no switch for it, and a difference between training and serving would be worse than a strange input.
 */
import { readFile } from 'node:fs/promises';
import { Tokenizer } from 'tokenizers';
import { EspalierError } from '../artifacts/errors.ts';
import type { TextInput } from './texts.ts';
import { cutIntoWindows, type Line, type Windows } from './windows.ts';

/** Token ids of some texts, padded to the longest: row-major [rows, length]. */
export interface TokenBatch {
  readonly rows: number;
  readonly length: number;
  readonly ids: BigInt64Array;
  readonly mask: BigInt64Array;
  readonly types: BigInt64Array;
}

type Encoded = Awaited<ReturnType<Tokenizer['encode']>>;

export class TextTokenizer {
  readonly #tokenizer: Tokenizer;
  readonly #padId: bigint;
  readonly #text: string;
  readonly #maxLength: number;
  readonly #windows: Windows | undefined;
  #pairs: Promise<Tokenizer> | undefined;

  private constructor(tokenizer: Tokenizer, text: string, maxLength: number, windows: Windows | undefined) {
    this.#tokenizer = tokenizer;
    this.#padId = BigInt(padId(tokenizer, JSON.parse(text)));
    this.#text = text;
    this.#maxLength = maxLength;
    this.#windows = windows;
  }

  /** Reads a `tokenizer.json`; texts are cut to `maxLength` tokens, special tokens included, or taken in `windows` of so many;
   * of two texts that are cut the longer is so first, token by token. Throws BadModel. */
  static async load(file: string, maxLength: number, windows?: Windows): Promise<TextTokenizer> {
    try {
      return TextTokenizer.parse(await readFile(file, 'utf8'), maxLength, file, windows);
    } catch (error) {
      throw error instanceof EspalierError ? error : unusable(file, error);
    }
  }

  /** The same from what was read of the file `where`. */
  static parse(text: string, maxLength: number, where: string, windows?: Windows): TextTokenizer {
    try {
      return new TextTokenizer(reading(text, windows === undefined ? maxLength : null), text, maxLength, windows);
    } catch (error) {
      throw unusable(where, error);
    }
  }

  /** The token ids of one text, or of two joined as the model's tokenizer joins them, not padded; of its first window. */
  async ids(input: TextInput): Promise<number[]> {
    const [[line] = []] = await this.lines([input]);
    return [...(line?.ids ?? [])];
  }

  /** Of each text its windows, in order; one where it is short, or cut. */
  async lines(texts: readonly TextInput[]): Promise<readonly (readonly Line[])[]> {
    if (texts.length === 0) return [];
    const encoded = await this.#encodeAll(texts);
    return encoded.map((one) => {
      const line = { ids: one.getIds(), types: one.getTypeIds() };
      if (this.#windows === undefined || line.ids.length <= this.#maxLength) return [line];
      return cutIntoWindows({ ...line, parts: one.getSequenceIds() }, this.#maxLength, this.#windows);
    });
  }

  /** Encodes texts in order, each as its first line, into batches. */
  async encode(texts: readonly TextInput[], maxTokens: number): Promise<TokenBatch[]> {
    return this.batch(
      (await this.lines(texts)).flatMap((lines) => lines.slice(0, 1)),
      maxTokens,
    );
  }

  /** Lines in order, in batches of at most `maxTokens` = rows × longest each (one line always fits). */
  batch(lines: readonly Line[], maxTokens: number): TokenBatch[] {
    if (lines.length === 0) return [];
    const batches: TokenBatch[] = [];
    let group: Line[] = [];
    let longest = 1;
    for (const one of lines) {
      const length = Math.max(longest, one.ids.length);
      if (group.length > 0 && (group.length + 1) * length > maxTokens) {
        batches.push(this.#pad(group, longest));
        group = [];
        longest = 1;
      }
      group.push(one);
      longest = Math.max(longest, one.ids.length);
    }
    batches.push(this.#pad(group, longest));
    return batches;
  }

  /** The package takes texts by the batch, and pairs only one by one; each is encoded on a thread of its own. */
  async #encodeAll(texts: readonly TextInput[]): Promise<Encoded[]> {
    const single = texts.filter((text) => typeof text === 'string');
    if (single.length === texts.length) return this.#tokenizer.encodeBatch([...single]);
    return Promise.all(texts.map((text) => this.#encode(text)));
  }

  async #encode(input: TextInput): Promise<Encoded> {
    if (typeof input === 'string') return this.#tokenizer.encode(input);
    if (this.#windows !== undefined) return this.#tokenizer.encode(input[0], input[1]);
    this.#pairs ??= this.#forPairs();
    return (await this.#pairs).encode(input[0], input[1]);
  }

  /**
   * Two texts that are both too long are cut to as many tokens each. One that is over would go to the first in the package
   * for Python and to the second in that for Node: it is left out, there (data.py) as here.
   */
  async #forPairs(): Promise<Tokenizer> {
    const special = (await this.#tokenizer.encode('', '')).getLength();
    const over = Math.max(0, this.#maxLength - special) % 2;
    return over === 0 ? this.#tokenizer : reading(this.#text, this.#maxLength - over);
  }

  /** `length` is at least 1: a tokenizer without special tokens makes nothing of an empty text, and the graph needs a column. */
  #pad(lines: readonly Line[], length: number): TokenBatch {
    const rows = lines.length;
    const ids = new BigInt64Array(rows * length).fill(this.#padId);
    const mask = new BigInt64Array(rows * length);
    const types = new BigInt64Array(rows * length);
    lines.forEach((one, row) => {
      one.ids.forEach((id, column) => {
        const at = row * length + column;
        ids[at] = BigInt(id);
        mask[at] = 1n;
        types[at] = BigInt(one.types[column] ?? 0);
      });
    });
    return { rows, length, ids, mask, types };
  }
}

/** null: whole texts. */
function reading(text: string, maxLength: number | null): Tokenizer {
  const tokenizer = Tokenizer.fromString(text);
  tokenizer.disablePadding();
  if (maxLength === null) tokenizer.disableTruncation();
  else tokenizer.setTruncation(maxLength);
  return tokenizer;
}

function unusable(where: string, error: unknown): EspalierError {
  return new EspalierError('BadModel', `tokenizer.json cannot be used: ${(error as Error).message}`, {
    where,
    fix: 'save the model with a fast tokenizer (transformers: AutoTokenizer.from_pretrained(…).save_pretrained(…))',
    cause: error,
  });
}

/** The file's own padding id where it has one; else its padding token by the two usual names; else 0 (masked out anyway). */
function padId(tokenizer: Tokenizer, file: unknown): number {
  const padding = (file as { padding?: { pad_id?: unknown } | null }).padding;
  if (typeof padding?.pad_id === 'number') return padding.pad_id;
  return tokenizer.tokenToId('[PAD]') ?? tokenizer.tokenToId('<pad>') ?? 0;
}
