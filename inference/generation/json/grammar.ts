/**
 * The regular language of the JSON texts that a schema accepts, as nodes, and an automaton over their bytes. States are
 * shared: two ways to the same state give the same object, so that what was worked out for one is not worked out again.
 */
import { EspalierError } from '../../../artifacts/errors.ts';

export type Node =
  | { readonly id: number; readonly kind: 'literal'; readonly bytes: Uint8Array; readonly shortest: number }
  | {
      readonly id: number;
      readonly kind: 'range';
      readonly from: number;
      readonly to: number;
      readonly shortest: number;
    }
  | {
      readonly id: number;
      readonly kind: 'sequence' | 'choice';
      readonly of: readonly Node[];
      readonly shortest: number;
    }
  | {
      readonly id: number;
      readonly kind: 'repeat';
      readonly of: Node;
      readonly min: number;
      readonly max: number;
      readonly shortest: number;
    }
  /** The inside of a string of `min` to `max` code points, and its closing quote. */
  | {
      readonly id: number;
      readonly kind: 'text';
      readonly min: number;
      readonly max: number;
      readonly shortest: number;
    };

type NodeOf<Kind extends Node['kind']> = Extract<Node, { kind: Kind }>;

/** Makes nodes; `shortest` is the number of bytes of a node's shortest text. */
export class NodeFactory {
  #made = 0;

  get made(): number {
    return this.#made;
  }

  literal(text: string): Node {
    const bytes = new TextEncoder().encode(text);
    return { id: this.#made++, kind: 'literal', bytes, shortest: bytes.length };
  }

  range(from: string, to: string): Node {
    return { id: this.#made++, kind: 'range', from: from.charCodeAt(0), to: to.charCodeAt(0), shortest: 1 };
  }

  sequence(...of: readonly Node[]): Node {
    const shortest = of.reduce((sum, node) => sum + node.shortest, 0);
    return { id: this.#made++, kind: 'sequence', of, shortest };
  }

  choice(...of: readonly Node[]): Node {
    return { id: this.#made++, kind: 'choice', of, shortest: Math.min(...of.map((node) => node.shortest)) };
  }

  repeat(of: Node, min: number, max: number): Node {
    return { id: this.#made++, kind: 'repeat', of, min, max, shortest: min * of.shortest };
  }

  optional(of: Node): Node {
    return this.repeat(of, 0, 1);
  }

  text(min: number, max: number): Node {
    return { id: this.#made++, kind: 'text', min, max, shortest: min + 1 };
  }
}

/** What is still to come: the rest of a node (`at`: bytes, items or characters done), and then `next`. */
export interface Rest {
  readonly id: number;
  readonly node: Node;
  readonly at: number;
  /** Of a text: where in a character it is (`Inside`). */
  readonly inside: number;
  /** null: the end of the whole. */
  readonly next: Rest | null;
  /** Bytes of the shortest text that ends everything. */
  readonly shortest: number;
}

/** Where everything may stand after some bytes. */
export interface State {
  /** Each begins with a literal, a range or a text. */
  readonly heads: readonly Rest[];
  /** What was written may be the whole. */
  readonly accepting: boolean;
  readonly shortest: number;
  readonly steps: Map<number, State | null>;
}

/** What may stand in one place: each is looked at for every token, and other answers wait meanwhile. */
const MAX_HEADS = 2000;
const MAX_TEXTS = 50;

/** In a character of a string: how many bytes follow the first, and which the second may be (RFC 3629, §4). */
const Inside = {
  none: 0,
  one: 1,
  two: 2,
  three: 3,
  afterE0: 4,
  afterED: 5,
  afterF0: 6,
  afterF4: 7,
  escape: 8,
} as const;
const BYTES_LEFT = [0, 1, 2, 3, 2, 2, 3, 3, 1] as const;
const SECOND_BYTES: Readonly<Record<number, readonly [number, number, number]>> = {
  [Inside.two]: [0x80, 0xbf, Inside.one],
  [Inside.three]: [0x80, 0xbf, Inside.two],
  [Inside.afterE0]: [0xa0, 0xbf, Inside.one],
  [Inside.afterED]: [0x80, 0x9f, Inside.one],
  [Inside.afterF0]: [0x90, 0xbf, Inside.two],
  [Inside.afterF4]: [0x80, 0x8f, Inside.two],
};
const ESCAPED = new Set(Array.from('"\\/bfnrt', (character) => character.charCodeAt(0)));
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

export class Automaton {
  readonly start: State;
  readonly #rests = new Map<string, Rest>();
  readonly #states = new Map<string, State>();

  constructor(root: Node) {
    this.start = this.#stateOf((add) => this.#enter(root, null, add));
  }

  /** null: no text of the language begins so. */
  step(state: State, byte: number): State | null {
    const known = state.steps.get(byte);
    if (known !== undefined) return known;
    const next = this.#stateOf((add) => {
      for (const head of state.heads) this.#advance(head, byte, add);
    });
    const found = next.heads.length === 0 && !next.accepting ? null : next;
    state.steps.set(byte, found);
    return found;
  }

  /** The state with some of its heads alone. */
  only(heads: readonly Rest[]): State {
    return this.#stateOf((add) => heads.forEach(add));
  }

  #stateOf(fill: (add: (rest: Rest | null) => void) => void): State {
    const heads = new Map<number, Rest>();
    let accepting = false;
    fill((rest) => {
      if (rest === null) accepting = true;
      else heads.set(rest.id, rest);
    });
    const texts = [...heads.values()].filter(({ node }) => node.kind === 'text').length;
    if (heads.size > MAX_HEADS || texts > MAX_TEXTS) {
      throw new EspalierError('BadRequest', 'the schema allows too many things in one place', {
        where: 'jsonSchema',
        fix: 'use fewer choices in anyOf and enum',
      });
    }
    const ids = [...heads.keys()].sort((a, b) => a - b);
    const key = `${accepting ? '+' : ''}${ids.join(',')}`;
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    const shortest = accepting ? 0 : Math.min(...[...heads.values()].map((rest) => rest.shortest));
    const state: State = { heads: [...heads.values()], accepting, shortest, steps: new Map() };
    this.#states.set(key, state);
    return state;
  }

  #rest(node: Node, at: number, next: Rest | null, inside: number = Inside.none): Rest {
    const key = `${node.id} ${at} ${inside} ${next?.id ?? ''}`;
    const known = this.#rests.get(key);
    if (known !== undefined) return known;
    const shortest = shortestRest(node, at, inside) + (next?.shortest ?? 0);
    const rest: Rest = { id: this.#rests.size, node, at, inside, next, shortest };
    this.#rests.set(key, rest);
    return rest;
  }

  #enter(node: Node, next: Rest | null, add: (rest: Rest | null) => void): void {
    if (node.kind === 'choice') for (const one of node.of) this.#enter(one, next, add);
    else this.#goOn(this.#rest(node, 0, next), add);
  }

  /** Down to heads. */
  #goOn(rest: Rest | null, add: (rest: Rest | null) => void): void {
    if (rest === null) return add(null);
    const { node, at, next } = rest;
    if (node.kind === 'sequence') {
      const part = node.of[at];
      if (part === undefined) this.#goOn(next, add);
      else this.#enter(part, this.#rest(node, at + 1, next), add);
    } else if (node.kind === 'repeat') {
      if (at < node.max) this.#enter(node.of, this.#rest(node, Math.min(at + 1, enough(node)), next), add);
      if (at >= node.min) this.#goOn(next, add);
    } else if (node.kind === 'literal' && at >= node.bytes.length) this.#goOn(next, add);
    else add(rest);
  }

  #advance({ node, at, inside, next }: Rest, byte: number, add: (rest: Rest | null) => void): void {
    if (node.kind === 'literal') {
      if (node.bytes[at] === byte) this.#goOn(this.#rest(node, at + 1, next), add);
    } else if (node.kind === 'range') {
      if (byte >= node.from && byte <= node.to) this.#goOn(next, add);
    } else if (node.kind === 'text') this.#write(node, { at, inside, next }, byte, add);
  }

  #write(
    node: NodeOf<'text'>,
    { at, inside, next }: Pick<Rest, 'at' | 'inside' | 'next'>,
    byte: number,
    add: (rest: Rest | null) => void,
  ): void {
    const go = (to: number) =>
      add(this.#rest(node, to === Inside.none ? Math.min(at + 1, enough(node)) : at, next, to));
    if (inside === Inside.escape) {
      if (ESCAPED.has(byte)) go(Inside.none);
    } else if (inside === Inside.one) {
      if (byte >= 0x80 && byte <= 0xbf) go(Inside.none);
    } else if (inside !== Inside.none) {
      const [from, to, then] = SECOND_BYTES[inside] as readonly [number, number, number];
      if (byte >= from && byte <= to) go(then);
    } else if (byte === QUOTE) {
      if (at >= node.min) this.#goOn(next, add);
    } else if (at < node.max) {
      const first = firstByte(byte);
      if (first !== undefined) go(first);
    }
  }
}

/** A count past which more of the same makes no difference: kept small, so that there are few states. */
function enough({ min, max }: { readonly min: number; readonly max: number }): number {
  return max === Infinity ? min : max;
}

function firstByte(byte: number): number | undefined {
  if (byte === BACKSLASH) return Inside.escape;
  if (byte < 0x80) return byte >= 0x20 ? Inside.none : undefined;
  if (byte >= 0xc2 && byte <= 0xdf) return Inside.one;
  if (byte === 0xe0) return Inside.afterE0;
  if (byte === 0xed) return Inside.afterED;
  if (byte >= 0xe1 && byte <= 0xef) return Inside.two;
  if (byte === 0xf0) return Inside.afterF0;
  if (byte === 0xf4) return Inside.afterF4;
  return byte >= 0xf1 && byte <= 0xf3 ? Inside.three : undefined;
}

function shortestRest(node: Node, at: number, inside: number): number {
  switch (node.kind) {
    case 'literal':
      return node.bytes.length - at;
    case 'range':
    case 'choice':
      return node.shortest;
    case 'sequence':
      return node.of.slice(at).reduce((sum, part) => sum + part.shortest, 0);
    case 'repeat':
      return Math.max(0, node.min - at) * node.of.shortest;
    case 'text': {
      const begun = inside === Inside.none ? 0 : 1;
      return (BYTES_LEFT[inside] ?? 0) + Math.max(0, node.min - at - begun) + 1;
    }
  }
}
