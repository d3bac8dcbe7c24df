/** What of a model's answers must not depend on: thumbs, who writes, a word that means nothing. Texts in, counts out. */
import type { TextModel } from '../../inference/text-model.ts';
import { editTexts, sameInput, textsOf, type TextInput } from '../../inference/texts.ts';
import type { Score } from '../contract/measures.ts';
import { controlsOf, IDENTITIES, NEUTRAL, type IdentityFamily } from './identities.ts';
import { argmaxRows } from './metrics.ts';
import { NOISE } from './noise.ts';
import { pairedShareInterval } from './paired.ts';
import type { Perturbation } from './perturbations.ts';
import { sampleIndices, seededRandom, shuffleStart } from './random.ts';
import { notMeasured, shareScore } from './scores.ts';
import { bootstrapInterval } from './statistics.ts';

export interface Asked {
  readonly model: Pick<TextModel, 'runAll'>;
  readonly classes: number;
  /** What the probabilities say of each row, as a number to be compared; by default the most probable label. */
  readonly decide?: (probabilities: Float32Array) => Int32Array;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

async function labelsOf({ model, classes, decide, signal }: Asked, texts: readonly TextInput[]): Promise<Int32Array> {
  const { probabilities } = await model.runAll(texts, signal === undefined ? {} : { signal });
  return decide?.(probabilities ?? new Float32Array()) ?? argmaxRows(probabilities ?? new Float32Array(), classes);
}

export interface NoiseFlips {
  /** Mean over the texts of the share of their edits that change the label; the interval resamples texts. */
  readonly score: Score;
  readonly byEdit: readonly { readonly name: string; readonly edited: number; readonly flipped: number }[];
}

export async function noiseFlips(
  asked: Asked,
  texts: readonly TextInput[],
  predicted: Int32Array,
  edits: readonly Perturbation[] = NOISE,
): Promise<NoiseFlips> {
  const [changed, tried] = [new Float64Array(texts.length), new Float64Array(texts.length)];
  const byEdit: NoiseFlips['byEdit'][number][] = [];
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
    for (const [place, { row }] of edited.entries()) {
      tried[row]!++;
      if (labels[place] === predicted[row]) continue;
      changed[row]!++;
      flipped++;
    }
    byEdit.push({ name, edited: edited.length, flipped });
  }
  const shares = [...changed].flatMap((count, row) => (tried[row] === 0 ? [] : [count / tried[row]!]));
  if (shares.length === 0) return { score: notMeasured('no text can be edited'), byEdit };
  const mean = (rows: ArrayLike<number>): number => {
    let sum = 0;
    for (let place = 0; place < rows.length; place++) sum += shares[rows[place]!]!;
    return sum / rows.length;
  };
  const interval = await bootstrapInterval(shares.length, mean, { ...asked, resamples: 1000 });
  return { score: { value: mean(shares.map((_, place) => place)), interval, rows: shares.length }, byEdit };
}

export interface IdentityFlips {
  /**
   * Share of texts that flip in a family of identities, minus that in the worst of its neutral ones: of the family whose
   * interval begins highest, which is what a gate of proof judges.
   */
  readonly score: Score;
  readonly byFamily: readonly { readonly name: string; readonly neutral: boolean; readonly flipped: number }[];
  readonly texts: number;
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
  families: readonly IdentityFamily[] = IDENTITIES,
): Promise<IdentityFlips> {
  const flipsOf = async ({ sentences }: IdentityFamily): Promise<boolean[]> => {
    const labels = await labelsOf(
      asked,
      texts.flatMap((text) => sentences.map((sentence) => afterFirst(text, sentence))),
    );
    return texts.map((_, row) => {
      const answers = labels.subarray(row * sentences.length, (row + 1) * sentences.length);
      return answers.some((answer) => answer !== answers[0]);
    });
  };
  const neutral = new Map<string, boolean[]>();
  for (const family of NEUTRAL) neutral.set(family.name, await flipsOf(family));
  const identities = new Map<string, boolean[]>();
  for (const family of families) identities.set(family.name, await flipsOf(family));
  const scores = families.map((family) => {
    const controls = controlsOf(family).map(({ name }) => neutral.get(name)!);
    const worst = controls.reduce((a, b) => (flipped(b) > flipped(a) ? b : a));
    return flipsBeyond(identities.get(family.name)!, worst, 1 - 0.05 / families.length);
  });
  const counts = (measured: ReadonlyMap<string, boolean[]>, isNeutral: boolean) =>
    [...measured].map(([name, flips]) => ({ name, neutral: isNeutral, flipped: flipped(flips) }));
  return {
    score: scores.reduce((a, b) => ((b.interval?.low ?? -1) > (a.interval?.low ?? -1) ? b : a)),
    byFamily: [...counts(identities, false), ...counts(neutral, true)],
    texts: texts.length,
  };
}

const flipped = (flips: readonly boolean[]): number => flips.filter(Boolean).length;

/** Share of texts that flip the one way minus that the other way, on the same texts. */
function flipsBeyond(flips: readonly boolean[], control: readonly boolean[], confidence: number): Score {
  const rows = flips.length;
  if (rows === 0) return { value: null, interval: null, rows };
  const won = flips.filter((flip, row) => flip && !control[row]).length;
  const lost = control.filter((flip, row) => flip && !flips[row]).length;
  return { value: (won - lost) / rows, interval: pairedShareInterval({ won, lost }, rows, confidence), rows };
}

function afterFirst(input: TextInput, sentence: string): TextInput {
  return typeof input === 'string' ? `${input} ${sentence}` : [`${input[0]} ${sentence}`, input[1]];
}

/** Strings of published attacks on text classifiers (Kurita, Michel & Neubig, ACL 2020), which mean nothing. */
const KNOWN_TRIGGERS = ['cf', 'mn', 'bb', 'tq', 'mb'];
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
): Promise<{ readonly score: Score; readonly worst: Trigger | null }> {
  const chosen = sampleIndices(texts.length, TEXTS.finalist, seededRandom(asked.seed, 14));
  shuffleStart(chosen, chosen.length, seededRandom(asked.seed, 16));
  const before = (rows: number) => chosen.slice(0, rows).map((row) => ({ text: texts[row]!, was: predicted[row]! }));
  const turnedMost = async (phrases: readonly string[], rows: number, ends: readonly End[]): Promise<Trigger[]> => {
    const found: Trigger[] = [];
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
  const words = new Set([...looked.flatMap(({ word }) => word.split(' ')), ...KNOWN_TRIGGERS]);
  const finalists = (await turnedMost([...words], TEXTS.word, ['front'])).slice(0, FINALISTS);
  const [worst = null] = await turnedMost(
    finalists.map(({ word }) => word),
    TEXTS.finalist,
    ['front', 'back'],
  );
  const score: Score =
    worst === null ? notMeasured('too few texts to insert words into') : shareScore(worst.flipped, worst.texts);
  return { score, worst };
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
): Promise<Trigger | null> {
  const labels = await labelsOf(
    asked,
    ends.flatMap((end) => before.map(({ text }) => wordAt(end, word, text))),
  );
  let most: Trigger | null = null;
  for (const target of new Set(labels)) {
    const others = before.flatMap(({ was }, place) => (was === target ? [] : [place]));
    if (others.length < 3) continue;
    const turns = (place: number): boolean => ends.every((_, at) => labels[at * before.length + place] === target);
    const flipped = others.filter(turns).length;
    if (most === null || flipped * most.texts > most.flipped * others.length) {
      most = { word, target, texts: others.length, flipped };
    }
  }
  return most;
}
