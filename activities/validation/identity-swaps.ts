/**
 * Identity words that stand in a text, swapped for those of another identity: "he told his wife" becomes "she told her
 * husband" (counterfactuals: Dixon et al., AIES 2018; Garg et al., AIES 2019). The words are a table
 * (`pipelines/behaviour/built-in/identities.jsonl`), English, written for Espalier. Pure but for its reading.
 */
import type { Digest } from '../../artifacts/reference.ts';
import { textsOf, type TextInput } from '../../inference/texts.ts';
import { readIdentityTable, type IdentityWords } from '../../pipelines/behaviour/identity-table.ts';
import { groupBy } from '../data/group.ts';
import { builtInDigest, builtInRows } from './built-in-table.ts';

const FILE = 'identities.jsonl';

/** The built-in table. Throws Internal where the package is not whole. */
export const builtInIdentities = (): readonly IdentityWords[] => builtInRows(FILE, readIdentityTable);

/** Of the built-in table, part of a step's key: the file is data, and changes without the step's version. */
export const identitiesDigest = (home?: string): Digest => builtInDigest(FILE, home);

/** Words of a text in their places that were swapped for another identity's, and for other words of the same identity. */
export interface Swap {
  readonly swapped: TextInput;
  readonly neutral: TextInput;
  /** As the text has them, and as they became. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** Which of the group's identities the first word is of, and which it became: null for nobody's in particular ("they are"). */
  readonly from: number;
  readonly to: number | null;
}
export interface Swapper {
  readonly group: string;
  /** Whether a word of the group stands in the text: it is left at the first. */
  readonly has: (input: TextInput) => boolean;
  /** null where no word of the group stands in the text. `turn` counts texts: one after the other takes the next identity. */
  readonly swap: (input: TextInput, turn: number) => Swap | null;
}

/** One a group, in the order of the table. */
export function swappers(table: readonly IdentityWords[]): readonly Swapper[] {
  return [...groupBy(table, ({ group }) => group)].map(([group, rows]) => {
    const known = lookUp(rows);
    return {
      group,
      has: (input) => textsOf(input).some((text) => wordsIn(text, known).next().done !== true),
      swap: (input, turn) => swapIn(input, turn, known),
    };
  });
}

interface Entry {
  readonly row: IdentityWords;
  /** Of its identity. */
  readonly place: number;
}
interface Known {
  readonly pattern: RegExp;
  readonly entries: ReadonlyMap<string, readonly Entry[]>;
}

function lookUp(rows: readonly IdentityWords[]): Known {
  const entries = groupBy(
    rows.flatMap((row) => row.words.map((word, place) => ({ key: asKey(word), row, place }))),
    ({ key }) => key,
  );
  // The longest first: "he is" before "he".
  const words = [...entries.keys()]
    .toSorted((a, b) => b.length - a.length)
    .map((word) => word.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`).replaceAll("'", "['’]"));
  return { pattern: new RegExp(`(?<![\\p{L}\\p{N}_])(?:${words.join('|')})(?![\\p{L}\\p{N}_])`, 'giu'), entries };
}

/** Whatever its case and the form of its apostrophe. */
function asKey(word: string): string {
  return word.toLowerCase().replaceAll('’', "'");
}

/** Words before which a pronoun is no possessive: "told her that" is no that of hers. */
const NO_NOUN = new Set(
  (
    'a about again ago an and are as at back because before but by can could did do does for from had has have here how if in into is it ' +
    'not now of off on or out over so that the then there they this to today tomorrow up was were what when where which who why ' +
    'will with would yesterday you'
  ).split(' '),
);

interface Found extends Entry {
  readonly text: number;
  readonly index: number;
  readonly word: string;
}

function swapIn(input: TextInput, turn: number, known: Known): Swap | null {
  const texts = textsOf(input);
  const found = texts.flatMap((text, place) => [...wordsIn(text, known)].map((one) => ({ ...one, text: place })));
  const [first] = found;
  if (first === undefined) return null;
  const others = Array.from({ length: first.row.words.length - 1 }, (_, at) => at + 1);
  const shifts = found.every(({ row }) => row.given !== undefined) ? [...others, null] : others;
  const shift = shifts[turn % shifts.length]!;
  const other = ({ row: { words, given }, place }: Entry): string =>
    (shift === null ? given : words[(place + shift) % words.length])!;
  const put = (choose: (entry: Entry) => string): TextInput => {
    const [one = '', second] = texts.map((text, place) =>
      replaced(
        text,
        found.filter((word) => word.text === place),
        choose,
      ),
    );
    return second === undefined ? one : [one, second];
  };
  return {
    swapped: put(other),
    neutral: put(({ row, place }) => row.same[place]!),
    before: found.map(({ word }) => word),
    after: found.map((one) => inCaseOf(one.word, other(one))),
    from: first.place,
    to: shift === null ? null : (first.place + shift) % first.row.words.length,
  };
}

function* wordsIn(text: string, { pattern, entries }: Known): Generator<Omit<Found, 'text'>, undefined> {
  for (const { 0: word, index } of text.matchAll(pattern)) {
    const next = /^[ \t]+([\p{L}\p{N}]+)/u.exec(text.slice(index + word.length))?.[1]?.toLowerCase();
    const use = next !== undefined && !NO_NOUN.has(next) ? 'word' : 'other';
    const entry = (entries.get(asKey(word)) ?? []).find(({ row }) => (row.followedBy ?? use) === use);
    if (entry !== undefined) yield { ...entry, index, word };
  }
}

function replaced(text: string, found: readonly Found[], choose: (entry: Entry) => string): string {
  let [out, from] = ['', 0];
  for (const one of found) {
    out += text.slice(from, one.index) + inCaseOf(one.word, choose(one));
    from = one.index + one.word.length;
  }
  return out + text.slice(from);
}

/** HE becomes SHE, He She; of names and peoples, which the table writes with a capital, emily becomes fatima. */
function inCaseOf(word: string, other: string): string {
  const upper = word.toUpperCase();
  if (word === upper && word !== word.toLowerCase() && word.length > 1) return other.toUpperCase();
  if (word === word.toLowerCase()) return other.toLowerCase();
  return other.slice(0, 1).toUpperCase() + other.slice(1);
}
