/**
 * Reads a pattern: the regular expressions of ECMAScript without what makes time explode. Known: literals, `.`,
 * classes, `\d \w \s \p{…}` and their opposites, `^ $ \b \B`, groups, `|`, `* + ? {m,n}`. Not known: look-around,
 * back references, named groups. As in ECMAScript `\w` and `\d` are ASCII; `\b` is between letters of any script. Pure.
 */

/** Whether a character, by its code point, is of a set. */
export type CharacterTest = (code: number) => boolean;

export type PatternNode =
  | { readonly type: 'character'; readonly test: CharacterTest }
  | { readonly type: 'place'; readonly place: 'start' | 'end' | 'word-edge' | 'inside' }
  | { readonly type: 'sequence'; readonly nodes: readonly PatternNode[] }
  | { readonly type: 'choice'; readonly nodes: readonly PatternNode[] }
  | { readonly type: 'repeat'; readonly node: PatternNode; readonly min: number; readonly max: number };

/** Longest pattern that is read, in characters. */
export const MAX_PATTERN_LENGTH = 500;
const MAX_REPEAT = 500;
const MAX_NESTING = 30;

/**
 * @param ignoreCase letters are the same in upper and lower case
 * @throws SyntaxError that says what is not understood, and at which character
 */
export function parsePattern(source: string, ignoreCase: boolean): PatternNode {
  if (source.length > MAX_PATTERN_LENGTH) {
    throw new SyntaxError(`the pattern has ${source.length} characters; at most ${MAX_PATTERN_LENGTH} are read`);
  }
  return new Reader(source, ignoreCase).all();
}

class Reader {
  readonly #characters: readonly string[];
  readonly #ignoreCase: boolean;
  #at = 0;
  #depth = 0;

  constructor(source: string, ignoreCase: boolean) {
    this.#characters = Array.from(source);
    this.#ignoreCase = ignoreCase;
  }

  all(): PatternNode {
    const node = this.#choice();
    if (this.#at < this.#characters.length) throw this.#fault("a ')' without its '('");
    return node;
  }

  #choice(): PatternNode {
    if (++this.#depth > MAX_NESTING) throw this.#fault(`groups nested more than ${MAX_NESTING} deep`);
    const nodes = [this.#sequence()];
    while (this.#take('|')) nodes.push(this.#sequence());
    this.#depth -= 1;
    return nodes.length === 1 ? nodes[0]! : { type: 'choice', nodes };
  }

  #sequence(): PatternNode {
    const nodes: PatternNode[] = [];
    for (let next = this.#peek(); next !== undefined && next !== '|' && next !== ')'; next = this.#peek()) {
      const atom = this.#atom();
      nodes.push(this.#repeated(atom));
    }
    return { type: 'sequence', nodes };
  }

  #repeated(node: PatternNode): PatternNode {
    const range = this.#range();
    if (range === undefined) return node;
    if (node.type === 'place') throw this.#fault('a place (^, $, \\b) that is repeated');
    this.#take('?'); // lazy or not: the same texts match
    if (this.#range() !== undefined) throw this.#fault('a repetition of a repetition');
    return { type: 'repeat', node, ...range };
  }

  #range(): { readonly min: number; readonly max: number } | undefined {
    if (this.#take('*')) return { min: 0, max: Infinity };
    if (this.#take('+')) return { min: 1, max: Infinity };
    if (this.#take('?')) return { min: 0, max: 1 };
    if (this.#peek() !== '{') return undefined;
    const end = this.#characters.indexOf('}', this.#at);
    const written = end === -1 ? '{' : this.#characters.slice(this.#at, end + 1).join('');
    const found = /^\{(\d{1,4})(?:(,)(\d{1,4})?)?\}$/.exec(written);
    if (found === null) throw this.#fault("a '{' that begins no {m}, {m,} or {m,n}; write \\{ for the sign itself");
    this.#at = end + 1;
    const min = Number(found[1]);
    const max = found[2] === undefined ? min : found[3] === undefined ? Infinity : Number(found[3]);
    if (max < min) throw this.#fault(`the repetition ${written}, which ends before it begins`);
    if (min > MAX_REPEAT || (max > MAX_REPEAT && max !== Infinity)) {
      throw this.#fault(`the repetition ${written}; at most ${MAX_REPEAT} are counted`);
    }
    return { min, max };
  }

  #atom(): PatternNode {
    const character = this.#next();
    switch (character) {
      case '(':
        return this.#group();
      case '[':
        return this.#class();
      case '.':
        return { type: 'character', test: (code) => !LINE_ENDS.has(code) };
      case '^':
        return { type: 'place', place: 'start' };
      case '$':
        return { type: 'place', place: 'end' };
      case '\\':
        if (this.#take('b')) return { type: 'place', place: 'word-edge' };
        if (this.#take('B')) return { type: 'place', place: 'inside' };
        return { type: 'character', test: this.#folded(this.#escape()) };
      case '*':
      case '+':
      case '?':
      case '{':
      case '}':
      case ']':
        throw this.#fault(`'${character}' with nothing to apply to; write \\${character} for the sign itself`, -1);
      default:
        return { type: 'character', test: this.#folded(only(character)) };
    }
  }

  #group(): PatternNode {
    if (this.#take('?') && !this.#take(':')) {
      throw this.#fault('look-around and named groups; only (…) and (?:…) are known', -1);
    }
    const node = this.#choice();
    if (!this.#take(')')) throw this.#fault("a '(' without its ')'");
    return node;
  }

  #class(): PatternNode {
    const negated = this.#take('^');
    const tests: CharacterTest[] = [];
    while (!this.#take(']')) {
      const [test, from] = this.#member();
      if (this.#peek() !== '-' || this.#characters[this.#at + 1] === ']') {
        tests.push(test);
        continue;
      }
      this.#at += 1;
      const [, to] = this.#member();
      if (from === undefined || to === undefined || to < from) throw this.#fault('a range in […] that is none');
      tests.push((code) => code >= from && code <= to);
    }
    const any = this.#folded((code) => tests.some((test) => test(code)));
    return { type: 'character', test: negated ? (code) => !any(code) : any };
  }

  /** A member of a class, and its code point where it is one character. */
  #member(): readonly [test: CharacterTest, code: number | undefined] {
    const character = this.#next("a '[' without its ']'");
    if (character !== '\\') return [only(character), character.codePointAt(0)];
    const code = this.#characterEscape();
    return code === undefined ? [this.#setEscape(), undefined] : [(other) => other === code, code];
  }

  #escape(): CharacterTest {
    const code = this.#characterEscape();
    return code === undefined ? this.#setEscape() : (other) => other === code;
  }

  /** The code point that an escape stands for; undefined, and nothing taken, where it stands for a set. */
  #characterEscape(): number | undefined {
    const letter = this.#peek();
    if (letter === undefined) throw this.#fault('a \\ with nothing behind it');
    if ('dDwWsSpP'.includes(letter)) return undefined;
    this.#at += 1;
    const control = CONTROLS[letter];
    if (control !== undefined) return control;
    if (letter === 'x' || letter === 'u') return this.#hexadecimal(letter);
    if (/[\p{L}\p{N}]/u.test(letter)) throw this.#fault(`the escape \\${letter}`, -1);
    return letter.codePointAt(0);
  }

  #hexadecimal(letter: 'x' | 'u'): number {
    const rest = this.#characters.slice(this.#at, this.#at + 10).join('');
    const found = (letter === 'x' ? /^([0-9a-f]{2})/i : /^(?:\{([0-9a-f]{1,6})\}|([0-9a-f]{4}))/i).exec(rest);
    const code = Number.parseInt(found?.[1] ?? found?.[2] ?? '', 16);
    if (found === null || code > 0x10ffff) throw this.#fault(`\\${letter} without the digits of a character`);
    this.#at += found[0].length;
    return code;
  }

  #setEscape(): CharacterTest {
    const letter = this.#next();
    const known = SETS[letter.toLowerCase()];
    const test = known ?? this.#property();
    return letter === letter.toLowerCase() ? test : (code) => !test(code);
  }

  #property(): CharacterTest {
    const end = this.#characters.indexOf('}', this.#at);
    const name = end === -1 ? '' : this.#characters.slice(this.#at + 1, end).join('');
    if (this.#peek() !== '{' || !/^[A-Za-z_=]{1,40}$/.test(name)) throw this.#fault('\\p without {a property}');
    this.#at = end + 1;
    let one: RegExp;
    try {
      one = new RegExp(`^\\p{${name}}$`, 'u');
    } catch {
      throw this.#fault(`the Unicode property '${name}'`, -1);
    }
    return (code) => one.test(String.fromCodePoint(code));
  }

  #folded(test: CharacterTest): CharacterTest {
    if (!this.#ignoreCase) return test;
    return (code) => {
      if (test(code)) return true;
      const character = String.fromCodePoint(code);
      return [character.toLowerCase(), character.toUpperCase()].some(
        (form) => form !== character && form.length === character.length && test(form.codePointAt(0) as number),
      );
    };
  }

  #peek(): string | undefined {
    return this.#characters[this.#at];
  }

  #next(lack = 'an end where a sign should be'): string {
    const character = this.#peek();
    if (character === undefined) throw this.#fault(lack);
    this.#at += 1;
    return character;
  }

  #take(sign: string): boolean {
    if (this.#peek() !== sign) return false;
    this.#at += 1;
    return true;
  }

  #fault(what: string, shift = 0): SyntaxError {
    return new SyntaxError(`the pattern has ${what} (at character ${this.#at + shift + 1})`);
  }
}

const only = (character: string): CharacterTest => {
  const wanted = character.codePointAt(0);
  return (code) => code === wanted;
};
const LINE_ENDS = new Set([0x0a, 0x0d, 0x2028, 0x2029]);
const CONTROLS: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, v: 11, f: 12, 0: 0 };
const within =
  (one: RegExp): CharacterTest =>
  (code) =>
    one.test(String.fromCodePoint(code));
const SETS: Readonly<Record<string, CharacterTest>> = {
  d: (code) => code >= 48 && code <= 57,
  w: within(/^[A-Za-z0-9_]$/),
  s: within(/^\s$/),
};
