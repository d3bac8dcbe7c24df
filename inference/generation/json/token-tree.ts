/** A vocabulary's tokens as a tree of their bytes: those that a grammar allows next are found without trying each. */
import { Buffer } from 'node:buffer';
import type { Vocabulary } from '../vocabulary.ts';

export interface TokenNode {
  /** Most nodes of a large vocabulary are ends: what they lack is not made. */
  next: Map<number, TokenNode> | undefined;
  /** Tokens that end here. */
  tokens: number[] | undefined;
}

export interface TokenTree {
  readonly all: TokenNode;
  /** Those that in a string are more than whole plain characters: with a quote, a backslash, a part of a character. */
  readonly odd: TokenNode;
  /** The others, with how many characters each writes. */
  readonly plain: readonly { readonly token: number; readonly characters: number }[];
  /** 1 where a token is plain, and the most characters that one of them writes. */
  readonly isPlain: Uint8Array;
  readonly longestPlain: number;
  /** Every byte that JSON may need is a token: any text can be written, if only byte by byte. */
  readonly complete: boolean;
}

const known = new WeakMap<Vocabulary, TokenTree>();

export function tokenTree(vocabulary: Vocabulary): TokenTree {
  const found = known.get(vocabulary) ?? grow(vocabulary);
  known.set(vocabulary, found);
  return found;
}

function grow({ bytes }: Vocabulary): TokenTree {
  const [all, odd]: [TokenNode, TokenNode] = [leaf(), leaf()];
  const plain: { token: number; characters: number }[] = [];
  const single = new Set<number>();
  for (const [token, written] of bytes.entries()) {
    if (written === undefined || written.length === 0) continue;
    if (written.length === 1) single.add(written[0] as number);
    plant(all, written, token);
    const characters = plainCharacters(written);
    if (characters === undefined) plant(odd, written, token);
    else plain.push({ token, characters });
  }
  const isPlain = new Uint8Array(bytes.length);
  let longestPlain = 0;
  for (const { token, characters } of plain) {
    isPlain[token] = 1;
    longestPlain = Math.max(longestPlain, characters);
  }
  return { all, odd, plain, isPlain, longestPlain, complete: neededBytes().every((byte) => single.has(byte)) };
}

function leaf(): TokenNode {
  return { next: undefined, tokens: undefined };
}

function plant(root: TokenNode, bytes: Uint8Array, token: number): void {
  let node = root;
  for (const byte of bytes) {
    node.next ??= new Map();
    let next = node.next.get(byte);
    if (next === undefined) node.next.set(byte, (next = leaf()));
    node = next;
  }
  (node.tokens ??= []).push(token);
}

/** undefined unless they are whole characters that may stand in a JSON string as they are. */
function plainCharacters(bytes: Uint8Array): number | undefined {
  let ascii = true;
  for (const byte of bytes) {
    if (byte < 0x20 || byte === 0x22 || byte === 0x5c) return undefined;
    ascii &&= byte < 0x80;
  }
  if (ascii) return bytes.length;
  const text = Buffer.from(bytes).toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? Array.from(text).length : undefined;
}

function neededBytes(): number[] {
  const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
  return [...range(0x20, 0x7e), ...range(0x80, 0xbf), ...range(0xc2, 0xf4)];
}
