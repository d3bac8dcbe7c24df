/** How the forms of personal data are written down and tried: the vocabulary of the tables beside this file. Pure. */
import type { PiiKind } from '../../pipelines/definition/data.ts';

/** UTF-16 offsets: [start, end). */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** One form that a kind of personal data has. */
export interface Form {
  readonly kind: PiiKind;
  /** For people: which of the kind's forms; never anything of the value. */
  readonly name: string;
  /** Where it begins with a digit: how many digits come first; any number when left out. */
  readonly leading?: readonly number[];
  /** The value that stands at a word's start, or around it. Looks at a bounded stretch of text only. */
  readonly read: (text: string, start: number) => Span | undefined;
}

/** Text before a value that is searched for the words that say what it is. */
const CONTEXT_CHARACTERS = 32;

/**
 * A form that is a sticky pattern and, where there is one, a check of the value without separators, in upper case. All
 * quantifiers must be bounded: it is tried at every word with a digit. With `context` the words before it must match too.
 */
export function form(
  kind: PiiKind,
  name: string,
  pattern: RegExp,
  options: {
    readonly check?: (value: string) => boolean;
    readonly context?: RegExp;
    readonly leading?: readonly number[];
  } = {},
): Form {
  const { check, context, leading } = options;
  const sticky = new RegExp(pattern.source, `${pattern.flags}y`);
  return {
    kind,
    name,
    ...(leading === undefined ? {} : { leading }),
    read(text, start) {
      const found = matchAt(sticky, text, start);
      if (found === undefined) return undefined;
      if (check !== undefined && !check(found.replaceAll(/[^A-Za-z0-9]/g, '').toUpperCase())) return undefined;
      return context === undefined || precededBy(text, start, context)
        ? { start, end: start + found.length }
        : undefined;
    },
  };
}

/** What a sticky expression finds exactly here. */
export function matchAt(sticky: RegExp, text: string, at: number): string | undefined {
  sticky.lastIndex = at;
  return sticky.exec(text)?.[0];
}

/** Whether the words just before match. */
export function precededBy(text: string, at: number, words: RegExp): boolean {
  return words.test(text.slice(Math.max(0, at - CONTEXT_CHARACTERS), at));
}
