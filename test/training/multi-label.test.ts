import { deepEqual, equal, ok } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatasetSummary } from '../../activities/contract/data.ts';
import type { EncoderProbe, ExportedEncoder } from '../../activities/contract/selection.ts';
import type { ExportedClassifier, TrainedModel } from '../../activities/contract/training.ts';
import type { Evaluation } from '../../activities/contract/validation.ts';
import { probeEncoder } from '../../activities/selection/probe-encoder.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { exportClassifier } from '../../activities/training/export-classifier.ts';
import { exportEncoder } from '../../activities/training/export-encoder.ts';
import { trainModel } from '../../activities/training/train-model.ts';
import { evaluateModel } from '../../activities/validation/evaluate-model.ts';
import { judgeGates } from '../../activities/validation/gates.ts';
import { readModelConfig } from '../../inference/config.ts';
import { TextModel } from '../../inference/text-model.ts';
import { TextGatesSchema } from '../../pipelines/definition/gates.ts';
import { jsonl, prepare } from '../data/fixtures.ts';
import { pythonForTests } from '../support/python.ts';
import { runStep } from '../support/step.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { tinyModel } from '../support/tiny-model.ts';
import { temporaryFolder, trainingSpec } from './fixtures.ts';

const LABELS = ['account', 'delivery', 'refund'];
const WORDS: Readonly<Record<string, readonly string[]>> = {
  refund: ['refund', 'money', 'charged'],
  delivery: ['parcel', 'late', 'package'],
  account: ['login', 'password', 'account'],
};
const FILLERS = ['please', 'help', 'my', 'is', 'not', 'when', 'why', 'the', 'again', 'still'];

/** A third of the rows of each label, any of them together; the text has two words of each. */
function rows(count: number): { text: string; topics: string[]; channel: string }[] {
  let state = 5;
  const next = (below: number) => (state = (state * 48271 + 11) % 2147483647) % below;
  return Array.from({ length: count }, (_, at) => {
    const topics = LABELS.filter(() => next(5) < 2);
    const own = topics.flatMap((topic) => [WORDS[topic]?.[next(3)], WORDS[topic]?.[next(3)]]);
    const fillers = Array.from({ length: 3 + next(5) }, () => FILLERS[next(FILLERS.length)]);
    const name = String(at).replaceAll(/[0-9]/g, (digit) => 'abcdefghij'[Number(digit)] ?? '');
    return { text: [...fillers, ...own, name].join(' '), topics, channel: at % 2 === 0 ? 'mail' : 'chat' };
  });
}

describe('several labels a text, from rows to a judged model', function () {
  this.timeout(600_000);
  let storage: TestStore;
  let services: ActivityServices;
  let data: DatasetSummary;
  let encoder: ExportedEncoder;
  let probe: EncoderProbe;
  let trained: TrainedModel;
  let exported: ExportedClassifier;
  let evaluation: Evaluation;
  let folder: string;

  before(async () => {
    storage = await withStore();
    services = { store: storage.store, pointers: storage.pointers, python: pythonForTests() };
    const options = { label: 'topics', multiLabel: {}, groups: ['channel'] };
    data = await prepare(services, [{ path: 'topics.jsonl', content: jsonl(rows(360)) }], options);
    const tiny = await storage.store.putTree(await tinyModel(), 'tiny');
    encoder = await runStep(exportEncoder, { model: tiny, layers: null, pooling: 'mean', maxLength: 32 }, services);
    const { dataset, labels } = data;
    probe = await runStep(
      probeEncoder,
      { encoder: encoder.encoder, dataset, neighbours: 5, seed: 7, multiLabel: true },
      services,
    );
    const training = trainingSpec({ epochs: 6, learningRate: 2e-3, classWeights: true });
    trained = await runStep(
      trainModel,
      { weights: encoder.weights, dataset, labels, multiLabel: true, pooling: 'mean', maxLength: 32, training },
      services,
    );
    exported = await runStep(exportClassifier, { model: trained.model, dataset }, services);
    folder = join(await temporaryFolder(), 'classifier');
    await storage.store.checkout(exported.classifier, folder);
    evaluation = await runStep(
      evaluateModel,
      {
        classifier: exported.classifier,
        dataset,
        baseline: { encoder: encoder.encoder, probe: probe.probe },
        exportParityMaxAbs: exported.parityMaxAbs,
        seed: 7,
      },
      services,
    );
  });
  after(() => storage.close());

  it('calibrates each label, fits its threshold on validation rows, and says in Node what PyTorch says', async () => {
    equal(exported.calibratedLabels, 3);
    ok(exported.parityMaxAbs < 1e-4, String(exported.parityMaxAbs));
    const config = await readModelConfig(folder);
    ok(config.kind === 'classifier' && config.input !== 'image' && config.thresholds !== undefined);
    ok(
      config.thresholds.some((threshold) => threshold !== 0.5),
      String(config.thresholds),
    );
    const model = await TextModel.load(folder);
    const asked = ['please help the refund money parcel late', 'please help again'];
    const { probabilities } = await model.run(asked);
    await model.release();
    ok(probabilities !== undefined && probabilities.every((chance) => chance >= 0 && chance <= 1));
    const [account = 1, delivery = 0, refund = 0] = probabilities;
    ok(delivery > account && refund > account, String(probabilities));
  });

  it('measures the frozen probe by the same figures', () => {
    for (const score of [probe.knnAccuracy, probe.linearAccuracy, probe.linearMacroF1]) {
      ok((score.value ?? 0) > 0.3 && (score.value ?? 2) <= 1 && score.interval !== null, JSON.stringify(score));
    }
  });

  it('measures the tuned model label by label and row by row', () => {
    const { measures, severalLabels, perLabel, confusion } = evaluation;
    ok((measures.accuracy.value ?? 0) > 0.6, JSON.stringify(measures.accuracy));
    ok((measures.macroF1.value ?? 0) > 0.6 && (severalLabels?.microF1.value ?? 0) > 0.6);
    ok((severalLabels?.meanAveragePrecision.value ?? 0) > 0.7);
    ok((severalLabels?.subsetAccuracy.value ?? 1) <= (measures.accuracy.value ?? 0));
    ok(Math.abs((severalLabels?.labelsPerRow.given ?? 0) - 1.2) < 0.3, JSON.stringify(severalLabels?.labelsPerRow));
    deepEqual(confusion, []);
    deepEqual(
      perLabel.map(({ label }) => label),
      LABELS,
    );
    for (const { threshold, averagePrecision, calibrationError } of perLabel) {
      ok((threshold ?? 0) > 0 && (averagePrecision ?? 0) > 0.5 && (calibrationError ?? 1) < 0.5);
    }
    equal(measures.edgeInputs.value, 1);
    equal(evaluation.trivial?.length, 2);
    ok(measures.gainOverProbe.interval !== null && measures.calibrationError?.interval !== null);
    ok((evaluation.diagnosis?.slices.length ?? 0) > 0 || measures.sliceGap?.notApplicable !== undefined);
  });

  it('judges all that can be measured on texts', () => {
    const { gates } = judgeGates(evaluation.measures, TextGatesSchema.parse({}), 'full');
    const judged = gates.filter(({ measured }) => measured !== null).map(({ name }) => name);
    for (const name of ['accuracy', 'macroF1', 'worstLabelF1', 'gainOverProbe', 'gainOverTrivial', 'calibrationError'])
      ok(judged.includes(name), name);
    for (const name of [
      'latencyP95Ms',
      'sizeMb',
      'memoryMb',
      'edgeInputs',
      'flipRate',
      'exportParity',
      'leakedTestRows',
    ])
      ok(judged.includes(name), name);
    for (const name of ['trainValidationGap', 'validationTestGap', 'domainShift', 'noiseFlips', 'identityFlips'])
      ok(judged.includes(name), name);
    for (const name of ['labelSignal', 'labelErrors', 'giveawayWord', 'triggerFlips']) ok(judged.includes(name), name);
  });

  it('keeps every test row’s answer, and what drift is measured against', async () => {
    const details = await storage.store.getJson<{
      predictions: { rowId: string; expected: string[]; predicted: string[]; accuracy: number; text?: string }[];
    }>(evaluation.details);
    equal(details.predictions.length, data.rows.test);
    for (const { expected, predicted, accuracy, text } of details.predictions) {
      equal(accuracy === 1, expected.join() === predicted.join());
      equal(text === undefined, accuracy === 1);
    }
    const reference = JSON.parse(
      await readFile(await storage.store.fileInTree(evaluation.reference, 'reference.json'), 'utf8'),
    ) as { thresholds: number[]; labels: string[] };
    deepEqual([reference.labels, reference.thresholds.length], [LABELS, 3]);
  });
});
