import { deepEqual, equal, match, notDeepEqual, ok } from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GateExample } from '../../activities/contract/examples.ts';
import type { EvaluateModelInput, Evaluation, ModelComparison } from '../../activities/contract/validation.ts';
import { loadSplit, multiLabelled } from '../../activities/data/dataset.ts';
import { probeEncoder } from '../../activities/selection/probe-encoder.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { setThresholds } from '../../activities/training/fit-thresholds.ts';
import { compareModels } from '../../activities/validation/compare-models.ts';
import { readCustomGates } from '../../activities/validation/custom-gates/module.ts';
import { evaluateModel } from '../../activities/validation/evaluate-model.ts';
import { judgeGates } from '../../activities/validation/gates.ts';
import { judgeGatesStep } from '../../activities/validation/judge-gates.ts';
import { creditsOf } from '../../activities/validation/multi-label/decisions.ts';
import { meanOf } from '../../activities/validation/multi-label/scores.ts';
import { crossFitted } from '../../activities/validation/multi-label/thresholds.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { readModelConfig } from '../../inference/config.ts';
import { decide } from '../../inference/labels-above.ts';
import { TextModel } from '../../inference/text-model.ts';
import { TextGatesSchema } from '../../pipelines/definition/gates.ts';
import { GATE_TABLE } from '../../pipelines/gates/table.ts';
import { runStep } from '../support/step.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { writeTinyOnnx } from '../support/tiny-onnx.ts';

const LABELS = ['even', 'odd'];
/** Both labels at once where 'odd' has between 70 and 75 %, either alone elsewhere. */
const THRESHOLDS = [0.25, 0.7];
const WORDS = 'where is my card the parcel was lost please help me pay again today 😀'.split(' ');
const textsFrom = (count: number, start: number): string[] =>
  Array.from({ length: count }, (_, row) =>
    [start + row, 3 * (start + row), 5 * row + 1]
      .map((at) => WORDS[at % WORDS.length])
      .concat(String(start + row))
      .join(' '),
  );

describe('a model of several labels a row, exported', function () {
  this.timeout(120_000);
  let root: string;
  let storage: TestStore;
  let services: ActivityServices;
  let input: EvaluateModelInput;
  let evaluation: Evaluation;
  const folderOf = (name: string) => join(root, name);

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'espalier-several-'));
    storage = await withStore();
    const { store, pointers } = storage;
    services = { store, pointers, python: { executable: 'unused', packages: 'unused' } };
    await writeTinyOnnx(folderOf('classifier'), 'classifier');
    await writeTinyOnnx(folderOf('encoder'), 'encoder');
    await withThresholds('classifier', THRESHOLDS);
    const model = await TextModel.load(folderOf('classifier'));
    // The truth is what the model says, but every fifth row lacks a label that it finds, or has one that it does not find.
    const lines = async (split: string, count: number, start: number): Promise<void> => {
      const texts = textsFrom(count, start);
      const said = decide((await model.runAll(texts)).probabilities!, THRESHOLDS);
      const rows = texts.map((text, row) => {
        const labels = LABELS.filter((_, label) => said[row * 2 + label] === 1 && !(row % 5 === 0 && label === 0));
        return `${JSON.stringify({ id: `${split}-${row}`, text, labels, groups: { channel: row % 2 === 0 ? 'mail' : 'chat' } })}\n`;
      });
      await writeFile(join(folderOf('dataset'), `${split}.jsonl`), rows.join(''));
    };
    await mkdir(folderOf('dataset'));
    await lines('train', 90, 1000);
    await lines('validation', 60, 2000);
    await lines('test', 80, 0);
    await writeFile(join(folderOf('dataset'), 'labels.json'), JSON.stringify(LABELS));
    const [asked] = textsFrom(1, 0);
    const said = decide((await model.runAll([asked!])).probabilities!, THRESHOLDS);
    const right = LABELS.filter((_, label) => said[label] === 1);
    const kind = 'minimum-functionality';
    const tests = [right, right.length === 2 ? [] : LABELS].map((labels, at) => {
      return `${JSON.stringify({ table: 'plain', file: 'plain.csv', line: at + 2, test: { kind, text: asked, labels } })}\n`;
    });
    await writeFile(join(folderOf('dataset'), 'behaviour.jsonl'), tests.join(''));
    await model.release();
    const dataset = await store.putTree(folderOf('dataset'), 'dataset');
    const encoder = await store.putTree(folderOf('encoder'), 'encoder');
    const { probe } = await runStep(
      probeEncoder,
      { encoder, dataset, neighbours: 5, seed: 7, multiLabel: true },
      services,
    );
    const classifier = await store.putTree(folderOf('classifier'), 'classifier');
    input = { classifier, dataset, baseline: { encoder, probe }, exportParityMaxAbs: 2e-7, seed: 7 };
    evaluation = await runStep(evaluateModel, input, services);
  });
  after(async () => {
    storage.close();
    await rm(root, { recursive: true });
  });

  async function withThresholds(name: string, thresholds: readonly number[] | undefined): Promise<void> {
    const file = join(folderOf(name), 'classifier.json');
    const { thresholds: _, ...config } = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    await writeFile(file, JSON.stringify({ ...config, ...(thresholds === undefined ? {} : { thresholds }) }));
  }

  it('is asked the behaviour tests beside the data by the labels that apply, texts of failures in the artifact only', async () => {
    const [plain] = evaluation.behaviour!;
    deepEqual([plain?.name, plain?.score.value, plain?.failures.map(({ line }) => line)], ['plain', 0.5, [3]]);
    const { behaviour } = await services.store.getJson<Pick<Evaluation, 'behaviour'>>(evaluation.details);
    deepEqual(
      [plain, behaviour?.[0]].map((table) => table?.failures[0]?.texts),
      [undefined, textsFrom(1, 0)],
    );
  });

  it('is judged by a gate of one’s own, which gets the probability of every label of every row', async () => {
    const file = join(root, 'gates.mjs');
    await writeFile(
      file,
      `export const gates = { decided: { judges: 'label-sets', async measure({ labels, thresholds, predictions, testRows, eachRow }) {
        let [right, rows] = [0, 0];
        for await (const { rowId, predicted, probabilities } of eachRow()) {
          const above = labels.filter((_, at) => probabilities[at] >= Math.fround(thresholds[at]));
          if (predictions[rows].rowId === rowId && above.join() === predicted.join()) right++;
          rows++;
        }
        return { value: right / testRows, rows };
      } } };`,
    );
    const { customGates } = await readCustomGates({ ESPALIER_GATES: file });
    const { details, reference, measures } = evaluation;
    const gates = { decided: { min: 1, severity: 'fail' } } as const;
    const custom = { gates, judges: 'label-sets', module: customGates!.digest, details, reference } as const;
    const judging = { measures, gates: TextGatesSchema.parse({}), custom };
    const verdict = await runStep(judgeGatesStep, judging, { ...services, customGates: customGates! });
    const own = verdict.gates.at(-1);
    deepEqual([own?.name, own?.verdict, own?.measured, own?.score.rows], ['decided', 'pass', 1, 80]);
  });

  it('is measured row by row and label by label', () => {
    const { measures, severalLabels, perLabel, mistakes } = evaluation;
    ok(severalLabels !== undefined);
    const exact = severalLabels.subsetAccuracy.value ?? 0;
    ok(exact >= 0.8 && exact < 1, `subset accuracy ${exact}`);
    ok(
      (measures.accuracy.value ?? 0) >= exact &&
        (measures.accuracy.interval?.low ?? 1) < (measures.accuracy.value ?? 0),
    );
    deepEqual(
      perLabel.map(({ label, threshold }) => [label, threshold]),
      [
        ['even', 0.25],
        ['odd', 0.7],
      ],
    );
    equal(perLabel[1]?.f1, 1);
    ok(perLabel.every(({ unfitted }) => unfitted === undefined));
    ok((perLabel[0]?.precision ?? 1) < 1 && perLabel[0]?.recall === 1);
    ok(severalLabels.labelsPerRow.predicted > severalLabels.labelsPerRow.given);
    ok(mistakes.length > 0 && mistakes.every(({ expected, predicted }) => expected !== predicted));
    ok(mistakes.some(({ expected }) => expected === 'none'));
    equal(measures.edgeInputs.value, 1);
    deepEqual(
      evaluation.trivial?.map(({ learntFrom }) => learntFrom),
      [
        { rows: 90, of: 90 },
        { rows: 90, of: 90 },
      ],
    );
  });

  it('has rows to look at, with all labels of each, for the gates that have a meaning for several', async () => {
    const { examples } = await services.store.getJson<{ examples: Record<string, GateExample[]> }>(evaluation.details);
    const evaluated = Object.entries(GATE_TABLE).filter(
      ([, { step, examples: of }]) => step === 'evaluate' && 'rows' in of,
    );
    deepEqual(Object.keys(examples).toSorted(), evaluated.map(([name]) => name).toSorted());
    const [first] = examples['accuracy'] ?? [];
    equal(first?.id, evaluation.mistakes[0]?.rowId);
    equal(first?.note, `${evaluation.mistakes[0]?.expected}, predicted as ${evaluation.mistakes[0]?.predicted}`);
    ok(first?.text !== undefined && !JSON.stringify(evaluation).includes(first.text));
    for (const of of Object.values(examples)) ok(of.length <= 5);
    deepEqual([examples['patchFlips'], evaluation.examples?.['patchFlips']], [[], undefined]);
  });

  it('has its mistakes told with their texts, and no probability twice', async () => {
    const { predictions, mistakes } = await services.store.getJson<{
      readonly predictions: readonly object[];
      readonly mistakes: readonly { readonly rowId: string; readonly text?: string }[];
    }>(evaluation.details);
    ok(predictions.every((row) => !('probabilities' in row)));
    deepEqual(
      mistakes.map(({ rowId }) => rowId),
      evaluation.mistakes.map(({ rowId }) => rowId),
    );
    ok(
      mistakes.every(({ text }) => (text ?? '').length > 0),
      JSON.stringify(mistakes[0]),
    );
    ok(!JSON.stringify(evaluation).includes(mistakes[0]?.text ?? 'no text'), 'a history has no text of a row');
  });

  it('has identity words of its texts swapped, told in the artifact only', async () => {
    const file = join(folderOf('dataset'), 'test.jsonl');
    const plain = await readFile(file, 'utf8');
    await writeFile(file, plain.replaceAll('"text":"', '"text":"her husband says '));
    const dataset = await storage.store.putTree(folderOf('dataset'), 'dataset');
    await writeFile(file, plain);
    const { diagnosis, details } = await runStep(evaluateModel, { ...input, dataset }, services);
    const kept = await services.store.getJson<Pick<Evaluation, 'diagnosis'>>(details);
    const { examples, ...counts } = kept.diagnosis!.swaps![0]!;
    deepEqual([counts.name, counts.edited, counts.words], ['gender', 80, 160]);
    ok(Array.isArray(examples));
    deepEqual(diagnosis?.swaps, [counts]);
  });

  it('is asked of validation rows by thresholds that these had no part in', async () => {
    const rows = multiLabelled(await loadSplit(storage.store, input.dataset, 'validation'), LABELS, 'validation.jsonl');
    const model = await TextModel.load(folderOf('classifier'));
    const { probabilities = new Float32Array() } = await model.runAll(rows.texts);
    await model.release();
    const accuracy = (predicted: Uint8Array) => meanOf(creditsOf({ labels: 2, targets: rows.targets, predicted }));
    const heldOut = accuracy(crossFitted(probabilities, rows.targets, 2));
    ok(Math.abs(heldOut - accuracy(decide(probabilities, THRESHOLDS))) > 0.01, 'the two are told apart');
    const { measures, trainAccuracy, validationAccuracy } = evaluation;
    equal(validationAccuracy.value, heldOut);
    for (const [gap, difference] of [
      [measures.trainValidationGap.value, (trainAccuracy.value ?? 0) - heldOut],
      [measures.validationTestGap?.value, heldOut - (measures.accuracy.value ?? 0)],
    ] as const)
      ok(Math.abs((gap ?? 2) - difference) < 1e-9, `${gap} is not ${difference}`);
  });

  it('must beat a probe of all training rows: one of a draw is fitted anew', async () => {
    const { store } = storage;
    const kept = await store.getJson<{ readonly weights: readonly number[][] }>(input.baseline.probe);
    const turned = kept.weights.map((row) => row.map((weight) => -weight));
    const gainOver = async (probe: object) => {
      const baseline = { ...input.baseline, probe: await store.putJson(probe, 'probe.json') };
      const { measures } = await runStep(evaluateModel, { ...input, baseline }, services);
      return [measures.gainOverProbe, measures.domainShift];
    };
    const { gainOverProbe, domainShift } = evaluation.measures;
    deepEqual(await gainOver({ ...kept, weights: turned, fittedOn: { rows: 20, of: 90 } }), [
      gainOverProbe,
      domainShift,
    ]);
    notDeepEqual(await gainOver({ ...kept, weights: turned }), [gainOverProbe, domainShift]);
  });

  it('is probed by a draw of many rows, where that will do', async () => {
    const file = join(folderOf('dataset'), 'train.jsonl');
    const few = await readFile(file, 'utf8');
    const many = Array.from({ length: 8 }, (_, time) => few.replaceAll('"train-', `"train-${time}-`)).join('');
    await writeFile(file, many);
    const dataset = await storage.store.putTree(folderOf('dataset'), 'dataset');
    await writeFile(file, few);
    const { encoder } = input.baseline;
    const asked = { encoder, dataset, neighbours: 5, seed: 7, multiLabel: true, draw: true } as const;
    const probed = await runStep(probeEncoder, asked, services);
    const { rows = 0, of } = probed.fittedOn ?? {};
    ok(of === 720 && rows >= 500 && rows < 510, JSON.stringify(probed.fittedOn));
    deepEqual((await storage.store.getJson<typeof probed>(probed.probe)).fittedOn, probed.fittedOn);
    equal(probed.domain?.rows, rows);
  });

  it('has thresholds told apart that too few validation rows allowed nobody to fit', async () => {
    const file = join(folderOf('dataset'), 'validation.jsonl');
    const all = await readFile(file, 'utf8');
    await writeFile(file, all.split('\n').slice(0, 4).join('\n').concat('\n'));
    const dataset = await storage.store.putTree(folderOf('dataset'), 'dataset');
    await writeFile(file, all);
    const { perLabel } = await runStep(evaluateModel, { ...input, dataset }, services);
    deepEqual(
      perLabel.map(({ unfitted }) => unfitted),
      [true, true],
    );
  });

  it('is judged by all that has a meaning for texts, with what stands behind it', () => {
    const { gates } = judgeGates(evaluation.measures, TextGatesSchema.parse({}), 'full');
    const { diagnosis } = evaluation;
    for (const name of ['labelSignal', 'labelErrors', 'giveawayWord', 'triggerFlips'])
      ok(gates.find((one) => one.name === name)?.measured != null, name);
    const unmeasured = gates.filter(({ measured, verdict }) => measured === null && verdict !== 'off');
    deepEqual(unmeasured, []);
    ok(diagnosis?.labelSignal !== null && Math.abs((diagnosis?.labelSignal.chance ?? 0) - 0.5) < 0.1);
    ok(LABELS.includes(diagnosis?.trigger?.target ?? '') && diagnosis?.trigger?.switched !== undefined);
  });

  it('is told of a word that gives a label away, and of rows whose labels look wrong, with all labels of each', async () => {
    const file = join(folderOf('dataset'), 'train.jsonl');
    const plain = await readFile(file, 'utf8');
    const rows = plain
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { text: string; labels: string[] });
    const told = rows.map(({ text, ...row }, at) => {
      const labels = at % 3 === 0 ? ['even'] : ['odd'];
      return JSON.stringify({ ...row, labels, text: labels[0] === 'even' ? `${text} sent from desk` : text });
    });
    await writeFile(file, `${told.join('\n')}\n`);
    const dataset = await storage.store.putTree(folderOf('dataset'), 'dataset');
    await writeFile(file, plain);
    const { diagnosis, measures, details } = await runStep(evaluateModel, { ...input, dataset }, services);
    const { examples } = await services.store.getJson<{ examples: Record<string, GateExample[]> }>(details);
    deepEqual([diagnosis?.giveaway?.label, diagnosis?.giveaway?.both, diagnosis?.giveaway?.labelled], ['even', 30, 30]);
    equal(measures.giveawayWord?.value, 1);
    equal(examples['giveawayWord']?.length, 5);
    ok(examples['giveawayWord']?.every(({ text }) => String(text).endsWith('sent from desk')));
    for (const { given, suggested } of diagnosis?.suspiciousLabels ?? []) ok(given !== suggested, given);
    const [first] = diagnosis?.suspiciousLabels ?? [];
    equal(examples['labelErrors']?.[0]?.note, first && `labelled ${first.given}, rather ${first.suggested}`);
    equal(examples['labelErrors']?.[0]?.id, first?.rowId);
  });

  it('is fitted thresholds on validation rows by what the graph says, and one of one label is left alone', async () => {
    const context = { store: storage.store, signal: new AbortController().signal, progress: () => {} };
    await withThresholds('classifier', [0.5, 0.5]);
    await setThresholds(folderOf('classifier'), input.dataset, context);
    const config = await readModelConfig(folderOf('classifier'));
    const fitted = config.kind === 'classifier' && config.input !== 'image' ? config.thresholds : undefined;
    // The truth has 'odd' from 70 % on, to the row.
    ok(Math.abs((fitted?.[1] ?? 0) - 0.7) < 0.05, String(fitted));
    await withThresholds('classifier', undefined);
    const before = await readFile(join(folderOf('classifier'), 'classifier.json'), 'utf8');
    await setThresholds(folderOf('classifier'), input.dataset, context);
    equal(await readFile(join(folderOf('classifier'), 'classifier.json'), 'utf8'), before);
  });

  it('reads long texts in windows alike where its thresholds are fitted and where it is evaluated', async () => {
    const folder = folderOf('windowed');
    const data = folderOf('long');
    await writeTinyOnnx(folder, 'classifier', 12);
    const file = join(folder, 'classifier.json');
    const config = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    await writeFile(file, JSON.stringify({ ...config, windows: { overlap: 0.25, most: 6 }, thresholds: [0.5, 0.5] }));
    // Ten words at least after the first: every text has more than one window.
    const longFrom = (count: number, start: number) =>
      textsFrom(count, start).map((text, row) => `${text} ${WORDS.slice(row % 5, (row % 5) + 10).join(' ')} ${text}`);
    const texts = { train: longFrom(60, 1000), validation: longFrom(60, 2000), test: longFrom(60, 0) };
    const model = await TextModel.load(folder);
    const said = (await model.runAll([...texts.validation, ...texts.test])).probabilities!;
    // Where no text is near: what is fitted on some rows holds for the others.
    const chances = [...said].filter((_, at) => at % 2 === 1).toSorted((one, other) => one - other);
    const gaps = chances.slice(30, 90).map((chance, at) => [chances[at + 31]! - chance, chance] as const);
    const [width, below] = gaps.toSorted(([one], [other]) => other - one)[0]!;
    const odd = below + width / 2;
    await mkdir(data);
    await writeFile(join(data, 'labels.json'), JSON.stringify(LABELS));
    for (const [split, own] of Object.entries(texts)) {
      const { probabilities = [] } = await model.runAll(own);
      const rows = own.map((text, row) => {
        const labels = [...(row % 3 === 0 ? [] : ['even']), ...(probabilities[row * 2 + 1]! >= odd ? ['odd'] : [])];
        return `${JSON.stringify({ id: `${split}-${row}`, text, labels })}\n`;
      });
      await writeFile(join(data, `${split}.jsonl`), rows.join(''));
    }
    await model.release();
    const dataset = await storage.store.putTree(data, 'dataset');
    const context = { store: storage.store, signal: new AbortController().signal, progress: () => {} };
    await setThresholds(folder, dataset, context);
    const classifier = await storage.store.putTree(folder, 'classifier');
    const { perLabel } = await runStep(evaluateModel, { ...input, classifier, dataset }, services);
    const [even, second] = perLabel;
    deepEqual([even?.recall, even?.support], [1, 40], 'its probability is one half of every text');
    deepEqual([second?.f1, second?.averagePrecision], [1, 1], JSON.stringify(perLabel));
  });

  describe('beside the one in production', () => {
    const compared = async (classifier: ArtifactRef): Promise<ModelComparison> => {
      const bundle = classifier.digest;
      const nothing = await storage.store.putManifest(
        await Promise.all(
          ['train.jsonl', 'validation.jsonl'].map(async (path) => ({
            path,
            ref: await storage.store.putBytes('', { name: path, mediaType: 'application/jsonl' }),
          })),
        ),
        'dataset',
      );
      const candidate = { classifier: input.classifier, evaluation: evaluation.details };
      return runStep(
        compareModels,
        {
          production: { bundle, classifier, dataset: nothing },
          candidate,
          dataset: input.dataset,
          seed: 7,
          gate: { min: 0, severity: 'warn' },
          macroF1Gate: { min: 0, severity: 'warn' },
        },
        services,
      );
    };

    it('is better on the rows whose labels only it finds', async () => {
      await withThresholds('classifier', [0.9, 0.7]);
      const both = await compared(await storage.store.putTree(folderOf('classifier'), 'production'));
      ok(both.comparable, JSON.stringify(both));
      ok(both.won > both.lost && both.lost > 0 && both.won + both.lost < both.rows, `${both.won} to ${both.lost}`);
      ok((both.accuracy.difference.interval?.low ?? -1) > 0 && both.gate?.verdict === 'pass');
      equal(both.accuracy.candidate.value, evaluation.measures.accuracy.value);
      equal(both.macroF1.candidate.value, evaluation.measures.macroF1.value);
      const gained = both.macroF1.difference;
      ok(gained.interval!.low < gained.value! && gained.value! < gained.interval!.high);
      deepEqual([both.macroF1Gate?.verdict, both.macroF1Gate?.measured], ['pass', gained.interval!.high]);
      match(both.wonExamples[0]?.candidate ?? '', /even/);
    });

    it('is not compared with one that gives a row one label', async () => {
      await withThresholds('classifier', undefined);
      const one = await compared(await storage.store.putTree(folderOf('classifier'), 'production'));
      ok(!one.comparable);
      equal(one.reason, 'the model in production gives a row one label, the new one several');
    });
  });
});
