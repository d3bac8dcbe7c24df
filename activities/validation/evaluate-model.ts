/**
 * The tuned model measured as it will be served: the exported graph on onnxruntime-node, through the code that serves.
 * Everything that a gate judges, the evidence for people, and the reference that drift is measured against.
 */
import { stat } from 'node:fs/promises';
import { EspalierError } from '../../artifacts/errors.ts';
import { readModelConfig, type ModelConfig } from '../../inference/config.ts';
import { ImageModel } from '../../inference/image-model.ts';
import { TextModel } from '../../inference/text-model.ts';
import type { EvidenceDetails } from '../../pipelines/custom-gates.ts';
import type { EvaluatedGate, ExampledGate } from '../../pipelines/gates/table.ts';
import type { GateExample } from '../contract/examples.ts';
import type { Score } from '../contract/measures.ts';
import type { Diagnosis, EvaluateModelInput, Evaluation } from '../contract/validation.ts';
import { saysNothing, timedLatency, withoutTimeLimits } from '../selection/busy-machine.ts';
import { timePatiently } from '../selection/time-patiently.ts';
import { requireHardware, TIMED_TRIES } from '../selection/machines.ts';
import { hardware } from '../selection/profile-encoder.ts';
import { checkout } from '../checkout.ts';
import type { StepContext, StepDefinition } from '../step.ts';
import { withoutBulk } from './bulk.ts';
import { macroF1Gain } from './macro-f1-difference.ts';
import { confusionMatrix, confusionRows, finiteOrNull, labelScores, macroF1 } from './metrics.ts';
import { listedBehaviour } from './behaviour-tests.ts';
import { discordance, mcnemar } from './paired.ts';
import type { Mistake } from './all-rows.ts';
import { keptPredictions } from './ask-test.ts';
import { calibrationOfJudged } from './calibration.ts';
import { corruptionsDigest } from './corruptions.ts';
import { diagnose } from './diagnose.ts';
import { examinePictures } from './examine-pictures.ts';
import { examineTexts } from './examine-texts.ts';
import type { Examined } from './examined.ts';
import { idsOf } from './gate-examples.ts';
import { identitiesDigest } from './identity-swaps.ts';
import { textTableDigests } from './text-tables.ts';
import { corruptedExamples, labelExamples } from './label-examples.ts';
import { evaluateSeveralLabels } from './multi-label/evaluate.ts';
import { putReference } from './put-reference.ts';
import type { Corrupted } from './picture-robustness.ts';
import type { TraitScan } from './picture-traits.ts';
import type { PatchScan } from './picture-triggers.ts';
import { accuracyScore, f1Scores, gainScore, notMeasured, type Predictions } from './scores.ts';
import { bestByMacroF1, trivialModels, type Trivial } from './trivial.ts';
import { servedMeasures } from './served-measures.ts';

/** Of the package, and part of the key: data that change without the version. */
const tables = (home?: string) => ({
  identities: identitiesDigest(home),
  tables: textTableDigests(home),
  corruptions: corruptionsDigest(home),
});

export const evaluateModel: StepDefinition<EvaluateModelInput, Evaluation> = {
  type: 'validation.evaluate',
  version: 62,
  // Latency is among the measures, on other hardware it is another result; and so it is where a table of what is asked is another.
  environment: () => Promise.resolve({ ...hardware(), ...tables() }),
  tables,
  tries: TIMED_TRIES,
  identity: withoutTimeLimits,
  keeps: ({ latency }, { timeLimits }) => !saysNothing(timedLatency(latency, timeLimits)),
  async run(input, context) {
    requireHardware(hardware(), input.hardware);
    const folder = await checkout(context, input.classifier, 'classifier');
    const config = await readModelConfig(folder);
    const labels = labelsOf(config);
    await requireTestRows(input, context);
    if (config.input !== 'image' && config.kind === 'classifier' && config.thresholds !== undefined) {
      return evaluateSeveralLabels(input, context, folder, { ...config, thresholds: config.thresholds });
    }
    const model = config.input === 'image' ? await ImageModel.load(folder) : await TextModel.load(folder);
    try {
      const examined =
        model instanceof ImageModel
          ? await examinePictures(input, context, folder, model, labels)
          : await examineTexts(input, context, folder, model, labels);
      return await evaluate(input, context, folder, examined);
    } finally {
      await model.release();
    }
  },
};

async function requireTestRows({ dataset }: EvaluateModelInput, { store, signal }: StepContext): Promise<void> {
  const { size } = await stat(await store.fileInTree(dataset, 'test.jsonl', signal));
  if (size > 0) return;
  throw new EspalierError('BadData', 'the test split has no rows to evaluate on', {
    where: 'test.jsonl',
    fix: 'declare test files, or give data.split.test a share',
  });
}

async function evaluate(
  input: EvaluateModelInput,
  context: StepContext,
  folder: string,
  examined: Examined,
): Promise<Evaluation> {
  const { store, signal } = context;
  const { seed } = input;
  const { labels, all, test, train, validation: held, shifted } = examined;
  const { expected, predicted, frozen } = all;
  const outcome = { expected, predicted };
  const trainAccuracy = accuracyScore(train);
  const validationAccuracy = accuracyScore(held);
  context.progress({ phase: 'intervals' });
  const f1 = await f1Scores(outcome, labels.length, { seed, signal });
  const gainOverProbe = gainScore(expected, predicted, frozen);

  const calibration = await calibrationOfJudged(all.judged, { seed, signal });
  context.progress({ phase: 'trivial models' });
  const trivial = await trivialModels(examined.trivial.train, examined.trivial.test, labels.length, signal);
  const gainOverTrivial = gainScore(test.expected, test.predicted, trivial[0].predicted);
  const trivialByF1 = bestByMacroF1(trivial, test, labels.length).predicted;
  const { expected: truth, predicted: tuned } = test;
  const macroF1OverTrivial = await macroF1Gain(truth, trivialByF1, tuned, labels.length, { seed, signal });

  context.progress({ phase: 'edge inputs' });
  const edgeInputs = await examined.checkEdgeInputs();
  const flips = await examined.measureFlips();
  const corrupted = await examined.measureCorruption?.();
  const patches = await examined.scanPatches?.();
  const traits = await examined.scanTraits?.();
  context.progress({ phase: 'behaviour tests' });
  const behaviour = await examined.askBehaviour();
  const {
    measures: diagnosed,
    diagnosis,
    examples: diagnosedExamples,
  } = await diagnose(
    {
      labels,
      answered: {
        train: { classes: train.expected, predicted: train.predicted },
        validation: { classes: held.expected, predicted: held.predicted },
        test: { classes: test.expected, predicted: test.predicted },
      },
      wholeTest: { classes: expected, predicted },
      frozen: examined.frozen,
      trainIds: train.ids,
      trainRows: examined.trainRows,
      testIds: test.ids,
      groups: test.groups,
      pictures: examined.pictures,
      shifted: shifted === null ? null : { classes: shifted.expected, predicted: shifted.predicted },
      seed,
      signal,
      onPhase: (phase) => context.progress({ phase }),
    },
    examined.texts,
  );
  context.progress({ phase: 'latency' });
  const profile = await timePatiently(
    examined.measure,
    ({ latency }) => timedLatency(latency, input.timeLimits),
    context,
  );
  const served = await servedMeasures(input, context, folder, { profile, edgeInputs, flips });

  const measures: Readonly<Record<EvaluatedGate, Score>> = {
    accuracy: accuracyScore(outcome),
    ...f1,
    gainOverProbe,
    gainOverTrivial,
    macroF1OverTrivial,
    calibrationError: calibration.ece,
    ...diagnosed,
    ...served.measures,
    corruptionDrop: corrupted?.score ?? NO_PICTURES,
    patchFlips: patches?.score ?? NO_PICTURES,
    giveawayTrait: traits?.score ?? NO_PICTURES,
  };
  const examples = {
    ...diagnosedExamples,
    ...labelExamples(examined, { trivial: trivial[0].predicted, trivialByF1, edgeInputs }),
    flipRate: flips.examples,
    corruptionDrop: corruptedExamples(corrupted),
    patchFlips: patches?.examples ?? [],
    giveawayTrait: traits?.examples ?? [],
  } satisfies Record<ExampledGate, readonly GateExample[]>;
  const confusion = confusionMatrix(expected, predicted, labels.length);
  const evaluation: Omit<Evaluation, 'details' | 'reference'> = {
    measures,
    baselineAccuracy: accuracyScore({ expected, predicted: frozen }),
    trivial: trivial.map((one) => trivialRow(one, test, labels.length)),
    calibration: { brier: calibration.brier, nll: calibration.nll, bins: calibration.bins },
    diagnosis: {
      ...diagnosis,
      ...ofPictures(corrupted, patches, traits, labels),
      ...(input.corruptions === undefined ? {} : { corruptionTable: input.corruptions }),
      ...(served.parts.length === 0 ? {} : { hardwareFit: served.parts }),
    },
    ...(behaviour.length === 0 ? {} : { behaviour: listedBehaviour(behaviour) }),
    trainAccuracy,
    validationAccuracy,
    perLabel: labelScores(confusion, labels),
    confusion: confusionRows(confusion, labels.length),
    latency: profile.latency,
    hardware: hardware(),
    edgeInputs,
    mistakes: all.mistakes.map(withoutText),
    examples: idsOf(examples),
  };
  const details = {
    ...evaluation,
    measures,
    ...(behaviour.length === 0 ? {} : { behaviour }),
    version: 1,
    labels,
    seed,
    flips: flips.byEdit,
    // With the texts, which the step's result has not.
    mistakes: all.mistakes,
    examples,
    testRows: expected.length,
    predictions: keptPredictions(examined),
    ...(all.predictions === null ? {} : { allPredictions: { rows: expected.length, file: all.predictions } }),
  } satisfies EvidenceDetails<'labels'>;
  return {
    ...withoutBulk(evaluation),
    details: await store.putJson(details, 'evaluation.json'),
    reference: await putReference(context, { ...examined, sampled: test.ids.length < expected.length }),
  };
}

function withoutText({ rowId, expected, predicted, probability }: Mistake): Evaluation['mistakes'][number] {
  return { rowId, expected, predicted, probability };
}

const NO_PICTURES = notMeasured('the inputs are no pictures');

/** What is known of pictures alone. */
function ofPictures(
  corrupted: Corrupted | undefined,
  patches: PatchScan | undefined,
  traits: TraitScan | undefined,
  labels: readonly string[],
): Pick<Diagnosis, 'corruptions' | 'patch' | 'trait'> {
  if (corrupted === undefined || patches === undefined || traits === undefined) return {};
  const { worst } = patches;
  return {
    corruptions: corrupted.byCorruption,
    patch: worst === null ? null : { ...worst, target: labels[worst.target]! },
    trait: traitRule(traits, labels),
  };
}

function traitRule({ worst }: TraitScan, labels: readonly string[]): Diagnosis['trait'] {
  if (worst === null) return null;
  const { place, word, label, rows, both, labelled } = worst;
  return { trait: place ?? '', value: word, label: labels[label]!, rows, both, labelled };
}

function trivialRow({ kind, predicted }: Trivial, { expected, predicted: tuned }: Predictions, classes: number) {
  return {
    kind,
    accuracy: accuracyScore({ expected, predicted }),
    macroF1: finiteOrNull(macroF1(confusionMatrix(expected, predicted, classes), classes)),
    midP: mcnemar(discordance(expected, tuned, predicted)).midP,
  };
}

function labelsOf(config: ModelConfig): readonly string[] {
  if (config.kind === 'classifier') return config.labels;
  throw new EspalierError('BadModel', 'the model to evaluate is an encoder without a classifier', {
    where: 'classifier.json',
    fix: 'export the tuned model with the export step',
  });
}
