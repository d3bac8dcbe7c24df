import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { cp, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Progress } from '../../activities/contract.ts';
import type { SquareAttackInput } from '../../activities/contract/validation.ts';
import { buildIndex } from '../../activities/retrieval/build-index.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { attackBySquares } from '../../activities/validation/attack-by-squares.ts';
import type { Searched } from '../../activities/validation/attack-measures.ts';
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

describe('the square attack on a served graph', () => {
  let storage: TestStore;
  let services: ActivityServices;
  let test: readonly MadePicture[];
  let input: SquareAttackInput;

  before(async () => {
    storage = await withStore();
    services = {
      store: storage.store,
      pointers: storage.pointers,
      python: { executable: 'unused', packages: 'unused' },
    };
    test = await makePictures(24, 18);
    // Every eighth is called by another colour: what is wrong before cannot be lost.
    const splits = {
      train: await makePictures(30, 16),
      validation: await makePictures(9, 17),
      test: test.map((one, row) => (row % 8 === 0 ? { ...one, label: next(one.label) } : one)),
    };
    input = {
      model: await storage.store.putTree(await tinyPictureClassifier(), 'classifier'),
      dataset: await putPictures(storage.store, splits),
      attack: { epsilonLevels: 2, pictures: 100, queries: 60 },
      seed: 7,
      threads: 1,
    };
  });
  after(() => storage.close());

  const attacked = async (change: Partial<SquareAttackInput> = {}) => {
    const measured = await runStep(attackBySquares, { ...input, ...change }, services);
    const lines = (await storage.store.getBytes(measured.details)).toString().trim().split('\n');
    return { ...measured, rows: lines.map((line) => JSON.parse(line) as Searched) };
  };
  const hard = { epsilonLevels: 128, pictures: 100, queries: 300 };

  it('loses no answer that ε cannot turn, and asks as often as it may', async () => {
    const { measures, accuracy, rows, queriesToLose } = await attacked();
    deepEqual([measures.squareRobustness.value, measures.squareRobustness.rows], [1, 21]);
    deepEqual([accuracy.value, accuracy.rows, queriesToLose], [21 / 24, 24, null]);
    deepEqual(
      rows.map(({ rowId, right, lost, queries }) => [rowId, right, lost, queries]),
      test.map(({ id }, row) => [id, row % 8 !== 0, false, row % 8 === 0 ? 0 : 60]),
    );
  });

  it('finds those that it can, and asks no more about them', async () => {
    const { measures, rows, queriesToLose } = await attacked({ attack: hard });
    ok(measures.squareRobustness.value! < 0.2);
    const right = rows.filter((row) => row.right);
    ok(right.every(({ lost, queries }) => (lost ? queries > 0 && queries <= 300 : queries === 300)));
    ok(queriesToLose !== null && queriesToLose > 0 && queriesToLose < 300);
  });

  it('gives the same again, whatever batch a picture is in', async () => {
    const [all, again] = [await attacked({ attack: hard }), await attacked({ attack: hard })];
    equal(again.details.digest, all.details.digest);
    const some = await attacked({ attack: { ...hard, pictures: 20 } });
    equal(some.rows.length, 20);
    const known = new Map(all.rows.map((row) => [row.rowId, row]));
    deepEqual(
      some.rows,
      some.rows.map(({ rowId }) => known.get(rowId)),
    );
  });

  it('attacks what a gallery is asked with: lost is what finds another label first', async () => {
    const encoder = await asEncoder();
    const { index } = await runStep(buildIndex, { model: encoder, dataset: input.dataset, seed: 3 }, services);
    const stands = await attacked({ model: encoder, index });
    deepEqual([stands.measures.squareRobustness.value, stands.measures.squareRobustness.rows], [1, 21]);
    deepEqual([stands.accuracy.value, stands.accuracy.rows], [21 / 24, 24]);
    const falls = await attacked({ model: encoder, index, attack: hard });
    ok(falls.measures.squareRobustness.value! < 0.2);
  });

  it('leaves out pictures that the gallery has nothing for, and is not silent where that leaves none', async () => {
    const of = async (train: readonly MadePicture[]) => {
      const dataset = await putPictures(storage.store, { train, validation: [], test });
      const { index } = await runStep(buildIndex, { model: input.model, dataset, seed: 3 }, services);
      return attacked({ dataset, index });
    };
    const train = await makePictures(30, 16);
    equal((await of(train.filter(({ label }) => label !== 'red'))).accuracy.rows, 16);
    const blue = train.filter(({ label }) => label === 'blue');
    equal((await of(blue)).measures.squareRobustness.value, 1, 'a gallery of one label finds it from anywhere');
    const other = blue.map((one) => ({ ...one, label: 'red' }));
    const reds = test.filter(({ label }) => label === 'green');
    const dataset = await putPictures(storage.store, { train: other, validation: [], test: reds });
    const { index } = await runStep(buildIndex, { model: input.model, dataset, seed: 3 }, services);
    await rejects(attacked({ dataset, index }), {
      kind: 'BadData',
      message: /no pictures to attack with, or the gallery/,
    });
  });

  it('refuses an encoder without an index, and an empty test split', async () => {
    await rejects(attacked({ model: await asEncoder() }), { kind: 'BadModel', message: /encoder without/ });
    const dataset = await putPictures(storage.store, { train: test, validation: [], test: [] });
    await rejects(attacked({ dataset }), { kind: 'BadData', message: /no pictures to attack with/ });
  });

  it('tells how far it is, and ends when it is cancelled', async () => {
    const stop = new AbortController();
    const told: Progress[] = [];
    const onProgress = (progress: Progress) => {
      told.push(progress);
      if (told.length === 5) stop.abort(new Error('cancelled'));
    };
    await rejects(runStep(attackBySquares, input, services, { signal: stop.signal, onProgress }), /cancelled/);
    equal(told.length, 5);
    ok(told.every(({ phase, total }) => phase === 'attack' && total === 24));
    equal(told[4]!.note, '5 of 60 questions');
  });

  async function asEncoder(): Promise<SquareAttackInput['model']> {
    const folder = join(await temporaryFolder(), 'encoder');
    await cp(await tinyPictureClassifier(), folder, { recursive: true });
    const config = JSON.parse(await readFile(join(folder, 'classifier.json'), 'utf8')) as { labels?: unknown };
    delete config.labels;
    await writeFile(join(folder, 'encoder.json'), JSON.stringify({ ...config, kind: 'encoder' }));
    await rename(join(folder, 'classifier.json'), join(folder, 'unused.json'));
    return storage.store.putTree(folder, 'encoder');
  }
});

function next(label: string): string {
  return COLOURS[(COLOURS.indexOf(label as 'red') + 1) % COLOURS.length]!;
}
