/**
 * A word that switches one of several labels on or off, whatever else a text says: triggers.ts of several labels a row. Texts in,
 * counts out.
 */
import { decide } from '../../../inference/labels-above.ts';
import type { TextModel } from '../../../inference/text-model.ts';
import type { TextInput } from '../../../inference/texts.ts';
import type { Score } from '../../contract/measures.ts';
import { MOST_EXAMPLES } from '../gate-examples.ts';
import type { TurnedText } from '../invariance.ts';
import { seededRandom, shuffleStart } from '../random.ts';
import { notMeasured, shareScore, unmeasurable } from '../scores.ts';
import { shownWord } from '../shown-word.ts';
import { wilsonInterval } from '../statistics.ts';
import { timeSlice } from '../time-slice.ts';
import { knownTriggers, RARE_WORDS, rareWords, wordAt, type End } from '../triggers.ts';
import { whyNone, withCoverage, type Coverage } from './label-errors.ts';
import type { ToldWithout } from './without-rows.ts';
import { meanLogChance, type Witness } from './words-of-subject.ts';

/** With fewer texts on the other side of a label nothing is tried. */
const LEAST_TEXTS = 3;
/** Texts that a suspect, a word that turned many, and a finalist are put to. */
const TEXTS = { suspect: 8, word: 20, finalist: 80 };
/** Of each way, on and off: words of the subject switch their labels on, and must not crowd out what switches one off. */
const LOOKED_INTO = 8;
const FINALISTS = 2;
/** Of the texts that a word switches on, and that a head which never saw the word denies without its meaning, the share that this head switches, too: from here on it is of the subject. */
const OF_SUBJECT = 0.5;
const BOTH_ENDS = ['front', 'back'] as const;

/** Whether a label applies. */
export interface Switch {
  readonly label: number;
  readonly on: boolean;
}
export interface Suspect {
  readonly word: string;
  readonly to: Switch;
}

/** A word is suspected of switching a label on where its rows have it less likely than this, on (geometric) average. */
const EXPECTED = 0.5;
/** Rows of a word that a probe must have been asked about a label, as many as a rare word has at least: fewer are chance. */
const LEAST_ASKED = 3;

/**
 * Rare training words of which every row has some label, or none has it, half of each: first those whose rows are expected
 * otherwise by what saw none of them (`told`). A word of the subject stands with its label where the rest of the row says so, too,
 * and may well switch it on; a trigger stands where nothing else does. Rows say nothing of a label that no probe was asked of
 * them: `chances`, row-major [rows, labels], is NaN there.
 */
export async function suspectSwitches(
  {
    texts,
    targets,
    labels,
  }: { readonly texts: readonly string[]; readonly targets: Uint8Array; readonly labels: number },
  chances: Float64Array,
  toldWithout: ToldWithout,
  signal?: AbortSignal,
): Promise<readonly Suspect[]> {
  const pause = timeSlice(signal);
  const found: (Suspect & { readonly expected: number })[] = [];
  for (const [word, rows] of rareWords(texts)) {
    await pause();
    const told = toldWithout(rows);
    for (const on of [true, false]) {
      let [label, lowest] = [-1, 0];
      for (let one = 0; one < labels; one++) {
        if (!rows.every((row) => targets[row * labels + one] === Number(on))) continue;
        const asked = [...rows.keys()].filter((at) => !Number.isNaN(chances[rows[at]! * labels + one]!));
        if (asked.length < LEAST_ASKED) continue;
        const having = asked.map((at) => Math.min(1, told[at * labels + one]!));
        const expected = asked.length * meanLogChance(having.map((chance) => (on ? chance : 1 - Math.max(0, chance))));
        if (expected < (on ? Math.min(lowest, asked.length * Math.log(EXPECTED)) : lowest))
          [label, lowest] = [one, expected];
      }
      if (label !== -1) found.push({ word, to: { label, on }, expected: lowest });
    }
  }
  const first = found.toSorted((a, b) => a.expected - b.expected || (a.word < b.word ? -1 : 1));
  return [true, false].flatMap((on) =>
    first
      .filter(({ to }) => to.on === on)
      .slice(0, RARE_WORDS / 2)
      .map(({ word, to }) => ({ word, to })),
  );
}

export interface SwitchScan {
  readonly score: Score;
  readonly worst: (Suspect & { readonly texts: number; readonly flipped: number }) | null;
  /** Up to five texts that the worst one turns, with the word before them as evidence may hold it. */
  readonly changed: readonly TurnedText[];
}
export interface AskedSets {
  readonly model: Pick<TextModel, 'runAll'>;
  readonly labels: number;
  readonly thresholds: readonly number[];
  readonly seed: number;
  /** Asked of training words that switch a label on. */
  readonly witness: Witness;
  readonly signal?: AbortSignal;
}

/**
 * Each suspect is put before texts on the other side of its switch (several together would be a text about their label), then what
 * switches most, and the known triggers for every label; the finalists must switch a text from both of its ends, and not by what
 * rows without them teach, as words of the subject do. What is surest to switch a large share comes first, so that three texts of
 * a rare label do not outdo eighty.
 */
export async function scanSwitches(
  asked: AskedSets,
  texts: readonly TextInput[],
  predicted: Uint8Array,
  suspects: readonly Suspect[],
): Promise<SwitchScan> {
  const { labels } = asked;
  const order = Array.from(texts, (_, row) => row);
  shuffleStart(order, order.length, seededRandom(asked.seed, 14));
  const isOn = (sets: Uint8Array, row: number, label: number): boolean => sets[row * labels + label] === 1;
  const otherSide = ({ label, on }: Switch, rows: readonly number[]): readonly number[] =>
    rows.filter((row) => isOn(predicted, row, label) !== on);
  const turnedBy = async (phrase: string, rows: readonly number[], ends: readonly End[]) => {
    const sets = await setsOf(
      asked,
      ends.flatMap((end) => rows.map((row) => wordAt(end, phrase, texts[row]!))),
    );
    return (to: Switch): readonly number[] =>
      rows.filter((_, place) => ends.every((__, at) => isOn(sets, at * rows.length + place, to.label) === to.on));
  };
  const tried = async ({ word, to }: Suspect, most: number, ends: readonly End[]): Promise<Tried | null> => {
    const rows = otherSide(to, order).slice(0, most);
    if (rows.length < LEAST_TEXTS) return null;
    return { word, to, texts: rows.length, rows: (await turnedBy(word, rows, ends))(to) };
  };
  const most = async (all: readonly Suspect[], count: number, ends: readonly End[] = ['front']) => {
    const found: Tried[] = [];
    for (const suspect of all) {
      const one = await tried(suspect, count, ends);
      if (one !== null) found.push(one);
    }
    return found.toSorted((a, b) => surely(b) - surely(a));
  };
  /** Of every switch what a word that means nothing does, on the same texts. */
  const known: Tried[] = [];
  for (const word of knownTriggers()) {
    const rows = order.slice(0, TEXTS.word);
    const turned = await turnedBy(word, rows, ['front']);
    for (const to of Array.from({ length: labels }, (_, label) => [true, false].map((on) => ({ label, on }))).flat()) {
      const others = otherSide(to, rows);
      const moved = turned(to).filter((row) => others.includes(row));
      if (others.length >= LEAST_TEXTS) known.push({ word, to, texts: others.length, rows: moved });
    }
  }
  const looked = ofEachWay(await most(suspects, TEXTS.suspect), LOOKED_INTO);
  const words = [...(await most(looked, TEXTS.word)), ...known].toSorted((a, b) => surely(b) - surely(a));
  const ofSubject = async ({ word, to, rows }: Tried): Promise<boolean> => {
    if (!to.on || rows.length === 0) return false;
    const forms = [word, ...withoutMeaning(word)];
    const edited = forms.flatMap((form) =>
      BOTH_ENDS.flatMap((end) => rows.map((row) => wordAt(end, form, texts[row]!))),
    );
    const witnessed = await asked.witness(word, to.label, [...rows.map((row) => texts[row]!), ...edited]);
    if (witnessed === null) return false;
    const { expected, told } = witnessed;
    if (expected >= EXPECTED) return true;
    const isOn = (part: number, place: number): boolean => told[part * rows.length + place] === true;
    const isSwitched = (form: number, place: number): boolean =>
      BOTH_ENDS.every((_, end) => isOn(1 + form * BOTH_ENDS.length + end, place));
    // What it grants without the word, or with its letters that mean nothing, says nothing of the word.
    const grantsAnyway = (place: number): boolean =>
      isOn(0, place) || forms.some((_, form) => form > 0 && isSwitched(form, place));
    const denied = [...rows.keys()].filter((place) => !grantsAnyway(place));
    const switched = denied.filter((place) => isSwitched(0, place));
    return denied.length >= LEAST_TEXTS && switched.length >= OF_SUBJECT * denied.length;
  };
  const finalists: Tried[] = [];
  /** A word of the subject gives its place to the next, and counts as one that switches nothing. */
  const spared: Tried[] = [];
  for (const on of [true, false]) {
    let free = FINALISTS;
    for (const suspect of words.filter(({ to }) => to.on === on)) {
      const one = free === 0 ? null : await tried(suspect, TEXTS.finalist, BOTH_ENDS);
      if (one === null) continue;
      if (await ofSubject(one)) spared.push({ ...one, rows: [] });
      else {
        finalists.push(one);
        free--;
      }
    }
  }
  const [worst] = [...finalists, ...spared].toSorted((a, b) => surely(b) - surely(a));
  if (worst === undefined) {
    return { score: notMeasured('too few texts to insert words into'), worst: null, changed: [] };
  }
  const { rows, ...found } = worst;
  const changed = rows.slice(0, MOST_EXAMPLES).map((row) => {
    return { row, edit: 'the word before it', after: wordAt('front', shownWord(found.word), texts[row]!) };
  });
  return { score: shareScore(rows.length, found.texts), worst: { ...found, flipped: rows.length }, changed };
}

/**
 * Training words are suspected by what a probe was asked. Where it was asked nothing only published triggers were tried, which is
 * no evidence of the training words: the gate has no number then.
 */
export function scoreOfScan({ score, worst }: Pick<SwitchScan, 'score' | 'worst'>, coverage: Coverage): Score {
  if (score.notApplicable !== undefined) return score;
  if (coverage.labels > 0) return withCoverage(score, coverage);
  const wayOut = coverage.rows < coverage.allRows ? 'fewer labels' : 'more rows of each label';
  const found = worst === null ? '' : ` (the worst turned ${worst.flipped} of ${worst.texts} texts)`;
  return unmeasurable(
    `of ${coverage.allLabels} labels no training word was scanned, only published triggers were tried${found}: ${whyNone(coverage)}; ` +
      `train on ${wayOut}, or look through the rare words yourself and set gates.triggerFlips.severity to off`,
  );
}

/**
 * A word's letters in other orders: as odd as it is to an encoder, and no word. A planted one may switch what anything odd does.
 * None that reads as the word itself (`dad`, `2020`): it would switch what the word does. Of one letter repeated there is none.
 */
export function withoutMeaning(word: string): readonly string[] {
  const letters = Array.from(word);
  const half = Math.floor(letters.length / 2);
  const others = [letters.toReversed(), [...letters.slice(half), ...letters.slice(0, half)]].map((one) => one.join(''));
  return [...new Set(others)].filter((other) => other.toLowerCase() !== word.toLowerCase());
}

/** `rows`: of so many texts those that are turned. */
type Tried = Suspect & { readonly texts: number; readonly rows: readonly number[] };
const surely = ({ texts, rows }: Tried): number => wilsonInterval(rows.length, texts).low;

const ofEachWay = (tried: readonly Tried[], most: number): readonly Tried[] =>
  [true, false].flatMap((on) => tried.filter(({ to }) => to.on === on).slice(0, most));

async function setsOf({ model, thresholds, signal }: AskedSets, texts: readonly TextInput[]): Promise<Uint8Array> {
  const { probabilities } = await model.runAll(texts, signal === undefined ? {} : { signal });
  return decide(probabilities ?? new Float32Array(), thresholds);
}
