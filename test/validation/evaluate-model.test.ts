import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GateExample } from '../../activities/contract/examples.ts';
import type { Evaluation, EvaluateModelInput } from '../../activities/contract/validation.ts';
import { hardware } from '../../activities/selection/profile-encoder.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { corruptionsDigest } from '../../activities/validation/corruptions.ts';
import { evaluateModel } from '../../activities/validation/evaluate-model.ts';
import { float32FromBytes } from '../../activities/validation/float32.ts';
import { judgeGates } from '../../activities/validation/gates.ts';
import { identitiesDigest } from '../../activities/validation/identity-swaps.ts';
import { textTable, textTableDigests } from '../../activities/validation/text-tables.ts';
import { judgeGatesStep } from '../../activities/validation/judge-gates.ts';
import { argmaxRows } from '../../activities/validation/metrics.ts';
import { wilsonInterval } from '../../activities/validation/statistics.ts';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import type { ReferenceStatistics } from '../../artifacts/bundle.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { TextModel } from '../../inference/text-model.ts';
import { GatesSchema } from '../../pipelines/definition/gates.ts';
import { GATE_NAMES, GATE_TABLE } from '../../pipelines/gates/table.ts';
import { runStep } from '../support/step.ts';
import { withStore } from '../support/store.ts';
import { writeTinyOnnx } from '../support/tiny-onnx.ts';

const LABELS = ['even', 'odd'];
const TEST_ROWS = 40;
const WORDS = 'where is my card the parcel was lost please help me pay again today 😀'.split(' ');

/** Different texts; the first holds a line separator that must not cut its row in two. */
function makeTexts(count: number, start: number): string[] {
  const word = (index: number): string => WORDS[index % WORDS.length]!;
  return Array.from({ length: count }, (_, row) => {
    const number = start + row;
    return row === 0
      ? `split\u2028here ${number}`
      : [number, 3 * number, 5 * number + 1].map(word).join(' ') + ` ${number}`;
  });
}

describe('evaluating an exported model', function () {
  this.timeout(120_000);
  let root: string;
  let services: ActivityServices;
  let input: EvaluateModelInput;
  let texts: string[];
  let truth: string[];
  let evaluation: Evaluation;

  async function putDataset(
    splits: Record<'train' | 'validation' | 'test', readonly { text: string; label: string }[]>,
  ): Promise<ArtifactRef> {
    const folder = await mkdtemp(join(root, 'dataset-'));
    for (const [split, rows] of Object.entries(splits)) {
      const lines = rows.map((row, index) => `${JSON.stringify({ id: `${split}-${index}`, ...row })}\n`);
      await writeFile(join(folder, `${split}.jsonl`), lines.join(''));
    }
    await writeFile(join(folder, 'labels.json'), JSON.stringify(LABELS));
    // One of the two holds, whatever the model says.
    const tests = LABELS.map((label) => ({ kind: 'minimum-functionality', text: 'where is my card', label }));
    const stored = tests.map(
      (test, at) => `${JSON.stringify({ table: 'cards', file: 'c.csv', line: at + 2, test })}\n`,
    );
    await writeFile(join(folder, 'behaviour.jsonl'), stored.join(''));
    return services.store.putTree(folder, 'dataset');
  }

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'espalier-evaluate-'));
    const { store, pointers } = await withStore();
    services = { store, pointers, python: { executable: 'unused', packages: 'unused' } };
    const [classifier, encoder] = [join(root, 'classifier'), join(root, 'encoder')];
    await writeTinyOnnx(classifier, 'classifier');
    await writeTinyOnnx(encoder, 'encoder');

    // The truth is what the model says, but for every fifth row: its scores are then known.
    const model = await TextModel.load(classifier);
    const labelled = async (
      rows: readonly string[],
      wrongEvery: number,
    ): Promise<{ text: string; label: string }[]> => {
      const guesses = argmaxRows((await model.runAll(rows)).probabilities!, 2);
      return rows.map((text, row) => ({
        text,
        label: LABELS[row % wrongEvery === 0 ? 1 - guesses[row]! : guesses[row]!]!,
      }));
    };
    const test = await labelled(makeTexts(TEST_ROWS, 0), 5);
    texts = test.map(({ text }) => text);
    truth = test.map(({ label }) => label);
    const dataset = await putDataset({
      train: await labelled(makeTexts(30, 100), 10),
      validation: await labelled(makeTexts(20, 200), 4),
      test,
    });
    await model.release();

    // A probe that always says 'even', its labels in another order than the model's.
    const probe = {
      labels: ['odd', 'even'],
      weights: [
        [0, 0, 0],
        [0, 0, 0],
      ],
      bias: [0, 1],
      l2: 1,
    };
    input = {
      classifier: await store.putTree(classifier, 'classifier'),
      dataset,
      baseline: { encoder: await store.putTree(encoder, 'encoder'), probe: await store.putJson(probe, 'probe.json') },
      exportParityMaxAbs: 2e-7,
      seed: 7,
      device: { ramMb: 16_000, storageMb: 1, cores: 8 },
      hardware: { cores: hardware().cores, arch: hardware().arch },
    };
    evaluation = await runStep(evaluateModel, input, services);
  });
  after(() => rm(root, { recursive: true }));

  it('measures the accuracy that the data were made for, on every split', () => {
    assert.deepEqual(evaluation.measures.accuracy, { value: 0.8, interval: wilsonInterval(32, 40), rows: 40 });
    assert.equal(evaluation.trainAccuracy.value, 27 / 30);
    assert.equal(evaluation.validationAccuracy.value, 15 / 20);
    assert.ok(Math.abs(evaluation.measures.trainValidationGap.value! - 0.15) < 1e-12);
  });

  it('is done on a machine of the declared class, and refused on one of another', async () => {
    assert.deepEqual(evaluation.hardware, hardware());
    assert.ok(evaluation.measures.latencyP95Ms.value! > 0);
    const elsewhere = { ...input, hardware: { cores: hardware().cores + 1 } };
    const refused = { kind: 'WrongHardware', retryable: true, where: 'selection.hardware' };
    await assert.rejects(runStep(evaluateModel, elsewhere, services), refused);
  });

  it('counts every test row once in the confusion matrix, and its diagonal is the accuracy', () => {
    const { confusion, perLabel } = evaluation;
    assert.equal(
      confusion.flat().reduce((sum, count) => sum + count, 0),
      TEST_ROWS,
    );
    assert.equal(confusion[0]![0]! + confusion[1]![1]!, 32);
    for (const [index, { label, support }] of perLabel.entries()) {
      assert.equal(support, truth.filter((each) => each === label).length);
      assert.equal(
        support,
        confusion[index]!.reduce((sum, count) => sum + count, 0),
      );
    }
  });

  it('compares with the frozen probe by label names, on the same rows', () => {
    const even = truth.filter((label) => label === 'even').length / TEST_ROWS;
    assert.equal(evaluation.baselineAccuracy.value, even);
    const { value, interval } = evaluation.measures.gainOverProbe;
    assert.ok(Math.abs(value! - (0.8 - even)) < 1e-12);
    assert.ok(interval!.low <= value! && value! <= interval!.high && interval!.low < interval!.high);
  });

  it('measures latency, size, edge inputs, flips and parity of the real graph', async () => {
    const { latency, measures, edgeInputs } = evaluation;
    assert.ok(latency.p50Ms > 0 && latency.p50Ms <= latency.p95Ms && latency.runs >= 1 && latency.warmupRuns >= 1);
    assert.equal(measures.latencyP95Ms.value, latency.p95Ms);
    assert.equal(measures.sizeMb.value, (await stat(join(root, 'classifier/model.onnx'))).size / 1e6);
    assert.equal(edgeInputs.length, textTable('edge-inputs.jsonl').length);
    assert.deepEqual(
      edgeInputs.filter(({ ok }) => !ok),
      [],
    );
    assert.equal(measures.edgeInputs.value, 1);
    assert.equal(measures.exportParity.value, 2e-7);
    assert.ok(measures.flipRate.value! >= 0 && measures.flipRate.value! <= 1 && measures.flipRate.rows === TEST_ROWS);
    assert.ok(evaluation.hardware.cores >= 1 && evaluation.hardware.runtime.startsWith('onnxruntime-node'));
  });

  it('holds what the serving process took, with a copy a worker, and its files against the declared device', async () => {
    const { measures, diagnosis } = evaluation;
    const [memory, storage] = diagnosis!.hardwareFit!;
    // Node alone takes more than 30 MB; the tiny model nearly nothing.
    assert.ok(memory!.neededMb > 30 + 3 * measures.memoryMb!.value! && memory!.neededMb < 1000, `${memory!.neededMb}`);
    assert.deepEqual([memory!.availableMb, memory!.workers], [16_000, 4]);
    const { entries } = await services.store.tree(input.classifier);
    assert.equal(storage!.neededMb, entries.reduce((sum, { size }) => sum + size, 0) / 1e6);
    assert.equal(measures.hardwareFit!.value, Math.max(memory!.neededMb / 16_000, storage!.neededMb));
  });

  it('asks the behaviour tests that stand beside the data, and keeps the text of those that fail in the artifact', async () => {
    const [asked] = evaluation.behaviour!;
    assert.deepEqual([asked?.name, asked?.score.value, asked?.score.rows], ['cards', 0.5, 2]);
    assert.equal(asked!.failures.length, 1);
    assert.equal(JSON.stringify(evaluation).includes('where is my card'), false);
    const { behaviour } = await services.store.getJson<Pick<Evaluation, 'behaviour'>>(evaluation.details);
    assert.deepEqual(behaviour?.[0]?.failures[0]?.texts, ['where is my card']);
  });

  it('lists the mistakes by confidence without their text, which stays in the artifact', async () => {
    assert.deepEqual(
      evaluation.mistakes.map(({ rowId }) => Number(rowId.slice(5)) % 5),
      Array(8).fill(0),
    );
    const probabilities = evaluation.mistakes.map(({ probability }) => probability);
    assert.deepEqual(
      probabilities,
      probabilities.toSorted((left, right) => right - left),
    );
    const details = await services.store.getJson<{ predictions: Record<string, unknown>[]; confusion: unknown }>(
      evaluation.details,
    );
    assert.deepEqual(details.confusion, evaluation.confusion);
    assert.equal(details.predictions.length, TEST_ROWS);
    assert.equal(details.predictions[0]?.['text'], texts[0]);
    assert.ok(!('text' in details.predictions[1]!));
    assert.ok(!canonicalJson(evaluation).includes('parcel'));
  });

  it('has rows to look at for each gate that is judged on rows: ids in the result, texts and what came of them in the artifact', async () => {
    const { examples } = await services.store.getJson<{ examples: Record<string, GateExample[]> }>(evaluation.details);
    const evaluated = GATE_NAMES.filter((name) => GATE_TABLE[name].step === 'evaluate');
    assert.deepEqual(
      Object.keys(examples).toSorted(),
      evaluated.filter((name) => 'rows' in GATE_TABLE[name].examples).toSorted(),
    );
    const named = Object.entries(examples).filter(([, of]) => of.length > 0);
    assert.deepEqual(
      evaluation.examples,
      Object.fromEntries(named.map(([gate, of]) => [gate, of.map(({ id }) => id)])),
    );
    assert.ok(named.length > 5 && named.every(([, of]) => of.length <= 5), named.map(([gate]) => gate).join());
    const [surest] = evaluation.mistakes;
    const [first] = examples['accuracy']!;
    assert.equal(first?.id, surest?.rowId);
    assert.match(first!.note, new RegExp(`^${surest!.expected}, predicted as ${surest!.predicted} `));
    assert.equal(first!.text, texts[Number(surest!.rowId.slice(5))]);
    const ids = evaluation.examples ?? {};
    const { gates } = await runStep(
      judgeGatesStep,
      {
        measures: evaluation.measures,
        gates: GatesSchema.parse({}),
        evidence: [{ artifact: evaluation.details, ids }],
      },
      services,
    );
    assert.deepEqual(gates.find(({ name }) => name === 'accuracy')?.examples, {
      artifact: evaluation.details.digest,
      path: 'examples.accuracy',
      ids: ids['accuracy'],
    });
    assert.ok(gates.every(({ name, examples: of }) => (of === undefined) !== Object.hasOwn(ids, name)));
  });

  it('keeps as reference what the served model answers to the test texts', async () => {
    const read = async (name: string): Promise<Buffer> =>
      readFile(await services.store.fileInTree(evaluation.reference, name));
    const statistics = JSON.parse((await read('reference.json')).toString()) as ReferenceStatistics;
    assert.deepEqual([statistics.rows, statistics.dimension, statistics.labels], [TEST_ROWS, 3, LABELS]);
    assert.deepEqual(
      statistics.textLengths,
      texts.map((text) => Array.from(text).length),
    );
    const model = await TextModel.load(join(root, 'classifier'));
    const answers = await model.runAll(texts);
    await model.release();
    assert.deepEqual(float32FromBytes(await read('embeddings.f32')), answers.embeddings);
    assert.deepEqual(float32FromBytes(await read('probabilities.f32')), answers.probabilities);
  });

  it('gives gates what they need: every measure has a number, and no NaN is left', () => {
    const { gates } = judgeGates(evaluation.measures, GatesSchema.parse({}));
    assert.deepEqual(
      gates.filter(({ measured }) => measured === null).map(({ name, verdict }) => [name, verdict]),
      // Too few rows for a third of them, and of one label, texts of too few patterns, no phrase in any, and a model that answers nearly everything alike.
      [
        ['giveawayWord', 'off'],
        ['domainShift', 'off'],
        ['shiftedDrop', 'off'],
        ['sliceGap', 'off'],
        ['opportunityGap', 'off'],
        ['paraphraseFlips', 'off'],
        ['triggerFlips', 'off'],
        ['corruptionDrop', 'off'],
        ['patchFlips', 'off'],
        ['giveawayTrait', 'off'],
        ['fgsmRobustness', 'off'],
        ['pgdRobustness', 'off'],
        ['squareRobustness', 'off'],
      ],
    );
    assert.equal(gates.find(({ name }) => name === 'accuracy')?.verdict, 'fail', '0.8 is not yet 0.8 at its lower end');
    canonicalJson(evaluation);
  });

  it('gives the same scores for the same input, whatever the clock', async () => {
    const again = await runStep(evaluateModel, input, services);
    const timeless = ({ measures, ...rest }: Evaluation) => ({
      ...measures,
      latencyP95Ms: 0,
      memoryMb: 0,
      hardwareFit: 0,
      diagnosis: { ...rest.diagnosis, hardwareFit: 0 },
      perLabel: rest.perLabel,
      reference: rest.reference,
    });
    assert.deepEqual(timeless(again), timeless(evaluation));
  });

  it('has the hardware in its key, because latency is among the measures, beside the tables of what is asked', async () => {
    assert.deepEqual(await evaluateModel.environment?.(input, services), {
      ...evaluation.hardware,
      identities: identitiesDigest(),
      tables: textTableDigests(),
      corruptions: corruptionsDigest(),
    });
  });

  it('refuses a label that the model does not know, an empty test split and an encoder, with the way out', async () => {
    const row = { text: 'hello', label: 'even' };
    const strange = await putDataset({ train: [row], validation: [row], test: [{ text: 'hello', label: 'purple' }] });
    await assert.rejects(runStep(evaluateModel, { ...input, dataset: strange }, services), {
      kind: 'BadData',
      message: "row test-0 has the label 'purple', which the model does not know",
    });
    const empty = await putDataset({ train: [row], validation: [row], test: [] });
    await assert.rejects(runStep(evaluateModel, { ...input, dataset: empty }, services), {
      kind: 'BadData',
      where: 'test.jsonl',
    });
    await assert.rejects(runStep(evaluateModel, { ...input, classifier: input.baseline.encoder }, services), {
      kind: 'BadModel',
    });
  });

  it('fits a probe that selection fitted on a draw of the training rows anew, on all of them', async () => {
    const { store } = services;
    // The tiny graph's embedding holds the mean token id: the two words lie far apart.
    const told = (rows: number) =>
      Array.from({ length: rows }, (_, row) => {
        const one = row % 3 === 0 ? { word: 'i ', label: 'even' } : { word: 'stock sold out ', label: 'odd' };
        return { text: one.word.repeat(1 + (row % 5)), label: one.label };
      });
    const dataset = await putDataset({ train: told(30), validation: told(15), test: told(40) });
    const evaluated = async (probe: object) => {
      const baseline = { ...input.baseline, probe: await store.putJson(probe, 'probe.json') };
      const { details, ...anew } = await runStep(evaluateModel, { ...input, dataset, baseline }, services);
      return { ...anew, ...(await store.getJson<{ predictions: { frozenProbe: string }[] }>(details)) };
    };
    const kept = await store.getJson<object>(input.baseline.probe);
    const asItIs = await evaluated(kept);
    assert.equal(asItIs.baselineAccuracy.value, 14 / 40, 'it always says even');
    const anew = await evaluated({ ...kept, fittedOn: { rows: 10, of: 30 } });
    assert.equal(anew.baselineAccuracy.value, 1);
    assert.deepEqual(
      anew.predictions.map(({ frozenProbe }) => frozenProbe),
      told(40).map(({ label }) => label),
    );
    // What else looks at frozen rows of training sees the same ones.
    assert.deepEqual(anew.measures.domainShift, asItIs.measures.domainShift);
  });

  it('swaps the identity words that stand in the test texts, and says which words turned which rows', async () => {
    const people = ['she has lost her card', 'is he my father', 'please help that woman', 'where was his parcel'];
    const rows = Array.from({ length: 24 }, (_, row) => ({
      text: `${people[row % 4]!} ${row}`,
      label: LABELS[row % 2]!,
    }));
    const dataset = await putDataset({ train: rows, validation: rows, test: rows });
    const { diagnosis, measures, details } = await runStep(evaluateModel, { ...input, dataset }, services);
    const [gender, ...more] = diagnosis?.swaps ?? [];
    assert.ok(gender !== undefined && more.length === 0);
    assert.deepEqual([gender.name, gender.judged, gender.edited, gender.words], ['gender', true, 24, 36]);
    // Words of the texts are in the artifact, and not in the result, which a history keeps.
    assert.equal(gender.examples, undefined);
    const kept = await services.store.getJson<Pick<Evaluation, 'diagnosis'>>(details);
    const examples = kept.diagnosis?.swaps?.[0]?.examples;
    assert.ok(examples !== undefined && examples.length <= Math.min(5, gender.flipped));
    for (const { rowId, before, after } of examples) {
      const { text } = rows[Number(rowId.slice('test-'.length))]!;
      assert.ok(before.length === after.length && before.every((word) => text.includes(word)), `${rowId} ${text}`);
    }
    assert.match(measures.identityFlips?.of ?? '', /^words of gender swapped in the text$|after the text$/);
    // Of the rows of the other test there is no such word.
    assert.deepEqual(evaluation.diagnosis?.swaps, []);
    assert.match(evaluation.measures.identityFlips?.of ?? '', /fewer than 20 texts have identity words/);
  });

  it('refuses a frozen probe that makes every model a gain: one of other labels', async () => {
    const { baseline } = input;
    const other = {
      labels: ['odd', 'uneven'],
      weights: [
        [0, 0, 0],
        [0, 0, 0],
      ],
      bias: [0, 1],
      l2: 1,
    };
    const probe = await services.store.putJson(other, 'probe.json');
    await assert.rejects(runStep(evaluateModel, { ...input, baseline: { ...baseline, probe } }, services), {
      kind: 'BadModel',
      message: 'the frozen probe knows odd, uneven, the model even, odd',
    });
  });

  it('stops when it is cancelled', async () => {
    const controller = new AbortController();
    const running = runStep(evaluateModel, input, services, {
      signal: controller.signal,
      onProgress: ({ phase }) => {
        if (phase === 'latency') controller.abort(new Error('cancelled by the test'));
      },
    });
    await assert.rejects(running, (error: Error) => error.name === 'AbortError' || /cancelled/.test(error.message));
  });
});
