/**
 * The tuned model measured as it will be served: the exported graph on onnxruntime-node, through the code that serves.
 * Everything that a gate judges, the evidence for people, and the reference that drift is measured against.
 */
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import type { ReferenceStatistics } from '../../artifacts/bundle.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { TextModel } from '../../inference/text-model.ts';
import type { EvaluatedGate } from '../../pipelines/gate-table.ts';
import type { Score } from '../contract/measures.ts';
import type { EvaluateModelInput, Evaluation } from '../contract/validation.ts';
import { hardware, measureModel } from '../selection/profile-encoder.ts';
import type { StepContext, StepDefinition } from '../step.ts';
import { checkEdgeInputs, measureFlips } from './behaviour.ts';
import { withoutBulk } from './bulk.ts';
import { loadShifted } from '../data/shifted.ts';
import { loadClassified, type LabelledRows } from '../data/dataset.ts';
import { sampleRows } from './sample-rows.ts';
import { float32ToBytes } from './float32.ts';
import { argmaxRows, confusionMatrix, confusionRows, finiteOrNull, labelScores } from './metrics.ts';
import { checkout, predictBaseline, requireFinite } from './baseline.ts';
import { discordance, mcnemar } from './paired.ts';
import { calibrationOf } from './calibration.ts';
import { diagnose } from './diagnose.ts';
import { accuracyScore, f1Scores, gainScore, plainScore, worstMistakes, type Predictions } from './scores.ts';
import { trivialModels, type Trivial } from './trivial.ts';

/** Rows of train and of validation that are predicted: their accuracy then has a standard error of about 1 %. */
const SPLIT_ROWS = 2000;
/** Test rows that are edited for the flip rate: each costs one prediction an edit. */
const FLIP_ROWS = 500;
/** Different texts whose latency is measured. */
const LATENCY_TEXTS = 200;
const MISTAKES = 20;
/** Training rows that a trivial model learns from: word counts are known from far fewer. */
const TRIVIAL_ROWS = 10_000;

export const evaluateModel: StepDefinition<EvaluateModelInput, Evaluation> = {
  type: 'validation.evaluate',
  version: 5,
  // Latency is among the measures: on other hardware it is another result.
  environment: () => Promise.resolve(hardware()),
  async run(input, context) {
    const folder = await checkout(context, input.classifier, 'classifier');
    const model = await TextModel.load(folder);
    try {
      return await evaluate(input, context, folder, model);
    } finally {
      await model.release();
    }
  },
};

async function evaluate(
  input: EvaluateModelInput,
  context: StepContext,
  folder: string,
  model: TextModel,
): Promise<Evaluation> {
  const { store, signal } = context;
  const labels = labelsOf(model);
  const { seed } = input;
  const read = (split: 'train' | 'validation' | 'test') => loadClassified(store, input.dataset, split, labels, signal);
  const test = await read('test');
  if (test.ids.length === 0) {
    throw new EspalierError('BadData', 'the test split has no rows to evaluate on', {
      where: 'test.jsonl',
      fix: 'declare test files, or give data.split.test a share',
    });
  }
  const answers = await predict(model, test, context, 'test rows');
  const { predicted } = answers;
  const outcome = { expected: test.classes, predicted };
  const learnt = await read('train');
  const trainRows = sampleRows(learnt, SPLIT_ROWS, seed);
  const train = await predict(model, trainRows, context, 'training rows');
  const held = await predict(model, sampleRows(await read('validation'), SPLIT_ROWS, seed), context, 'validation rows');
  const elsewhere = await loadShifted(store, input.dataset, labels, signal);
  const shifted =
    elsewhere === null
      ? null
      : await predict(model, sampleRows(elsewhere, SPLIT_ROWS, seed), context, 'rows from elsewhere');
  const trainAccuracy = accuracyScore(train);
  const validationAccuracy = accuracyScore(held);

  const baseline = await predictBaseline(input, context, { test, train: trainRows }, labels);
  const frozen = baseline.predicted;
  context.progress({ phase: 'intervals' });
  const f1 = await f1Scores(outcome, labels.length, { seed, signal });
  const gainOverProbe = await gainScore(test.classes, predicted, frozen, { seed, signal });

  const calibration = await calibrationOf(answers.probabilities, test.classes, labels.length, { seed, signal });
  context.progress({ phase: 'trivial models' });
  const trivial = await trivialModels(sampleRows(learnt, TRIVIAL_ROWS, seed), test, labels.length, signal);
  const gainOverTrivial = await gainScore(test.classes, predicted, trivial[0].predicted, { seed, signal });

  context.progress({ phase: 'edge inputs' });
  const edgeInputs = await checkEdgeInputs(model, labels.length, signal);
  const flipTexts = sampleRows({ ...test, classes: predicted }, FLIP_ROWS, seed);
  const flips = await measureFlips(model, flipTexts.texts, flipTexts.classes, labels.length, {
    signal,
    onProgress: (done, total) => context.progress({ phase: 'harmless edits', done, total }),
  });
  const { measures: diagnosed, diagnosis } = await diagnose(
    {
      labels,
      answered: {
        train: { classes: train.expected, predicted: train.predicted },
        validation: { classes: held.expected, predicted: held.predicted },
        test: { classes: test.classes, predicted },
      },
      frozen: baseline.embedded,
      trainIds: trainRows.ids,
      groups: test.groups,
      shifted: shifted === null ? null : { classes: shifted.expected, predicted: shifted.predicted },
      seed,
      signal,
      onPhase: (phase) => context.progress({ phase }),
    },
    { model, train: trainRows.texts, allTrain: learnt.texts, test: test.texts },
  );
  context.progress({ phase: 'latency' });
  const { latency, memoryMb } = await measureModel(
    { folder, texts: sampleRows(test, LATENCY_TEXTS, seed).texts },
    signal,
  );

  const measures: Readonly<Record<EvaluatedGate, Score>> = {
    accuracy: accuracyScore(outcome),
    ...f1,
    gainOverProbe,
    gainOverTrivial,
    calibrationError: calibration.ece,
    ...diagnosed,
    latencyP95Ms: plainScore(latency.p95Ms, latency.runs),
    memoryMb: plainScore(memoryMb, latency.runs),
    sizeMb: plainScore((await stat(join(folder, 'model.onnx'))).size / 1e6, 0),
    edgeInputs: plainScore(edgeInputs.filter(({ ok }) => ok).length / edgeInputs.length, edgeInputs.length),
    flipRate: flips.score,
    exportParity: plainScore(input.exportParityMaxAbs, 0),
  };
  const confusion = confusionMatrix(test.classes, predicted, labels.length);
  const evaluation: Omit<Evaluation, 'details' | 'reference'> = {
    measures,
    baselineAccuracy: accuracyScore({ expected: test.classes, predicted: frozen }),
    trivial: trivial.map((one) => trivialRow(one, outcome)),
    calibration: { brier: calibration.brier, nll: calibration.nll, bins: calibration.bins },
    diagnosis,
    trainAccuracy,
    validationAccuracy,
    perLabel: labelScores(confusion, labels),
    confusion: confusionRows(confusion, labels.length),
    latency,
    hardware: hardware(),
    edgeInputs,
    mistakes: worstMistakes(test.ids, labels, outcome, answers.probabilities, MISTAKES),
  };
  const details = {
    ...evaluation,
    version: 1,
    labels,
    seed,
    flips: flips.byEdit,
    predictions: predictionRows(test, labels, answers, frozen),
  };
  return {
    ...withoutBulk(evaluation),
    details: await store.putJson(details, 'evaluation.json'),
    reference: await putReference(context, labels, test, answers),
  };
}

function trivialRow({ kind, predicted }: Trivial, { expected, predicted: tuned }: Predictions) {
  return {
    kind,
    accuracy: accuracyScore({ expected, predicted }),
    midP: mcnemar(discordance(expected, tuned, predicted)).midP,
  };
}

interface Answers {
  readonly expected: Int32Array;
  readonly predicted: Int32Array;
  /** Row-major [rows, dimension]. */
  readonly embeddings: Float32Array;
  /** Row-major [rows, labels]. */
  readonly probabilities: Float32Array;
}

async function predict(model: TextModel, rows: LabelledRows, context: StepContext, phase: string): Promise<Answers> {
  const classes = labelsOf(model).length;
  const { embeddings, probabilities = new Float32Array() } = await model.runAll(rows.texts, {
    signal: context.signal,
    onProgress: (done, total) => context.progress({ phase: `predicting ${phase}`, done, total }),
  });
  requireFinite(embeddings, model.config.dimension, rows, 'tuned model');
  requireFinite(probabilities, classes, rows, 'tuned model');
  return { expected: rows.classes, predicted: argmaxRows(probabilities, classes), embeddings, probabilities };
}

/** Every test row's outcome; the text only of those that the model got wrong, for whoever looks into them. */
function predictionRows(
  test: LabelledRows,
  labels: readonly string[],
  answers: Answers,
  frozen: Int32Array,
): unknown[] {
  return test.ids.map((rowId, row) => {
    const [expected, predicted] = [answers.expected[row]!, answers.predicted[row]!];
    return {
      rowId,
      expected: labels[expected],
      predicted: labels[predicted],
      probability: finiteOrNull(answers.probabilities[row * labels.length + predicted]!),
      frozenProbe: labels[frozen[row]!] ?? null,
      ...(expected === predicted ? {} : { text: test.texts[row] }),
    };
  });
}

/** The tree that monitoring compares traffic with (artifacts/bundle.ts). */
async function putReference(
  { store, workDir, signal }: StepContext,
  labels: readonly string[],
  test: LabelledRows,
  answers: Answers,
): Promise<ArtifactRef> {
  const rows = test.ids.length;
  const statistics: ReferenceStatistics = {
    version: 1,
    rows,
    dimension: answers.embeddings.length / rows,
    labels,
    embeddings: 'embeddings.f32',
    probabilities: 'probabilities.f32',
    textLengths: test.texts.map((text) => Array.from(text).length), // code points, as the server counts them
  };
  const folder = join(workDir, 'reference');
  await mkdir(folder);
  await Promise.all([
    writeFile(join(folder, 'reference.json'), canonicalJson(statistics)),
    writeFile(join(folder, 'embeddings.f32'), float32ToBytes(answers.embeddings)),
    writeFile(join(folder, 'probabilities.f32'), float32ToBytes(answers.probabilities)),
  ]);
  return store.putTree(folder, 'reference', { signal });
}

function labelsOf({ config }: TextModel): readonly string[] {
  if (config.kind === 'classifier') return config.labels;
  throw new EspalierError('BadModel', 'the model to evaluate is an encoder without a classifier', {
    where: 'classifier.json',
    fix: 'export the tuned model with the export step',
  });
}
