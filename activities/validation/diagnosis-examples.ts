/** The rows that show what stands behind a figure: labels, slices, leaks, and what the answers hang on. Pure. */
import { wholeText } from '../../inference/texts.ts';
import type { GateExample } from '../contract/examples.ts';
import type { Material, Texts } from './diagnose.ts';
import { editedExamples, exampleOf, MOST_EXAMPLES } from './gate-examples.ts';
import { oneLabel, rowsOfRule, type Giveaway } from './giveaway.ts';
import type { TurnedText } from './invariance.ts';
import type { Suspicion } from './label-quality.ts';
import { worstSlice, type OpportunityGap, type Slice, type SliceResult } from './slices.ts';

export type WordExample =
  | 'leakedTestRows'
  | 'giveawayWord'
  | 'noiseFlips'
  | 'paraphraseFlips'
  | 'identityFlips'
  | 'triggerFlips';
type RowExample = 'labelErrors' | 'domainShift' | 'sliceGap' | 'opportunityGap';
export type DiagnosedExample = WordExample | RowExample;
export type DiagnosisExamples = Readonly<Record<DiagnosedExample, readonly GateExample[]>>;
type Of<Gate extends DiagnosedExample> = Pick<DiagnosisExamples, Gate>;

/** Of what is no text. */
export const NO_WORD_EXAMPLES: Of<WordExample> = {
  leakedTestRows: [],
  giveawayWord: [],
  noiseFlips: [],
  paraphraseFlips: [],
  identityFlips: [],
  triggerFlips: [],
};

interface FoundRows {
  readonly suspicions: readonly Suspicion[];
  readonly surest: readonly number[];
  readonly slices: readonly Slice[];
  readonly gaps: readonly SliceResult[];
  readonly opportunities: readonly OpportunityGap[];
}

export function diagnosisExamples(
  {
    labels,
    answered,
    trainIds,
    testIds,
    groups,
  }: Pick<Material, 'labels' | 'answered' | 'trainIds' | 'testIds' | 'groups'>,
  texts: Pick<Texts, 'train' | 'test'> | null,
  { suspicions, surest, slices, gaps, opportunities }: FoundRows,
): Of<RowExample> {
  const { classes, predicted } = answered.test;
  const ofTest = (row: number, note: string): GateExample => exampleOf(testIds[row]!, note, texts?.test[row]);
  const wrong = (row: number, where: string): GateExample =>
    ofTest(row, `${labels[classes[row]!]!}, predicted as ${labels[predicted[row]!]!}; ${where}`);
  const slice = worstSlice(gaps)?.name ?? '';
  const [unequal] = opportunities;
  return {
    labelErrors: suspicions.slice(0, MOST_EXAMPLES).map(({ row, suggested }) => {
      const note = `labelled ${labels[answered.train.classes[row]!]!}, rather ${labels[suggested]!}`;
      return exampleOf(trainIds[row]!, note, texts?.train[row]);
    }),
    domainShift: surest.map((row) => ofTest(row, 'told from training rows')),
    sliceGap: (slices.find(({ name }) => name === slice)?.rows ?? [])
      .filter((row) => classes[row] !== predicted[row])
      .slice(0, MOST_EXAMPLES)
      .map((row) => wrong(row, slice)),
    opportunityGap:
      unequal === undefined || groups === undefined
        ? []
        : [...groups.keys()]
            .filter((row) => isUnrecognised(unequal, groups[row]!, classes[row]!, predicted[row]!))
            .slice(0, MOST_EXAMPLES)
            .map((row) => wrong(row, `${unequal.column}: ${unequal.unserved}`)),
  };
}

function isUnrecognised(
  { column, unserved, label }: OpportunityGap,
  group: Readonly<Record<string, string>>,
  expected: number,
  predicted: number,
): boolean {
  return group[column] === unserved && expected === label && predicted !== label;
}

interface FoundWords {
  /** A training row by the test row that repeats it. */
  readonly twins: ReadonlyMap<number, string>;
  readonly giveaway: Giveaway | null;
  /** The test rows that were edited. */
  readonly chosen: readonly number[];
  readonly noise: Changed;
  readonly paraphrases: Changed;
  readonly identities: Changed;
  /** Of all test rows that are kept. */
  readonly trigger: Changed;
}
interface Changed {
  readonly changed: readonly TurnedText[];
}

export function wordExamples(
  { answered, trainIds, testIds }: Pick<Material, 'answered' | 'trainIds' | 'testIds'>,
  texts: Pick<Texts, 'train' | 'test'>,
  { twins, giveaway, chosen, noise, paraphrases, identities, trigger }: FoundWords,
): Of<WordExample> {
  const learnt = texts.train.map(wholeText);
  const rows = giveaway === null ? [] : rowsOfRule(giveaway, learnt, oneLabel(answered.train.classes), MOST_EXAMPLES);
  const edited = ({ changed }: Changed) =>
    editedExamples(
      changed,
      chosen.map((row) => testIds[row]!),
      chosen.map((row) => texts.test[row]!),
    );
  return {
    leakedTestRows: twinExamples(twins, testIds, texts.test),
    giveawayWord: rows.map((row) =>
      exampleOf(trainIds[row]!, `has it as ${giveaway?.place ?? 'a word'}`, texts.train[row]),
    ),
    noiseFlips: edited(noise),
    paraphraseFlips: edited(paraphrases),
    identityFlips: editedExamples(identities.changed, testIds, texts.test),
    triggerFlips: editedExamples(trigger.changed, testIds, texts.test),
  };
}

export function twinExamples(
  twins: ReadonlyMap<number, string>,
  ids: readonly string[],
  texts: Texts['test'],
): readonly GateExample[] {
  const first = [...twins].toSorted(([a], [b]) => a - b).slice(0, MOST_EXAMPLES);
  return first.map(([row, twin]) => exampleOf(ids[row]!, `repeats the training row ${twin}`, texts[row]));
}
