import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { cp, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CompareModelsInput, EvaluateModelInput, Evaluation } from '../../activities/contract/validation.ts';
import { servingQuestions } from '../../activities/deployment/serving-questions.ts';
import type { StoredTest } from '../../activities/data/behaviour.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { compareModels } from '../../activities/validation/compare-models.ts';
import { evaluateModel } from '../../activities/validation/evaluate-model.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { BehaviourTest } from '../../pipelines/behaviour/table.ts';
import { jsonLines, OWN_CORRUPTIONS } from '../support/own-corruptions.ts';
import { runStep } from '../support/step.ts';
import { withStore, type TestStore } from '../support/store.ts';
import {
  COLOURS,
  makePictures,
  putPictures,
  tinyPictureClassifier,
  type MadePicture,
} from '../support/tiny-pictures.ts';
import { temporaryFolder } from '../training/fixtures.ts';

describe('evaluating a model of pictures', function () {
  this.timeout(120_000);
  let opened: TestStore;
  let services: ActivityServices;
  let input: EvaluateModelInput;
  let evaluation: Evaluation;
  let splits: Record<'train' | 'validation' | 'test', readonly MadePicture[]>;
  /** So that something is to be found. */
  const isWrong = (row: number): boolean => row % 4 === 0;

  async function copyOf(change: (folder: string) => Promise<void>, name: string): Promise<ArtifactRef> {
    const folder = join(await temporaryFolder(), name);
    await cp(await tinyPictureClassifier(), folder, { recursive: true });
    await change(folder);
    return opened.store.putTree(folder, name);
  }

  before(async () => {
    opened = await withStore();
    services = { store: opened.store, pointers: opened.pointers, python: { executable: 'unused', packages: 'unused' } };
    const test = await makePictures(40, 18);
    const mislabelled = test.map((one, row) => (isWrong(row) ? { ...one, label: next(one.label) } : one));
    splits = { train: await makePictures(60, 16), validation: await makePictures(30, 17), test: mislabelled };
    const encoder = await copyOf(async (folder) => {
      const config = JSON.parse(await readFile(join(folder, 'classifier.json'), 'utf8')) as { labels?: unknown };
      delete config.labels;
      await writeFile(join(folder, 'encoder.json'), JSON.stringify({ ...config, kind: 'encoder' }));
      await rename(join(folder, 'classifier.json'), join(folder, 'unused.json'));
    }, 'encoder');
    const identity = COLOURS.map((_, row) => COLOURS.map((__, column) => Number(row === column)));
    const probe = { labels: COLOURS, weights: identity, bias: [0, 0, 0], l2: 1 };
    input = {
      classifier: await opened.store.putTree(await tinyPictureClassifier(), 'classifier'),
      dataset: await putPictures(opened.store, splits),
      baseline: { encoder, probe: await opened.store.putJson(probe, 'probe.json') },
      exportParityMaxAbs: 0,
      seed: 7,
    };
    evaluation = await runStep(evaluateModel, input, services);
  });
  after(() => opened.close());

  it('counts what the model has wrong of streamed pictures, and what the frozen one', async () => {
    const { measures, diagnosis, baselineAccuracy, mistakes, trainAccuracy } = evaluation;
    deepEqual([measures.accuracy.value, measures.accuracy.rows, trainAccuracy.value], [30 / 40, 40, 1]);
    // The tiny model tells colours as its probe does.
    deepEqual([baselineAccuracy.value, measures.gainOverProbe.value], [30 / 40, 0]);
    equal(mistakes.length, 10);
    // Sizes and coding are alike in all labels.
    ok(measures.giveawayTrait!.value! < 0.8 && diagnosis!.trait !== undefined, JSON.stringify(diagnosis!.trait));
    ok(measures.corruptionDrop!.rows === 40 && measures.edgeInputs.value === 1);
    const { predictions } = await opened.store.getJson<{
      predictions: readonly { rowId: string; expected: string; predicted: string; text?: string }[];
    }>(evaluation.details);
    deepEqual(
      predictions.map(({ rowId, expected, predicted, text }) => [rowId, expected, predicted, text]),
      splits.test.map(({ id, label }, row) => [id, label, COLOURS[row % 3], undefined]),
    );
  });

  it('makes pictures worse as a table of the definition says, and tells of which it was', async () => {
    deepEqual([evaluation.diagnosis?.corruptions?.length, evaluation.diagnosis?.corruptionTable], [10, undefined]);
    const put = (rows: readonly object[]) =>
      opened.store.putBytes(jsonLines(rows), { name: 'worse.jsonl', mediaType: 'application/jsonl' });
    const table = await put(OWN_CORRUPTIONS);
    const { diagnosis, details, measures } = await runStep(evaluateModel, { ...input, corruptions: table }, services);
    deepEqual(
      diagnosis?.corruptions?.map(({ name, severity, says }) => [name, severity, says]),
      OWN_CORRUPTIONS.map(({ name, severity, says }) => [name, severity, says]),
    );
    // Two kinds are looked at, and the interval holds for both at once.
    deepEqual([measures.corruptionDrop?.rows, measures.corruptionDrop?.interval?.confidence], [40, 0.975]);
    equal(diagnosis?.corruptionTable?.digest, table.digest);
    const kept = await opened.store.getJson<Pick<Evaluation, 'diagnosis'>>(details);
    equal(kept.diagnosis?.corruptionTable?.digest, table.digest);
    const broken = await put([{ ...OWN_CORRUPTIONS[0], factor: 0 }]);
    await rejects(runStep(evaluateModel, { ...input, corruptions: broken }, services), {
      kind: 'BadData',
      message: /^worse\.jsonl:1: factor .*\(it is 0\)$/,
    });
  });

  it('is measured on pictures from elsewhere, too', async () => {
    equal(evaluation.measures.shiftedDrop!.value, null);
    const shifted = (await makePictures(30, 19)).map((one) => ({ ...one, label: next(one.label) }));
    const dataset = await putPictures(opened.store, { ...splits, shifted });
    const { measures } = await runStep(evaluateModel, { ...input, dataset }, services);
    // Of three colours, one of which has a test picture more than the others.
    ok(Math.abs(measures.shiftedDrop!.value! - 30 / 40) < 0.005, JSON.stringify(measures.shiftedDrop));
    equal(measures.shiftedDrop!.rows, 30);
  });

  it('is asked the behaviour tests beside the data, each picture once, and names those of a test that fails', async () => {
    const behaviour = await makePictures(18, 21);
    const named = behaviour.map(({ id }) => `behaviour/${id}.png`);
    const minimum = (at: number, label: string): BehaviourTest => {
      return { kind: 'minimum-functionality', image: named[at]!, label };
    };
    const same = (at: number, other: number): BehaviourTest => {
      return { kind: 'invariance', image: named[at]!, other: named[other]! };
    };
    const moved = (at: number, edited: number, mustNot: 'fall' | 'rise'): BehaviourTest => {
      const asked = { image: named[at]!, edited: named[edited]! };
      return { kind: 'directional', ...asked, label: 'red', mustNot, by: 0 };
    };
    const table = (name: string, ...tests: readonly BehaviourTest[]): readonly StoredTest[] =>
      tests.map((test, at) => ({ table: name, file: `${name}.csv`, line: at + 2, test }));
    const tests = [
      ...table('plain', ...behaviour.map(({ label }, at) => minimum(at, label)), minimum(0, 'green')),
      ...table('same', same(0, 3), same(0, 1)),
      ...table('moved', moved(0, 1, 'rise'), moved(0, 1, 'fall')),
    ];
    const dataset = await putPictures(opened.store, { ...splits, behaviour }, { tests });
    const asked = await runStep(evaluateModel, { ...input, dataset }, services);
    deepEqual(
      asked.behaviour!.map(({ name, kind, score, failures }) => [
        name,
        kind,
        score.value,
        score.rows,
        ...failures.map(({ file, line, pictures }) => [`${file}:${line}`, pictures]),
      ]),
      [
        ['plain', 'minimum-functionality', 18 / 19, 19, ['plain.csv:20', [named[0]]]],
        ['same', 'invariance', 0.5, 2, ['same.csv:3', [named[0], named[1]]]],
        ['moved', 'directional', 0.5, 2, ['moved.csv:3', [named[0], named[1]]]],
      ],
    );
    match(asked.behaviour![1]!.failures[0]!.problem, /^is red the one way and green the other$/);
    equal(evaluation.behaviour, undefined);
    const lost = await putPictures(opened.store, { ...splits, behaviour: behaviour.slice(1) }, { tests });
    await rejects(
      runStep(evaluateModel, { ...input, dataset: lost }, services),
      /behaviour\.tar does not hold behaviour/,
    );
  });

  it('fits a probe of some training pictures anew, on all of them', async () => {
    const { baseline } = input;
    const none = COLOURS.map(() => COLOURS.map(() => 0));
    const dull = { labels: COLOURS, weights: none, bias: [1, 0, 0], l2: 1, fittedOn: { rows: 9, of: 60 } };
    const probe = await opened.store.putJson(dull, 'probe.json');
    const { baselineAccuracy } = await runStep(evaluateModel, { ...input, baseline: { ...baseline, probe } }, services);
    equal(baselineAccuracy.value, 30 / 40);
  });

  it('takes a small part of the rows with the whole pack, and refuses rows in another order than theirs', async () => {
    const test = splits.test.filter((_, row) => row % 2 === 1);
    const part = await putPictures(opened.store, splits, { rows: { ...splits, test } });
    const { measures } = await runStep(evaluateModel, { ...input, dataset: part }, services);
    deepEqual([measures.accuracy.value, measures.accuracy.rows], [1, 20]);
    const turned = await putPictures(opened.store, splits, { rows: { ...splits, test: test.toReversed() } });
    await rejects(runStep(evaluateModel, { ...input, dataset: turned }, services), {
      kind: 'BadData',
      message: 'test.tar does not hold the pictures of test.jsonl in their order',
    });
  });

  it('has the pictures of a sampled reference asked again where they stand', async () => {
    const { signal } = new AbortController();
    const asking = { most: 2, places: [3, 5, 9] };
    const questions = await servingQuestions(opened.store, input.dataset.digest, asking, signal);
    deepEqual(
      questions.map(({ rows, inputs: [one] }) => [rows, (one as { readonly data: readonly string[] }).data]),
      [3, 5].map((place, row) => [[row], [splits.test[place]!.bytes.toString('base64')]]),
    );
  });

  it('is compared with the one in production on the pictures that this one never saw', async () => {
    const production = await copyOf(async (folder) => {
      const config = JSON.parse(await readFile(join(folder, 'classifier.json'), 'utf8')) as object;
      // What is red to the graph is green to this one, and so on.
      const turned = { ...config, labels: COLOURS.map((colour) => next(colour)) };
      await writeFile(join(folder, 'classifier.json'), JSON.stringify(turned));
    }, 'production');
    const seen = splits.test.filter((_, row) => row < 8);
    const asked: CompareModelsInput = {
      production: {
        bundle: `sha256:${'b'.repeat(64)}`,
        classifier: production,
        dataset: await putPictures(opened.store, { train: seen, validation: [] }),
      },
      candidate: { classifier: input.classifier, evaluation: evaluation.details },
      dataset: input.dataset,
      seed: 7,
    };
    const result = await runStep(compareModels, asked, services);
    ok(result.comparable);
    deepEqual([result.rows, result.rowsKnown], [32, 8]);
    // Production has right what was labelled wrongly.
    deepEqual([result.won, result.lost], [24, 8]);
    ok(result.wonExamples.every(({ rowId }) => !seen.some(({ id }) => id === rowId)));
  });
});

function next(colour: string): string {
  return COLOURS[(COLOURS.indexOf(colour as (typeof COLOURS)[number]) + 1) % COLOURS.length]!;
}
