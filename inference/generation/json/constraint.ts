/**
 * Holds an answer to a JSON schema: before every token, those after which no accepted text could follow any more are
 * ruled out, and so are those after which the text could no longer end within the tokens that are left. What comes out
 * always parses and always validates.
 */
import { EspalierError } from '../../../artifacts/errors.ts';
import type { Vocabulary } from '../vocabulary.ts';
import { Automaton, type Rest, type State } from './grammar.ts';
import { grammarOf } from './schema.ts';
import { tokenTree, type TokenNode, type TokenTree } from './token-tree.ts';

export class JsonConstraint {
  readonly #automaton: Automaton;
  readonly #tree: TokenTree;
  readonly #vocabulary: Vocabulary;
  #state: State;
  #left: number;

  /** `most` tokens may be written. Throws BadRequest for a schema that is not supported or cannot be met in so few. */
  constructor(schema: unknown, vocabulary: Vocabulary, most: number) {
    this.#automaton = new Automaton(grammarOf(schema));
    this.#tree = tokenTree(vocabulary);
    this.#vocabulary = vocabulary;
    this.#state = this.#automaton.start;
    this.#left = most;
    if (!this.#tree.complete) {
      throw new EspalierError('BadModel', 'the model’s tokenizer cannot write every byte, and so not every JSON text', {
        fix: 'leave the schema out, or choose a model with a byte-level tokenizer',
      });
    }
    if (this.#state.shortest > most) {
      throw new EspalierError(
        'BadRequest',
        `an answer to this schema may need ${this.#state.shortest} tokens, and ${most} are left for it`,
        { where: 'maxNewTokens', fix: `allow at least ${this.#state.shortest}` },
      );
    }
  }

  /** Nothing can follow: the text is whole. */
  get finished(): boolean {
    return this.#state.accepting && this.#state.heads.length === 0;
  }

  /** Sets the logits of what may not come next to -Infinity. */
  mask(logits: Float32Array, endTokens: ReadonlySet<number>): void {
    const allowed = this.#allowed(logits.length);
    for (let token = 0; token < logits.length; token++) {
      const may = endTokens.has(token) ? this.#state.accepting : allowed[token] === 1;
      if (!may) logits[token] = -Infinity;
    }
  }

  /** A token that `mask` left was taken. */
  take(token: number): void {
    for (const byte of this.#vocabulary.bytes[token] ?? []) {
      const next = this.#automaton.step(this.#state, byte);
      if (next === null) throw new EspalierError('Internal', `token ${token} does not fit the schema`);
      this.#state = next;
    }
    this.#left -= 1;
  }

  #allowed(size: number): Uint8Array {
    const allowed = new Uint8Array(size);
    // Any rest can be written byte by byte: as long as there are as many tokens as bytes, it can be ended.
    const after = this.#left - 1;
    const inText = this.#state.heads.filter(isPlainText);
    if (inText.length === 0) {
      this.#walk(this.#tree.all, this.#state, after, allowed);
      return allowed;
    }
    // In a string nearly every token may follow: plain ones are counted, not walked.
    const { plain, isPlain, longestPlain } = this.#tree;
    if (inText.some((head) => fits(head, 0, after) && fits(head, longestPlain, after))) allowed.set(isPlain);
    else {
      for (const { token, characters } of plain) {
        if (inText.some((head) => fits(head, characters, after))) allowed[token] = 1;
      }
    }
    this.#walk(this.#tree.odd, this.#state, after, allowed);
    const others = this.#state.heads.filter((head) => !isPlainText(head));
    if (others.length > 0) this.#walk(this.#tree.all, this.#automaton.only(others), after, allowed);
    return allowed;
  }

  #walk(node: TokenNode, state: State, after: number, allowed: Uint8Array): void {
    if (node.tokens !== undefined && state.shortest <= after) for (const token of node.tokens) allowed[token] = 1;
    if (node.next === undefined) return;
    for (const [byte, next] of node.next) {
      const reached = this.#automaton.step(state, byte);
      if (reached !== null) this.#walk(next, reached, after, allowed);
    }
  }
}

function isPlainText({ node, inside }: Rest): boolean {
  return node.kind === 'text' && inside === 0;
}

/** Whether a text may take so many characters more and still end in time. */
function fits({ node, at, next }: Rest, characters: number, after: number): boolean {
  if (node.kind !== 'text' || at + characters > node.max) return false;
  return Math.max(0, node.min - at - characters) + 1 + (next?.shortest ?? 0) <= after;
}
