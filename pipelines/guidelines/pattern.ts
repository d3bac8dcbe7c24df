/**
 * A pattern as it is applied: all ways through it are followed at once (K. Thompson, "Regular Expression Search
 * Algorithm", CACM 11(6), 1968), so that time grows with the length of the text times the size of the pattern, never
 * with the number of ways. Whoever writes the guidelines, and whoever writes the text, cannot make it hang. Pure.
 */
import { parsePattern, type CharacterTest, type PatternNode } from './pattern-syntax.ts';

/** States a pattern may have: `(a{100}){100}` would be ten thousand. */
const MAX_STATES = 1000;

type State =
  | { readonly type: 'character'; readonly test: CharacterTest; next: number }
  | { readonly type: 'place'; readonly place: Extract<PatternNode, { type: 'place' }>['place']; next: number }
  | { readonly type: 'split'; next: number; other: number }
  | { readonly type: 'accept' };

export interface PatternSpan {
  /** In UTF-16 code units, like `String.prototype.slice` takes them. */
  readonly start: number;
  readonly end: number;
}

export class Pattern {
  readonly source: string;
  readonly #states: State[] = [];
  readonly #first: number;

  /** @throws SyntaxError that says what of it is not understood, or that it is too large */
  constructor(source: string, options: { readonly ignoreCase: boolean }) {
    this.source = source;
    const accept = this.#add({ type: 'accept' });
    this.#first = this.#compile(parsePattern(source, options.ignoreCase), accept);
  }

  test(text: string): boolean {
    return this.find(text, true) !== undefined;
  }

  /** The first match, and of those that begin there the longest; `any`: it may be a shorter one. undefined: none. */
  find(text: string, any = false): PatternSpan | undefined {
    let found: PatternSpan | undefined;
    let threads = new Threads(this.#states);
    let after = new Threads(this.#states);
    let before = -1;
    for (let at = 0; ;) {
      const code = at < text.length ? (text.codePointAt(at) as number) : -1;
      if (found === undefined) threads.add(this.#first, at, before, code);
      if (threads.accepted !== undefined && (found === undefined || threads.accepted <= found.start)) {
        found = { start: threads.accepted, end: at };
        if (any) return found;
      }
      if (code === -1 || (found !== undefined && threads.count === 0)) return found;
      const width = code > 0xffff ? 2 : 1;
      const ahead = at + width < text.length ? (text.codePointAt(at + width) as number) : -1;
      for (let index = 0; index < threads.count; index += 1) {
        const start = threads.starts[index]!;
        if (found !== undefined && start > found.start) continue;
        const state = this.#states[threads.states[index]!] as Extract<State, { type: 'character' }>;
        if (state.test(code)) after.add(state.next, start, code, ahead);
      }
      [threads, after] = [after, threads];
      after.clear();
      before = code;
      at += width;
    }
  }

  #add(state: State): number {
    if (this.#states.length >= MAX_STATES) {
      throw new SyntaxError(`the pattern is too large: its repetitions multiply to more than ${MAX_STATES} states`);
    }
    return this.#states.push(state) - 1;
  }

  /** From the end to the beginning: the state to start from, so that `next` follows. */
  #compile(node: PatternNode, next: number): number {
    switch (node.type) {
      case 'character':
        return this.#add({ type: 'character', test: node.test, next });
      case 'place':
        return this.#add({ type: 'place', place: node.place, next });
      case 'sequence':
        return node.nodes.reduceRight((after, part) => this.#compile(part, after), next);
      case 'choice':
        return node.nodes
          .map((part) => this.#compile(part, next))
          .reduceRight((other, first) => this.#add({ type: 'split', next: first, other }));
      case 'repeat':
        return this.#repeat(node, next);
    }
  }

  #repeat({ node, min, max }: Extract<PatternNode, { type: 'repeat' }>, next: number): number {
    let first = next;
    if (max === Infinity) {
      const loop: State = { type: 'split', next, other: next };
      first = this.#add(loop);
      loop.next = this.#compile(node, first);
    } else {
      for (let count = min; count < max; count += 1) {
        first = this.#add({ type: 'split', next: this.#compile(node, first), other: next });
      }
    }
    for (let count = 0; count < min; count += 1) first = this.#compile(node, first);
    return first;
  }
}

/** The states that wait for a character, each with where its match began; of two ways to one state the earlier is kept. */
class Threads {
  readonly states: Uint32Array;
  readonly starts: Uint32Array;
  count = 0;
  /** Where the match began that ends here. */
  accepted: number | undefined;
  readonly #all: readonly State[];
  readonly #seen: Uint8Array;
  readonly #open: number[] = [];

  constructor(states: readonly State[]) {
    this.#all = states;
    this.states = new Uint32Array(states.length);
    this.starts = new Uint32Array(states.length);
    this.#seen = new Uint8Array(states.length);
  }

  clear(): void {
    this.count = 0;
    this.accepted = undefined;
    this.#seen.fill(0);
  }

  /** Called with starts that do not fall: who comes first began first. `before` and `ahead`: code points around, -1 at an end. */
  add(first: number, start: number, before: number, ahead: number): void {
    this.#open.push(first);
    for (let index = this.#open.pop(); index !== undefined; index = this.#open.pop()) {
      if (this.#seen[index] === 1) continue;
      this.#seen[index] = 1;
      const state = this.#all[index]!;
      if (state.type === 'accept') this.accepted ??= start;
      else if (state.type === 'split') this.#open.push(state.other, state.next);
      else if (state.type === 'character') {
        this.states[this.count] = index;
        this.starts[this.count] = start;
        this.count += 1;
      } else if (holds(state.place, before, ahead)) this.#open.push(state.next);
    }
  }
}

function holds(place: Extract<State, { type: 'place' }>['place'], before: number, ahead: number): boolean {
  switch (place) {
    case 'start':
      return before === -1;
    case 'end':
      return ahead === -1;
    case 'word-edge':
      return isWord(before) !== isWord(ahead);
    case 'inside':
      return isWord(before) === isWord(ahead);
  }
}

const WORD = /^[\p{L}\p{M}\p{N}_]$/u;
function isWord(code: number): boolean {
  return code >= 0 && WORD.test(String.fromCodePoint(code));
}
