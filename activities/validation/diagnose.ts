/**
 * What stands behind a good figure: whether labels, splits and slices are what they seem, and on what the answers hang. Every
 * measure is of bounded cost: samples are seeded. Texts alone have words; the rest is measured on any input.
 */
import type { TextModel } from '../../inference/text-model.ts';
import { wholeText, type TextInput } from '../../inference/texts.ts';
import type { Score } from '../contract/measures.ts';
import type { Diagnosis } from '../contract/validation.ts';
import type { LabelledRows } from '../data/dataset.ts';
import { identityGate } from './counterfactuals.ts';
import {
  diagnosisExamples,
  NO_WORD_EXAMPLES,
  twinExamples,
  wordExamples,
  type DiagnosisExamples,
} from './diagnosis-examples.ts';
import { excessGap } from './excess-gap.ts';
import { findGiveaways, oneLabel } from './giveaway.ts';
import { noiseFlips } from './invariance.ts';
import { paraphraseFlips } from './paraphrases.ts';
import { findLabelErrors } from './label-quality.ts';
import { labelSignal } from './label-signal.ts';
import { countCorrect } from './metrics.ts';
import { sampleIndices, seededRandom } from './random.ts';
import { sameMixDifference } from './same-mix.ts';
import { notMeasured } from './scores.ts';
import { shareDifference } from './shares.ts';
import type { SeenPictures } from './seen-pictures.ts';
import { findTwins, seenScore } from './seen-texts.ts';
import { pictureShift, textShift } from './row-shift.ts';
import { shownWord } from './shown-word.ts';
import { groupSlices, lengthSlices, listedSlices, opportunityGaps, sliceGaps, worstGap, type Slice } from './slices.ts';
import { scanTriggers, suspectWords } from './triggers.ts';
import { wordRule } from './word-rule.ts';

/** Test rows that are edited, and to which sentences are added: each costs a prediction an edit. */
export const EDITED_ROWS = 150;
/** Of them those that sentences are added to: 29 predictions each. */
export const IDENTITY_ROWS = 100;
const LISTED = 20;

export interface Answered {
  readonly classes: Int32Array;
  readonly predicted: Int32Array;
}
export interface Material {
  readonly labels: readonly string[];
  /** Sampled rows of each split as the tuned model answers them; of the test split those that are kept. */
  readonly answered: { readonly train: Answered; readonly validation: Answered; readonly test: Answered };
  /** Of every test row. */
  readonly wholeTest: Answered;
  /** Of declared rows from elsewhere; null where there are none. */
  readonly shifted: Answered | null;
  /** By the frozen encoder, which knows nothing of the labels; `train` is the sample that is answered. */
  readonly frozen: {
    readonly dimension: number;
    readonly train: Float32Array;
    readonly test: Float32Array;
    /** The penalty of the probe that selection trained. */
    readonly l2: number;
  };
  readonly trainIds: readonly string[];
  /** Of all training rows. */
  readonly trainRows: number;
  /** Of the test rows that are kept. */
  readonly testIds: readonly string[];
  /** Of the test rows that are kept; missing where the data have none. */
  readonly groups?: readonly Readonly<Record<string, string>>[] | undefined;
  /** null where the inputs are no pictures. */
  readonly pictures: SeenPictures | null;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly onPhase: (phase: string) => void;
}
export interface Texts {
  readonly model: Pick<TextModel, 'runAll'>;
  /** Of the sampled training rows, of all training rows in blocks, and of the test rows that are kept. */
  readonly train: readonly TextInput[];
  readonly allTrain: () => AsyncIterable<Pick<LabelledRows, 'ids' | 'texts'>>;
  readonly test: readonly TextInput[];
}

type AnyGate =
  | 'trainValidationGap'
  | 'validationTestGap'
  | 'labelSignal'
  | 'labelErrors'
  | 'domainShift'
  | 'shiftedDrop'
  | 'sliceGap'
  | 'opportunityGap';
type TextGate = 'leakedTestRows' | 'giveawayWord' | 'noiseFlips' | 'paraphraseFlips' | 'identityFlips' | 'triggerFlips';
export interface Diagnosed {
  readonly measures: Readonly<Record<AnyGate | TextGate, Score>>;
  readonly diagnosis: Diagnosis;
  readonly examples: DiagnosisExamples;
}

/** `texts` is null where inputs are no texts: what is about words does not apply. */
export async function diagnose(material: Material, texts: Texts | null): Promise<Diagnosed> {
  const { answered, frozen, labels, seed, signal, onPhase } = material;
  const classes = labels.length;
  const { dimension } = frozen;
  const hits = ({ classes: expected, predicted }: Answered) => ({
    hits: countCorrect(expected, predicted),
    rows: expected.length,
  });
  const [train, validation, test] = [hits(answered.train), hits(answered.validation), hits(material.wholeTest)];

  onPhase('label quality');
  const known = { embeddings: frozen.train, classes: answered.train.classes };
  const asked = { embeddings: frozen.test, classes: answered.test.classes };
  const settings = { dimension, classes, seed, signal, l2: frozen.l2 };
  const meaning = await labelSignal(known, asked, settings);
  const labelErrors = await findLabelErrors(known, settings);
  const sampled = material.trainRows > known.classes.length;
  const gap = await excessGap({ ...known, predicted: answered.train.predicted }, validation, { ...settings, sampled });

  onPhase('domain shift');
  const shift = await (texts === null
    ? pictureShift(frozen, { train: known.classes, test: asked.classes }, { seed, signal })
    : textShift(frozen, { train: texts.train.map(wholeText), test: texts.test.map(wholeText) }, { seed, signal }));
  const right = [...answered.test.classes].map((label, row) => label === answered.test.predicted[row]);
  const { groups, pictures } = material;
  const slices: readonly Slice[] = [
    ...(texts === null ? [] : lengthSlices(texts.test.map(wholeText))),
    ...(pictures?.slices ?? []),
    ...(groups === undefined ? [] : groupSlices(groups)),
  ];
  const opportunities =
    groups === undefined ? [] : opportunityGaps(groups, answered.test.classes, answered.test.predicted);
  const gaps = sliceGaps(right, slices);
  const words = texts === null ? null : await ofTexts(material, texts);
  return {
    measures: {
      trainValidationGap: gap,
      validationTestGap:
        validation.rows === 0 ? notMeasured('there are no validation rows') : shareDifference(validation, test),
      labelSignal: meaning?.score ?? notMeasured('there are no training rows'),
      labelErrors: labelErrors.score,
      domainShift: shift.score,
      shiftedDrop:
        material.shifted === null
          ? notMeasured('the definition names no data.shiftedFiles')
          : sameMixDifference(material.wholeTest, material.shifted),
      sliceGap: worstGap(gaps),
      opportunityGap:
        opportunities[0]?.gap ??
        notMeasured(
          groups === undefined ? 'the definition names no data.groups' : 'no two groups have rows enough of a label',
        ),
      ...(words?.measures ?? withoutWords(pictures)),
    },
    diagnosis: {
      trainTestGap: shareDifference(train, test),
      labelSignal: meaning === null ? null : { accuracy: meaning.accuracy, chance: meaning.chance },
      suspiciousLabels: labelErrors.suspicions.slice(0, LISTED).map(({ row, suggested, margin }) => ({
        rowId: material.trainIds[row]!,
        given: labels[known.classes[row]!]!,
        suggested: labels[suggested]!,
        margin,
      })),
      slices: listedSlices(gaps, LISTED),
      opportunities: opportunities.slice(0, LISTED).map(({ label, ...one }) => ({ ...one, label: labels[label]! })),
      ...words?.diagnosis,
    },
    examples: {
      ...diagnosisExamples(material, texts, {
        suspicions: labelErrors.suspicions,
        surest: shift.surest,
        slices,
        gaps,
        opportunities,
      }),
      ...(words?.examples ?? {
        ...NO_WORD_EXAMPLES,
        leakedTestRows: twinExamples(pictures?.twins ?? new Map<number, string>(), material.testIds, []),
      }),
    },
  };
}

const NO_WORDS = notMeasured('the inputs are no texts');
function withoutWords(pictures: SeenPictures | null): Readonly<Record<TextGate, Score>> {
  return {
    leakedTestRows: pictures?.leakedTestRows ?? NO_WORDS,
    giveawayWord: NO_WORDS,
    noiseFlips: NO_WORDS,
    paraphraseFlips: NO_WORDS,
    identityFlips: NO_WORDS,
    triggerFlips: NO_WORDS,
  };
}

async function ofTexts(material: Material, texts: Texts) {
  const { answered, labels, seed, signal, onPhase } = material;
  const asked = { model: texts.model, classes: labels.length, seed, signal };
  onPhase('leaks');
  const learnt = texts.train.map(wholeText);
  const { twins, compared } = await findTwins(texts, signal);
  const giveaways = await findGiveaways(learnt, oneLabel(answered.train.classes), labels.length, signal);

  const chosen = sampleIndices(texts.test.length, EDITED_ROWS, seededRandom(seed, 15));
  const sample = chosen.map((row) => texts.test[row]!);
  onPhase('typos');
  const labelled = Int32Array.from(chosen, (row) => answered.test.predicted[row]!);
  const noise = await noiseFlips(asked, sample, labelled);
  onPhase('other words');
  const paraphrases = await paraphraseFlips(asked, sample, labelled);
  onPhase('identities');
  const identities = await identityGate(
    asked,
    { ids: material.testIds, texts: texts.test, predicted: answered.test.predicted },
    chosen.slice(0, IDENTITY_ROWS),
  );
  onPhase('triggers');
  const suspects = suspectWords(learnt, answered.train.classes);
  const trigger = await scanTriggers(asked, texts.test, answered.test.predicted, suspects);
  return {
    measures: {
      leakedTestRows: seenScore(twins.size, texts.test.length, compared),
      giveawayWord: giveaways.score,
      noiseFlips: noise.score,
      paraphraseFlips: paraphrases.score,
      identityFlips: identities.score,
      triggerFlips: trigger.score,
    },
    diagnosis: {
      giveaway: wordRule(giveaways.placed, labels),
      telltale: wordRule(giveaways.anywhere, labels),
      noise: [...noise.byEdit, ...paraphrases.byEdit],
      identities: identities.byFamily,
      swaps: identities.swaps,
      trigger:
        trigger.worst === null
          ? null
          : { ...trigger.worst, word: shownWord(trigger.worst.word), target: labels[trigger.worst.target]! },
    },
    examples: wordExamples(material, texts, {
      twins,
      giveaway: giveaways.placed,
      chosen,
      noise,
      paraphrases,
      identities,
      trigger,
    }),
  };
}
