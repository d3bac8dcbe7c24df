/** What of a model's answers must not depend on: thumbs, and who writes. Texts in, counts out. */
import type { TextModel } from '../../inference/text-model.ts';
import { editTexts, sameInput, type TextInput } from '../../inference/texts.ts';
import type { Score } from '../contract/measures.ts';
import { controlsOf, identityFamilies, type IdentityFamilies, type IdentityFamily } from './identities.ts';
import { MOST_EXAMPLES } from './gate-examples.ts';
import { argmaxRows } from './metrics.ts';
import { pairedShareInterval } from './paired.ts';
import { editsOf, type Perturbation } from './perturbations.ts';
import { notMeasured } from './scores.ts';
import { bootstrapInterval } from './statistics.ts';

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
  /** The first text that each edit turns, of one edit alone the first five; five at most. */
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
      if (flipped < Math.max(1, MOST_EXAMPLES / edits.length)) examples.push({ row, edit: name, after });
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
