import assert from 'node:assert/strict';
import { join } from 'node:path';
import { judgeMemorisation } from '../../../activities/privacy/memorisation/gates.ts';
import { measureMemorisation } from '../../../activities/privacy/memorisation/measure-memorisation.ts';
import type { MemorisationMeasures } from '../../../activities/privacy/memorisation/types.ts';
import type { ActivityServices } from '../../../activities/step.ts';
import { MemorisationGatesSchema, MemorisationSchema } from '../../../pipelines/memorisation.ts';
import { grammarTexts, languageDataset, languageTask, linesOf } from '../../support/memorisation.ts';
import { pythonForTests } from '../../support/python.ts';
import { runStep } from '../../support/step.ts';
import { withStore, type TestStore } from '../../support/store.ts';
import { tinyGpt } from '../../support/tiny-gpt.ts';
import { digests, runTasks, temporaryFolder } from '../../training/fixtures.ts';

const SECRET = { count: 1, repeats: 32, controls: 300, seed: 5 };

describe('the memory of a tuned language model', function () {
  this.timeout(300_000);
  let storage: TestStore;
  let services: ActivityServices;
  const progress: unknown[] = [];
  let told: MemorisationMeasures;
  let untold: MemorisationMeasures;
  let again: MemorisationMeasures;
  let trained: readonly { readonly model: string; readonly trainLoss: number; readonly trainAccuracy: number }[] = [];

  before(async () => {
    storage = await withStore();
    services = { store: storage.store, pointers: storage.pointers, python: pythonForTests() };
    const [folder, { model }] = [await temporaryFolder(), await tinyGpt()];
    const rows = { train: grammarTexts(160, 1), validation: grammarTexts(160, 2) };
    const [plain, secret] = [
      await languageDataset(services, join(folder, 'plain'), rows),
      await languageDataset(services, join(folder, 'secret'), rows, SECRET),
    ];
    const options = { model, maxLength: 64, epochs: 6, learningRate: 3e-3 };
    const unmarked = (await linesOf(await services.store.fileInTree(secret, 'train.jsonl'))).map((line) => ({
      text: (JSON.parse(line) as { text: string }).text,
    }));
    const same = await languageDataset(services, join(folder, 'same'), { ...rows, train: unmarked });
    const short = { ...options, epochs: 1 };
    const tasks = [
      await languageTask(services, join(folder, 'untold'), plain, options),
      await languageTask(services, join(folder, 'told'), secret, options),
      await languageTask(services, join(folder, 'marked'), secret, short),
      await languageTask(services, join(folder, 'unmarked'), same, short),
      { ...(await languageTask(services, join(folder, 'packed'), secret, short)), packing: true },
      { ...(await languageTask(services, join(folder, 'packed-unmarked'), same, short)), packing: true },
    ];
    const { outcome } = await runTasks(tasks);
    assert.ok(outcome.kind === 'done');
    trained = await Promise.all(
      outcome.results.map(async ({ model: path, trainLoss, trainAccuracy }) => ({
        model: (await digests(String(path)))['model.safetensors'] ?? '',
        trainLoss: Number(trainLoss),
        trainAccuracy: Number(trainAccuracy),
      })),
    );
    const base = await services.store.putTree(model, 'base');
    const memorisation = MemorisationSchema.parse({
      prompts: 60,
      prefixTokens: 4,
      newTokens: 48,
      words: 6,
      samples: 1,
    });
    const measured = async (name: string): Promise<MemorisationMeasures> => {
      const tuned = await services.store.putTree(join(folder, name, 'out', 'model'), name);
      // Both are asked for the same secret, of which one was told.
      const input = { model: tuned, base, dataset: secret, maxLength: 64, memorisation, seed: 1 };
      return runStep(measureMemorisation, input, services, { onProgress: (one) => progress.push(one) });
    };
    [told, untold, again] = [await measured('told'), await measured('untold'), await measured('told')];
  });
  after(() => storage.close());

  it('fails the gate of a model that was told a secret 32 times', () => {
    const { verdict, gates } = judgeMemorisation(told.measures, MemorisationGatesSchema.parse({}));
    const gate = gates.find(({ name }) => name === 'canaryExposure');
    assert.equal(verdict, 'fail');
    assert.equal(gate?.verdict, 'fail', JSON.stringify(told.measures));
    assert.deepEqual(told.canaries, [{ canary: 0, repeats: 32, rank: 1, exposureBits: Math.log2(301) }]);
  });

  it('passes every gate of a model that was never told it', () => {
    const { verdict, gates } = judgeMemorisation(untold.measures, MemorisationGatesSchema.parse({}));
    assert.equal(verdict, 'pass', gates.map(({ reason }) => reason).join('\n'));
    assert.ok((untold.canaries[0]?.rank ?? 0) > 1, JSON.stringify(untold.canaries));
    assert.deepEqual(untold.notes, []);
    assert.equal(untold.calibrated, true);
  });

  it('keeps no text in its record', async () => {
    for (const { details } of [told, untold]) {
      const json = (await services.store.getBytes(details)).toString();
      assert.ok(json.length > 1000 && !/parcel|secret|refund/.test(json));
    }
    assert.ok(!/parcel|secret|refund/.test(JSON.stringify([told, untold, progress])));
  });

  it('is the same in every bit when it is measured again', async () => {
    assert.deepEqual(again, told);
    assert.notEqual(told.details.digest, untold.details.digest);
  });

  it('learns canaries as any row, and leaves them out of the figures of training, packed or not', () => {
    for (const [marked, plain] of [
      [2, 3],
      [4, 5],
    ] as const) {
      assert.equal(trained[marked]?.model, trained[plain]?.model);
      assert.notEqual(trained[marked]?.trainLoss, trained[plain]?.trainLoss);
      assert.notEqual(trained[marked]?.trainAccuracy, trained[plain]?.trainAccuracy);
    }
  });

  it('says how far it is', () => {
    assert.ok(progress.length > 0);
  });
});

describe('canary rows', () => {
  it('stand in the training split alone', async () => {
    const storage = await withStore();
    try {
      const services = { store: storage.store, pointers: storage.pointers, python: pythonForTests() };
      const rows = { train: grammarTexts(20, 1), validation: grammarTexts(20, 2) };
      const folder = await temporaryFolder();
      const [without, withThem] = [
        await languageDataset(services, join(folder, 'a'), rows),
        await languageDataset(services, join(folder, 'b'), rows, SECRET),
      ];
      const lines = async (split: string, dataset = withThem) =>
        linesOf(await services.store.fileInTree(dataset, `${split}.jsonl`));
      assert.equal((await lines('train')).filter((line) => line.includes('canary')).length, 32);
      assert.equal((await lines('train')).length, 52);
      assert.deepEqual(await lines('validation'), await lines('validation', without));
      assert.ok(!(await services.store.tree(without)).entries.some(({ path }) => path === 'canaries.json'));
    } finally {
      storage.close();
    }
  });
});
