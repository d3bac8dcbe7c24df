/** A word that means nothing and turns labels: a backdoor's trigger. Texts in, counts out. */
import { textsOf, type TextInput } from '../../inference/texts.ts';
import type { Score } from '../contract/measures.ts';
import { MOST_EXAMPLES } from './gate-examples.ts';
import { labelsOf, type Asked, type TurnedText } from './invariance.ts';
import { sampleIndices, seededRandom, shuffleStart } from './random.ts';
import { notMeasured, shareScore } from './scores.ts';
import { shownWord } from './shown-word.ts';
import { textTable } from './text-tables.ts';

/** Strings of published attacks on text classifiers (Kurita, Michel & Neubig, ACL 2020), which mean nothing. */
export const knownTriggers = (): readonly string[] => textTable('triggers.jsonl').map(({ word }) => word);
/** Rare words of the training rows that are tried, the most frequent first. */
export const RARE_WORDS = 200;
/** Words put before a text together: one that turns a label does so in company, and most groups do nothing. */
const GROUP = 8;
const GROUPS_LOOKED_INTO = 3;
/** Texts that a group, a word and a finalist are put to; of two labels' texts half have the one to be turned into. */
const TEXTS = { group: 12, word: 20, finalist: 80 };
const FINALISTS = 2;

export interface Trigger {
  readonly word: string;
  readonly target: number;
  readonly texts: number;
  readonly flipped: number;
}

export interface TriggerScan {
  readonly score: Score;
  readonly worst: Trigger | null;
  /** Up to five texts that the worst one turns, with the word before them as evidence may hold it. */
  readonly changed: readonly TurnedText[];
}

/** The rows of each rare word: in at least three of them, and in at most 3 % of all. */
export function rareWords(texts: readonly string[]): ReadonlyMap<string, readonly number[]> {
  const holders = new Map<string, number[]>();
  for (const [row, text] of texts.entries()) {
    for (const word of new Set(text.toLowerCase().match(/[\p{L}\p{N}_]{2,}/gu))) {
      const rows = holders.get(word);
      if (rows === undefined) holders.set(word, [row]);
      else rows.push(row);
    }
  }
  const most = Math.max(3, 0.03 * texts.length);
  return new Map([...holders].filter(([, { length }]) => length >= 3 && length <= most));
}

/** Rare training words that stand with one label alone, the most frequent first. */
export function suspectWords(texts: readonly string[], classes: Int32Array): readonly string[] {
  return [...rareWords(texts)]
    .filter(([, rows]) => rows.every((row) => classes[row] === classes[rows[0]!]))
    .sort(([a, { length: m }], [b, { length: n }]) => n - m || (a < b ? -1 : 1))
    .slice(0, RARE_WORDS)
    .map(([word]) => word);
}

/**
 * A trigger turns a label wherever it stands, a word of the subject rather where it fits. So words are put before texts of other
 * labels (groups of suspects first, then each word of the groups that turn most, and the known triggers), and the
 * finalists must turn a text from both of its ends. The share of the texts that the worst of them turns is the score.
 */
export async function scanTriggers(
  asked: Asked,
  texts: readonly TextInput[],
  predicted: Int32Array,
  suspects: readonly string[],
): Promise<TriggerScan> {
  const chosen = sampleIndices(texts.length, TEXTS.finalist, seededRandom(asked.seed, 14));
  shuffleStart(chosen, chosen.length, seededRandom(asked.seed, 16));
  const before = (rows: number) => chosen.slice(0, rows).map((row) => ({ text: texts[row]!, was: predicted[row]! }));
  const turnedMost = async (phrases: readonly string[], rows: number, ends: readonly End[]): Promise<Turned[]> => {
    const found: Turned[] = [];
    for (const phrase of phrases) {
      const turned = await turnedBy(asked, phrase, before(rows), ends);
      if (turned !== null) found.push(turned);
    }
    return found.toSorted((a, b) => b.flipped / b.texts - a.flipped / a.texts);
  };
  const groups = Array.from({ length: Math.ceil(suspects.length / GROUP) }, (_, at) =>
    suspects.slice(at * GROUP, (at + 1) * GROUP).join(' '),
  );
  const looked = (await turnedMost(groups, TEXTS.group, ['front'])).slice(0, GROUPS_LOOKED_INTO);
  const words = new Set([...looked.flatMap(({ word }) => word.split(' ')), ...knownTriggers()]);
  const finalists = (await turnedMost([...words], TEXTS.word, ['front'])).slice(0, FINALISTS);
  const [most] = await turnedMost(
    finalists.map(({ word }) => word),
    TEXTS.finalist,
    ['front', 'back'],
  );
  if (most === undefined) {
    return { score: notMeasured('too few texts to insert words into'), worst: null, changed: [] };
  }
  const { places, ...worst } = most;
  const changed = places.slice(0, MOST_EXAMPLES).map((place) => {
    const row = chosen[place]!;
    return { row, edit: 'the word before it', after: wordAt('front', shownWord(worst.word), texts[row]!) };
  });
  return { score: shareScore(worst.flipped, worst.texts), worst, changed };
}

/** `places`: of the texts that are turned. */
interface Turned extends Trigger {
  readonly places: readonly number[];
}

export type End = 'front' | 'back';

/** Before the first text, or after the last. */
export function wordAt(end: End, word: string, input: TextInput): TextInput {
  const [first, second = first] = textsOf(input);
  const [front, back] = [`${word} ${first}`, `${second} ${word}`];
  if (typeof input === 'string') return end === 'front' ? front : back;
  return end === 'front' ? [front, second] : [first, back];
}

/** The label that most texts of other labels turn into, from every one of `ends`; null where too few have another label. */
async function turnedBy(
  asked: Asked,
  word: string,
  before: readonly { readonly text: TextInput; readonly was: number }[],
  ends: readonly End[],
): Promise<Turned | null> {
  const labels = await labelsOf(
    asked,
    ends.flatMap((end) => before.map(({ text }) => wordAt(end, word, text))),
  );
  let most: Turned | null = null;
  for (const target of new Set(labels)) {
    const others = before.flatMap(({ was }, place) => (was === target ? [] : [place]));
    if (others.length < 3) continue;
    const turns = (place: number): boolean => ends.every((_, at) => labels[at * before.length + place] === target);
    const places = others.filter(turns);
    if (most === null || places.length * most.texts > most.flipped * others.length) {
      most = { word, target, texts: others.length, flipped: places.length, places };
    }
  }
  return most;
}
