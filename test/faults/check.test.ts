import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { blobKey } from '../../artifacts/store.ts';
import { checkDeployment, checkSteps, checkStore } from '../support/faults-check.ts';
import { withStore, type TestStore } from '../support/store.ts';

describe('the checker of a disturbed run', () => {
  let store: TestStore;
  let inner: ArtifactRef;
  let file: ArtifactRef;
  beforeEach(async () => {
    store = await withStore();
    file = await store.store.putBytes('the weights', { name: 'weights', mediaType: 'application/octet-stream' });
    const tree = await store.store.putManifest([{ path: 'a/weights.bin', ref: file }], 'tree');
    inner = await store.store.putJson({ deep: [{ tree }] }, 'facts.json');
    assert.equal(await store.pointers.create('steps/one', { output: { report: inner } }), true);
    assert.equal(await store.pointers.create('registry/m/channels/production', { revision: 1, bundle: inner }), true);
  });
  afterEach(() => store.close());

  it('reaches every blob through documents and trees, and finds nothing wrong with a good store', async () => {
    assert.deepEqual(await checkStore(store), { problems: [], reached: 3, blobs: 3 });
  });

  it('finds a lost blob, and says from where it is referred to', async () => {
    await store.objects.delete(blobKey(file.digest));
    const { problems } = await checkStore(store);
    assert.equal(problems.length, 1);
    assert.match(problems[0] ?? '', /^lost: steps\/one\.output\.report\.deep\.0\.tree\/a\/weights\.bin → sha256:/);
  });

  it('finds a torn blob, referred to or not', async () => {
    await store.objects.putBytes(blobKey(file.digest), Buffer.from('the wei'));
    const stray = await store.store.putBytes('stray', { name: 's', mediaType: 'text/plain' });
    await store.objects.putBytes(blobKey(stray.digest), Buffer.from('str'));
    const { problems } = await checkStore(store);
    assert.equal(problems.length, 2, problems.join('\n'));
    assert.match(problems.join('\n'), /torn: .*weights\.bin .*: 7 of 11 bytes/);
    assert.match(problems.join('\n'), /torn: blobs\/.*, which nothing refers to/);
  });

  it('finds half a pointer and a cut audit chain', async () => {
    await store.objects.putBytes('steps/two', Buffer.from('{"output":'));
    await store.objects.putBytes('audit/000000000003', Buffer.from('{"seq":3}'));
    const { problems } = await checkStore(store);
    assert.match(problems.join('\n'), /torn: steps\/two is not JSON/);
    assert.match(problems.join('\n'), /audit: /);
  });

  it('finds a step that was computed twice, a record of no step, and a second deployment', async () => {
    const result = (startedAt: string) => ({ key: 'sha256:one', computedBy: 'run', startedAt, finishedAt: 'end' });
    await store.objects.putBytes('steps/one', Buffer.from(JSON.stringify({ ...result('first'), attempt: 1 })));
    const history = (startedAt: string) => ({
      problems: [],
      attempts: { train: 1 },
      results: { train: result(startedAt) },
    });
    assert.deepEqual(await checkSteps(store, history('first'), new Set()), []);
    assert.match((await checkSteps(store, history('second'), new Set())).join(), /train was computed twice/);
    await store.pointers.create('steps/other', {});
    assert.match(
      (await checkSteps(store, history('first'), new Set())).join(),
      /steps\/other is the record of no step/,
    );
    assert.deepEqual(await checkSteps(store, history('first'), new Set(['steps/other'])), []);

    assert.deepEqual(await checkDeployment(store, 'm'), []);
    const pointer = await store.pointers.read('registry/m/channels/production');
    await store.pointers.replace('registry/m/channels/production', { revision: 2 }, pointer?.version);
    assert.match((await checkDeployment(store, 'm')).join(), /moved 2 times/);
  });

  it('follows what a tree of real files holds', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-check-'));
    try {
      await writeFile(join(folder, 'x.bin'), 'x');
      await store.pointers.create('checkpoints/k', { checkpoints: [{ tree: await store.store.putTree(folder, 't') }] });
      const { problems, reached } = await checkStore(store);
      assert.deepEqual([problems, reached], [[], 5]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
