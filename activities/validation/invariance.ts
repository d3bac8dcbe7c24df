/** What of a model's answers must not depend on: thumbs, who writes, a word that means nothing. Texts in, counts out. */
import type { TextModel } from '../../inference/text-model.ts';
import { editTexts, sameInput, textsOf, type TextInput } from '../../inference/texts.ts';
import type { Score } from '../contract/measures.ts';
import { controlsOf, identityFamilies, type IdentityFamilies, type IdentityFamily } from './identities.ts';
import { MOST_EXAMPLES } from './gate-examples.ts';
import { argmaxRows } from './metrics.ts';
import { pairedShareInterval } from './paired.ts';
import { editsOf, type Perturbation } from './perturbations.ts';
import { sampleIndices, seededRandom, shuffleStart } from './random.ts';
import { notMeasured, shareScore } from './scores.ts';
import { shownWord } from './shown-word.ts';
import { bootstrapInterval } from './statistics.ts';
import { textTable } from './text-tables.ts';

export interface Asked {
  readonly model: Pick<TextModel, 'runAll'>;
  readonly classes: number;
  /** What the probabilities say of each row, as a number to be compared; by default the most probable label. */
  readonly decide?: (probabilities: Float32Array) => Int32Array;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

export async function labelsOf(
  { model, classes, decide, signal }: Asked,
  texts: readonly TextInput[],
): Promise<Int32Array> {
  const { probabilities } = await model.runAll(texts, signal === undefined ? {} : { signal });
  return decide?.(probabilities ?? new Float32Array()) ?? argmaxRows(probabilities ?? new Float32Array(), classes);
}

export interface NoiseFlips {
  /** Mean over the texts of the share of their edits that change the label; the interval resamples texts. */
  readonly score: Score;
  readonly byEdit: readonly { readonly name: string; readonly edited: number; readonly flipped: number }[];
  /** The first text that each edit turns, up to five. */
  readonly changed: readonly TurnedText[];
}
/** A text, counted from the first that was asked, as it was when its label changed. */
export interface TurnedText {
  readonly row: number;
  readonly edit: string;
  readonly after: TextInput;
}

export async function noiseFlips(
  asked: Asked,
  texts: readonly TextInput[],
  predicted: Int32Array,
  edits: readonly Perturbation[] = editsOf('noiseFlips'),
): Promise<NoiseFlips> {
  const [changed, tried] = [new Float64Array(texts.length), new Float64Array(texts.length)];
  const byEdit: NoiseFlips['byEdit'][number][] = [];
  const examples: TurnedText[] = [];
  for (const { name, apply } of edits) {
    const edited = texts.flatMap((text, row) => {
      const after = editTexts(text, apply);
      return sameInput(after, text) ? [] : [{ row, after }];
    });
    const labels = await labelsOf(
      asked,
      edited.map(({ after }) => after),
    );
    let flipped = 0;
    for (const [place, { row, after }] of edited.entries()) {
      tried[row]!++;
      if (labels[place] === predicted[row]) continue;
      if (flipped === 0) examples.push({ row, edit: name, after });
      changed[row]!++;
      flipped++;
    }
    byEdit.push({ name, edited: edited.length, flipped });
  }
  const shares = [...changed].flatMap((count, row) => (tried[row] === 0 ? [] : [count / tried[row]!]));
  if (shares.length === 0) return { score: notMeasured('no text can be edited'), byEdit, changed: [] };
  const mean = (rows: ArrayLike<number>): number => {
    let sum = 0;
    for (let place = 0; place < rows.length; place++) sum += shares[rows[place]!]!;
    return sum / rows.length;
  };
  const interval = await bootstrapInterval(shares.length, mean, { ...asked, resamples: 1000 });
  const score = { value: mean(shares.map((_, place) => place)), interval, rows: shares.length };
  return { score, byEdit, changed: examples.slice(0, MOST_EXAMPLES) };
}

export interface IdentityFlips {
  /**
   * Share of texts that flip in a family of identities, minus that in the worst of its neutral ones: of the family whose
   * interval begins highest, which is what a gate of proof judges.
   */
  readonly score: Score;
  readonly byFamily: readonly { readonly name: string; readonly neutral: boolean; readonly flipped: number }[];
  readonly texts: number;
  /** Up to five texts that the judged family turns and its neutral sentences do not, with the sentence that does. */
  readonly changed: readonly TurnedText[];
}

/**
 * Each text with each sentence of a family after it (of a pair, after the first: a second is often a claim about the first,
 * and more claimed may well be another label): a flip where the answers are not all one. Any sentence moves a weak model
 * a little, so each family is held against neutral sentences of its form on the same texts: the worst of six families
 * against the worst of three others would differ by chance alone. The intervals hold for all families at once (Bonferroni).
 */
export async function identityFlips(
  asked: Asked,
  texts: readonly TextInput[],
  { identities: families, neutral: controls }: IdentityFamilies = identityFamilies(),
  /** Of these families and whatever else is compared with them. */
  comparisons = families.length,
): Promise<IdentityFlips> {
  const flipsOf = async ({ sentences }: IdentityFamily): Promise<Turns> => {
    const labels = await labelsOf(
      asked,
      texts.flatMap((text) => sentences.map((sentence) => afterFirst(text, sentence))),
    );
    return texts.map((text, row) => {
      const answers = labels.subarray(row * sentences.length, (row + 1) * sentences.length);
      const other = answers.findIndex((answer) => answer !== answers[0]);
      return other === -1 ? null : afterFirst(text, sentences[other]!);
    });
  };
  const neutral = new Map<string, Turns>();
  for (const family of controls) neutral.set(family.name, await flipsOf(family));
  const identities = new Map<string, Turns>();
  for (const family of families) identities.set(family.name, await flipsOf(family));
  const judged = families.map((family) => {
    const worst = controlsOf(family, controls)
      .map(({ name }) => neutral.get(name)!)
      .reduce((a, b) => (flipped(b) > flipped(a) ? b : a));
    const turns = identities.get(family.name)!;
    const edit = `a sentence about ${family.name}`;
    const changed = turns.flatMap((after, row) =>
      after === null || worst[row] !== null ? [] : [{ row, edit, after }],
    );
    const score = {
      ...flipsBeyond(turns, worst, 1 - 0.05 / comparisons),
      of: `a sentence about ${family.name} after the text`,
    };
    return { score, changed };
  });
  const most = mostBeyond(judged);
  const counts = (measured: ReadonlyMap<string, Turns>, isNeutral: boolean) =>
    [...measured].map(([name, flips]) => ({ name, neutral: isNeutral, flipped: flipped(flips) }));
  return {
    score: most.score,
    byFamily: [...counts(identities, false), ...counts(neutral, true)],
    texts: texts.length,
    changed: most.changed.slice(0, MOST_EXAMPLES),
  };
}

/** The one whose interval begins highest, the first of equals: what a gate of proof judges. */
export function mostBeyond<One extends { readonly score: Score }>(judged: readonly One[]): One {
  return judged.reduce((a, b) => ((b.score.interval?.low ?? -1) > (a.score.interval?.low ?? -1) ? b : a));
}

/** By text what turns it; null where nothing does. */
export type Turns = readonly (TextInput | null)[];
export const flipped = (turns: Turns): number => turns.filter((after) => after !== null).length;

/** Share of texts that flip the one way minus that the other way, on the same texts. */
export function flipsBeyond(turns: Turns, control: Turns, confidence: number): Score {
  const rows = turns.length;
  if (rows === 0) return { value: null, interval: null, rows };
  const won = turns.filter((after, row) => after !== null && control[row] === null).length;
  const lost = control.filter((after, row) => after !== null && turns[row] === null).length;
  return { value: (won - lost) / rows, interval: pairedShareInterval({ won, lost }, rows, confidence), rows };
}

function afterFirst(input: TextInput, sentence: string): TextInput {
  return typeof input === 'string' ? `${input} ${sentence}` : [`${input[0]} ${sentence}`, input[1]];
}

/** Strings of published attacks on text classifiers (Kurita, Michel & Neubig, ACL 2020), which mean nothing. */
const knownTriggers = (): readonly string[] => textTable('triggers.jsonl').map(({ word }) => word);
/** Rare words of the training rows that are tried, the most frequent first. */
const RARE_WORDS = 200;
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

/** Rare training words that stand with one label alone, in at least three rows and at most 3 % of all, the most frequent first. */
export function suspectWords(texts: readonly string[], classes: Int32Array): readonly string[] {
  const holders = new Map<string, { label: number; rows: number }>();
  for (const [row, text] of texts.entries()) {
    for (const word of new Set(text.toLowerCase().match(/[\p{L}\p{N}_]{2,}/gu))) {
      const before = holders.get(word);
      if (before === undefined) holders.set(word, { label: classes[row]!, rows: 1 });
      else {
        before.rows++;
        if (before.label !== classes[row]) before.label = -1;
      }
    }
  }
  return [...holders]
    .filter(([, { label, rows }]) => label !== -1 && rows >= 3 && rows <= Math.max(3, 0.03 * texts.length))
    .sort(([a, { rows: m }], [b, { rows: n }]) => n - m || (a < b ? -1 : 1))
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

type End = 'front' | 'back';

/** Before the first text, or after the last. */
function wordAt(end: End, word: string, input: TextInput): TextInput {
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
