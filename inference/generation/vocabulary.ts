/**
 * Every token as the bytes it writes, read from `tokenizer.json`: what streaming, stop sequences and constrained output
 * work on. Two kinds of vocabulary are known: byte-level BPE (GPT-2, NeoX, Qwen2, Llama 3) and SentencePiece-like BPE with
 * `▁` for a space and `<0x0A>` for single bytes (Llama, Mistral).
 */
import { Buffer } from 'node:buffer';
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';

const TokenizerFileSchema = z.looseObject({
  model: z.looseObject({ vocab: z.record(z.string(), z.int().min(0)) }),
  added_tokens: z.array(z.looseObject({ id: z.int().min(0), content: z.string(), special: z.boolean() })).default([]),
  decoder: z.unknown(),
});

export interface Vocabulary {
  /** By token; undefined for tokens that write nothing: special ones, and columns of the logits without a token. */
  readonly bytes: readonly (Uint8Array | undefined)[];
  /** The texts of tokens that mean something to the model; a user's text must not be read as one. */
  readonly special: readonly string[];
}

const SINGLE_BYTE = /^<0x([0-9A-F]{2})>$/;

/** `text` of tokenizer.json; `size` columns of the logits. Throws BadModel for another kind of vocabulary. */
export function readVocabulary(text: string, size: number, where: string): Vocabulary {
  const file = TokenizerFileSchema.safeParse(JSON.parse(text));
  if (!file.success) throw unusable(z.prettifyError(file.error), where);
  const { model, added_tokens: added, decoder } = file.data;
  const kinds = JSON.stringify(decoder ?? null);
  const bytesOf = kinds.includes('"ByteLevel"')
    ? byteLevel
    : kinds.includes('"ByteFallback"') || kinds.includes('"Metaspace"')
      ? sentencePiece
      : undefined;
  if (bytesOf === undefined)
    throw unusable(`its decoder is neither byte-level nor with byte fallback: ${kinds.slice(0, 200)}`, where);
  const bytes = Array.from<Uint8Array | undefined>({ length: size });
  for (const [token, id] of Object.entries(model.vocab)) if (id < size) bytes[id] = bytesOf(token);
  for (const { id, content, special } of added) {
    if (id < size) bytes[id] = special ? undefined : Buffer.from(content, 'utf8');
  }
  return { bytes, special: added.filter(({ special }) => special).map(({ content }) => content) };
}

function unusable(message: string, where: string): EspalierError {
  return new EspalierError('BadModel', `tokenizer.json cannot be generated with: ${message}`, {
    where,
    fix: 'choose a model with a byte-level or SentencePiece BPE tokenizer',
  });
}

function sentencePiece(token: string): Uint8Array {
  const single = SINGLE_BYTE.exec(token)?.[1];
  return single === undefined
    ? Buffer.from(token.replaceAll('▁', ' '), 'utf8')
    : Uint8Array.of(Number.parseInt(single, 16));
}

/** GPT-2's alphabet: printable characters stand for themselves, the other bytes for the code points from 256 on. */
const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = (() => {
  const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  const found = new Map<string, number>();
  let next = 256;
  for (let byte = 0; byte < 256; byte++) found.set(String.fromCodePoint(printable(byte) ? byte : next++), byte);
  return found;
})();

function byteLevel(token: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of token) {
    const byte = BYTE_OF_CHARACTER.get(character);
    if (byte === undefined) bytes.push(...Buffer.from(character, 'utf8'));
    else bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}
