import { deepEqual, equal } from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { putNeighbourReference } from '../../activities/retrieval/reference.ts';
import { samplePictures } from '../../activities/selection/profile-encoder.ts';
import type { ReferenceStatistics } from '../../artifacts/bundle.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { makePictures, putPictures } from '../support/tiny-pictures.ts';

describe('where a sample of the test pictures asks', () => {
  let opened: TestStore;
  const context = async () => ({
    store: opened.store,
    signal: new AbortController().signal,
    workDir: await mkdtemp(join(tmpdir(), 'espalier-reference-')),
  });
  before(async () => {
    opened = await withStore();
  });
  after(() => opened.close());

  it('the reference says which they are, for a deployment asks the server about them again', async () => {
    const asking = { ids: ['a', 'b'], embeddings: Float32Array.of(1, 0, 0, 1) };
    const found = [[{ id: 'x', label: 'red', similarity: 1 }], [{ id: 'y', label: 'blue', similarity: 1 }]];
    const placesOf = async (places: readonly number[] | undefined) => {
      const step = { ...(await context()), progress: () => undefined };
      const reference = await putNeighbourReference({ ...asking, places }, { found }, ['blue', 'red'], step as never);
      const { entries } = await opened.store.tree(reference);
      const file = entries.find(({ path }) => path === 'reference.json')!;
      return (await opened.store.getJson<ReferenceStatistics>(file.digest)).places;
    };
    deepEqual(await placesOf([3, 8]), [3, 8]);
    equal(await placesOf(undefined), undefined);
  });

  it('those that are corrupted are among them, as many as there can be', async () => {
    const test = await makePictures(40, 18);
    const dataset = await putPictures(opened.store, { test });
    const among = new Set(test.filter((_, row) => row % 4 === 0).map(({ id }) => id));
    const idsOf = async (most: number, only?: ReadonlySet<string>) =>
      (await samplePictures(dataset, 'test', most, await context(), only)).map((path) => basename(path));
    deepEqual(await idsOf(100, among), [...among]);
    const few = await idsOf(4, among);
    equal(few.filter((id) => among.has(id)).length, 4);
    equal((await idsOf(100)).length, 40);
  });
});
