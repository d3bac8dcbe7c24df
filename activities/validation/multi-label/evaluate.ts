/**
 * A tuned model of several labels a row, measured as it will be served: each label from its own threshold on. Where one label a
 * row is right or wrong, here a row's accuracy is the share of its labels that are right (decisions.ts), and what is said of
 * accuracy (gaps, gains, slices) is said of its mean. What has no meaning for several labels says so instead of a number.
 */
import type { ClassifierConfig } from '../../../inference/config.ts';
import { TextModel } from '../../../inference/text-model.ts';
import { codePoints, wholeText, type TextInput } from '../../../inference/texts.ts';
import type { EvidenceDetails } from '../../../pipelines/custom-gates.ts';
import type { EvaluatedGate, ExampledGate } from '../../../pipelines/gates/table.ts';
import type { GateExample } from '../../contract/examples.ts';
import type { Score } from '../../contract/measures.ts';
import type { EvaluateModelInput, Evaluation } from '../../contract/validation.ts';
import { timedLatency } from '../../selection/busy-machine.ts';
import { timePatiently } from '../../selection/time-patiently.ts';
import { hardware, measureModel } from '../../selection/profile-encoder.ts';
import type { StepContext } from '../../step.ts';
import { listedBehaviour } from '../behaviour-tests.ts';
import { withoutBulk } from '../bulk.ts';
import { twinExamples } from '../diagnosis-examples.ts';
import { exampleOf, idsOf } from '../gate-examples.ts';
import { edgeExamples } from '../label-examples.ts';
import { finiteOrNull } from '../metrics.ts';
import { mcnemar } from '../paired.ts';
import { putReference } from '../put-reference.ts';
import { sampleIndices, seededRandom } from '../random.ts';
import { notMeasured, shareScore } from '../scores.ts';
import { findTwins, seenScore } from '../seen-texts.ts';
import { textShift } from '../row-shift.ts';
import { groupSlices, lengthSlices, listedSlices, opportunityGaps, worstGap, worstSlice } from '../slices.ts';
import { askFrozen, withFrozen } from './ask-frozen.ts';
import { askTables } from './ask-tables.ts';
import { labelCalibration } from './calibration.ts';
import { countExact, creditsOf, namesAt, type Decisions } from './decisions.ts';
import { diagnoseSets } from './diagnose.ts';
import { disturb } from './disturb.ts';
import { examine, type Answers, type Examined } from './examine.ts';
import { NOT_OF_SETS, setExamples } from './examples.ts';
import { macroF1Gain, rowsOfLostLabels } from './macro-f1-difference.ts';
import { countsOf, labelScores, macroF1 } from './metrics.ts';
import { averagePrecisionScore, f1Scores, meanDifference, meanOf, meanScore, pairedGain } from './scores.ts';
import { creditGaps } from './slices.ts';
import { crossFitted } from './thresholds.ts';
import { trivialSets } from './trivial.ts';
import { servedMeasures } from '../served-measures.ts';

const MISTAKES = 20;
const LATENCY_TEXTS = 200;
const LISTED = 20;

const LEFT_OUT = {
  corruptionDrop: notMeasured('the inputs are no pictures'),
  patchFlips: notMeasured('the inputs are no pictures'),
  giveawayTrait: notMeasured('the inputs are no pictures'),
} as const satisfies Partial<Record<EvaluatedGate, Score>>;

export async function evaluateSeveralLabels(
  input: EvaluateModelInput,
  context: StepContext,
  folder: string,
  config: ClassifierConfig & { readonly thresholds: readonly number[] },
): Promise<Evaluation> {
  const model = await TextModel.load(folder);
  try {
    const { dataset, seed } = input;
    const { labels, thresholds } = config;
    const examined = await examine(model, { dataset, seed, labels, thresholds }, context);
    return await evaluate(input, context, { folder, model, labels, thresholds, examined });
  } finally {
    await model.release();
  }
}

interface Material {
  readonly folder: string;
  readonly model: TextModel;
  readonly labels: readonly string[];
  readonly thresholds: readonly number[];
  readonly examined: Examined;
}

async function evaluate(input: EvaluateModelInput, context: StepContext, material: Material): Promise<Evaluation> {
  const { folder, labels, thresholds, examined } = material;
  const { test, train, validation, shifted, learnt } = examined;
  const { signal } = context;
  const options = { seed: input.seed, signal };
  const decisionsOf = ({ targets }: Answers, predicted: Uint8Array): Decisions => ({
    labels: labels.length,
    targets,
    predicted,
  });
  const credits = (answers: Answers, predicted = answers.predicted) => creditsOf(decisionsOf(answers, predicted));
  const decisions = decisionsOf(test, test.predicted);
  const [own, onTrain] = [credits(test), credits(train)];
  // The thresholds were fitted on these very rows: decided by them they would look better than any others.
  const heldOut = crossFitted(validation.probabilities, validation.targets, labels.length);
  const onValidation = credits(validation, heldOut);

  const { frozen, behind } = await withFrozen(input, context, async (encoder) => {
    const asked = await askFrozen(input, encoder, { test, train }, labels, context);
    const embed = async (texts: readonly TextInput[]) => (await encoder.runAll(texts, { signal })).embeddings;
    const sets = { ...material, train, test, frozen: { ...asked, embed }, seed: input.seed };
    return { frozen: asked, behind: await diagnoseSets(sets, context, LISTED) };
  });
  const probed = credits(test, frozen.decided);
  context.progress({ phase: 'trivial models' });
  const trivial = (await trivialSets(learnt, test, labels.length, signal))
    .map((one) => {
      const decided = decisionsOf(test, one.predicted);
      return { ...one, decided, credits: creditsOf(decided), macroF1: macroF1(countsOf(decided)()) };
    })
    .toSorted((a, b) => meanOf(b.credits) - meanOf(a.credits));
  const byF1 = trivial.reduce((best, one) => (one.macroF1 > best.macroF1 ? one : best)).decided;
  context.progress({ phase: 'intervals' });
  const { microF1, ...f1 } = await f1Scores(decisions, options);
  const precisions = await averagePrecisionScore(test.probabilities, decisions, options);
  const calibration = await labelCalibration(test.probabilities, decisions, options);
  const { invariance, edgeInputs, flips } = await disturb(input, context, { ...material, test });
  context.progress({ phase: 'domain shift' });
  const words = { train: train.texts.map(wholeText), test: test.texts.map(wholeText) };
  const shift = await textShift(frozen, words, options);
  const behaviour = await askTables(material, input.dataset, context);
  const { groups } = test;
  const slices = [...lengthSlices(test.texts.map(wholeText)), ...(groups === undefined ? [] : groupSlices(groups))];
  const gaps = creditGaps(own, slices);
  const opportunities = groups === undefined ? [] : opportunityGaps(...recalls(decisions, groups));
  context.progress({ phase: 'latency' });
  const places = sampleIndices(test.texts.length, LATENCY_TEXTS, seededRandom(input.seed));
  const texts = places.map((row) => test.texts[row]!);
  const profile = await timePatiently(
    () => measureModel({ folder, texts }, signal),
    ({ latency }) => timedLatency(latency, input.timeLimits),
    context,
  );
  const served = await servedMeasures(input, context, folder, { profile, edgeInputs, flips });
  const { twins, compared } = await findTwins({ allTrain: examined.allTrain, test: test.texts }, signal);

  const measures: Readonly<Record<EvaluatedGate, Score>> = {
    accuracy: meanScore(own),
    ...f1,
    gainOverProbe: pairedGain(own, probed),
    gainOverTrivial: pairedGain(own, trivial[0]!.credits),
    macroF1OverTrivial: await macroF1Gain(byF1, decisions, options),
    calibrationError: calibration.ece,
    trainValidationGap: meanDifference(onTrain, onValidation),
    validationTestGap:
      onValidation.length === 0 ? notMeasured('there are no validation rows') : meanDifference(onValidation, own),
    domainShift: shift.score,
    shiftedDrop:
      shifted === null
        ? notMeasured('the definition names no data.shiftedFiles')
        : meanDifference(own, credits(shifted)),
    sliceGap: worstGap(gaps),
    opportunityGap:
      opportunities[0]?.gap ??
      notMeasured(
        groups === undefined ? 'the definition names no data.groups' : 'no two groups have rows enough of a label',
      ),
    leakedTestRows: seenScore(twins.size, test.ids.length, compared),
    ...invariance.measures,
    ...behind.measures,
    ...LEFT_OUT,
    ...served.measures,
  };
  const rows = test.ids.length;
  const perLabel = labelScores(countsOf(decisions)(), labels);
  const examples: Readonly<Record<ExampledGate, readonly GateExample[]>> = {
    ...setExamples(
      { labels, test, validation: { ...validation, predicted: heldOut }, shifted },
      {
        perLabel,
        mistakes: worstRows(test, own, labels),
        own,
        probed,
        trivial: trivial[0]!.credits,
        lostLabels: rowsOfLostLabels(byF1, decisions),
        slice: slices.find(({ name }) => name === worstSlice(gaps)?.name),
        unequal: opportunities[0],
      },
    ),
    domainShift: shift.surest.map((row) => exampleOf(test.ids[row]!, 'told from training rows', test.texts[row])),
    edgeInputs: edgeExamples(edgeInputs),
    leakedTestRows: twinExamples(twins, test.ids, test.texts),
    ...invariance.examples,
    ...behind.examples,
    ...NOT_OF_SETS,
  };
  const evaluation: Omit<Evaluation, 'details' | 'reference'> = {
    measures,
    baselineAccuracy: meanScore(probed),
    trivial: await Promise.all(
      trivial.map(async (one) => ({
        kind: one.kind,
        accuracy: meanScore(one.credits),
        macroF1: finiteOrNull(one.macroF1),
        midP: mcnemar(discordant(own, one.credits)).midP,
        learntFrom: { rows: one.learntFrom, of: learnt.mostFrequent.rows },
      })),
    ),
    calibration: { brier: calibration.brier, nll: calibration.nll, bins: calibration.bins },
    diagnosis: {
      trainTestGap: meanDifference(onTrain, own),
      slices: listedSlices(gaps, LISTED),
      opportunities: opportunities.slice(0, LISTED).map(({ label, ...one }) => ({ ...one, label: labels[label]! })),
      ...invariance.diagnosis,
      ...behind.diagnosis,
      ...(served.parts.length === 0 ? {} : { hardwareFit: served.parts }),
    },
    severalLabels: {
      microF1,
      meanAveragePrecision: precisions.mean,
      subsetAccuracy: shareScore(countExact(decisions), rows),
      labelsPerRow: { given: perRow(test.targets, rows), predicted: perRow(test.predicted, rows) },
    },
    ...(behaviour.length === 0 ? {} : { behaviour: listedBehaviour(behaviour) }),
    trainAccuracy: meanScore(onTrain),
    validationAccuracy: meanScore(onValidation),
    perLabel: perLabel.map((score, label) => ({
      ...score,
      threshold: thresholds[label]!,
      ...(examined.fitted[label] === true ? {} : { unfitted: true }),
      averagePrecision: precisions.byLabel[label] ?? null,
      calibrationError: calibration.byLabel[label] ?? null,
    })),
    confusion: [],
    latency: profile.latency,
    hardware: hardware(),
    edgeInputs,
    mistakes: worstRows(test, own, labels),
    examples: idsOf(examples),
  };
  const wrong = new Map(test.ids.flatMap((id, row) => (own[row] === 1 ? [] : [[id, wholeText(test.texts[row]!)]])));
  const details = {
    ...evaluation,
    ...(behaviour.length === 0 ? {} : { behaviour }),
    measures,
    mistakes: evaluation.mistakes.map((mistake) => ({ ...mistake, text: wrong.get(mistake.rowId) })),
    version: 1,
    labels,
    thresholds,
    seed: input.seed,
    examples,
    flips: flips.byEdit,
    testRows: examined.testRows,
    // Probabilities stand in the reference, row by row in this order: of many labels they are more than a text can hold.
    predictions: test.ids.map((rowId, row) => ({
      rowId,
      expected: namesAt(test.targets, row, labels),
      predicted: namesAt(test.predicted, row, labels),
      accuracy: own[row]!,
      ...(own[row] === 1 ? {} : { text: wrong.get(rowId)! }),
    })),
  } satisfies EvidenceDetails<'label-sets'>;
  const textLengths = test.texts.map(codePoints);
  return {
    ...withoutBulk(evaluation),
    details: await context.store.putJson(details, 'evaluation.json'),
    reference: await putReference(context, {
      labels,
      thresholds,
      test,
      sampled: test.ids.length < examined.testRows,
      textLengths,
    }),
  };
}

/** Each label that a row has is recognised or not: that is what equal opportunity asks of groups. */
function recalls(
  { labels, targets, predicted }: Decisions,
  groups: NonNullable<Answers['groups']>,
): Parameters<typeof opportunityGaps> {
  const cells = [...targets.keys()].filter((at) => targets[at] === 1);
  return [
    cells.map((at) => groups[Math.floor(at / labels)]!),
    Int32Array.from(cells, (at) => at % labels),
    Int32Array.from(cells, (at) => (predicted[at] === 1 ? at % labels : -1)),
  ];
}

/** Rows that only one of two does better on. */
function discordant(first: Float64Array, second: Float64Array) {
  const better = (a: Float64Array, b: Float64Array): number => a.filter((credit, row) => credit > b[row]!).length;
  return { won: better(first, second), lost: better(second, first) };
}

function perRow(decided: Uint8Array, rows: number): number {
  return decided.reduce((sum, one) => sum + one, 0) / rows;
}

/** The rows that are most wrong, the surest first: `probability` is that of the label which the model is surest of and wrong about. */
function worstRows(test: Answers, credits: Float64Array, labels: readonly string[]): Evaluation['mistakes'] {
  const words = (decided: Uint8Array, row: number): string => namesAt(decided, row, labels).join(', ') || 'none';
  return test.ids
    .flatMap((rowId, row) => {
      if (credits[row] === 1) return [];
      const own = Array.from(labels, (_, label) => row * labels.length + label);
      const wrong = own.filter((at) => test.targets[at] !== test.predicted[at]);
      const sure = Math.max(
        ...wrong.map((at) => (test.predicted[at] === 1 ? test.probabilities[at]! : 1 - test.probabilities[at]!)),
      );
      return [{ rowId, expected: words(test.targets, row), predicted: words(test.predicted, row), probability: sure }];
    })
    .toSorted((left, right) => right.probability - left.probability || (left.rowId < right.rowId ? -1 : 1))
    .slice(0, MISTAKES);
}
