import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { digestBytes } from '../../artifacts/digest.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { partialKey, stepRecordKey } from '../../artifacts/step-records.ts';
import { blobKey } from '../../artifacts/store.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { TASK_QUEUES } from '../../workflows/messages.ts';
import { espalier, type Ended } from '../support/command.ts';
import { testFolder, withStore, type TestStore } from '../support/store.ts';
import { freePort, temporalForTests } from '../support/temporal.ts';

const TEXT = { name: 'file.txt', mediaType: 'text/plain' };
const MONTH_AGO = new Date(Date.now() - 30 * 24 * 3600_000);

describe('espalier gc', () => {
  let store: TestStore;
  let temporal: TemporalClient;
  let address: string;
  before(async () => {
    store = await withStore();
    const server = await temporalForTests();
    address = server.address;
    temporal = await server.connect();
  });
  after(async () => {
    await temporal.close();
    store.close();
  });

  function gc(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
    const state = join(testFolder(), `state-${randomUUID()}`);
    const own = { ESPALIER_STATE: state, TEMPORAL_ADDRESS: address, NO_COLOR: '1' };
    return espalier(['gc', ...args], { ...process.env, ...store.env, ...own, ...env });
  }

  async function age(ref: ArtifactRef): Promise<void> {
    const { Bucket, Key } = store.objects.at(blobKey(ref.digest));
    await utimes(join(testFolder(), 'data', Bucket, Key), MONTH_AGO, MONTH_AGO);
  }

  async function put(text: string): Promise<ArtifactRef> {
    const ref = await store.store.putBytes(text, TEXT);
    await age(ref);
    return ref;
  }

  it('shows the garbage, deletes nothing without --yes, and nothing that only a run in Temporal names', async () => {
    const [data, garbage] = [await put('the data file of a run that waits for a worker'), await put('garbage')];
    const input = await store.store.putJson({ dataFiles: [{ ref: data }] }, 'run.json');
    await age(input);
    const workflowId = `gc-${randomUUID()}`;
    const { workflow } = temporal.client;
    await workflow.start('runPipeline', { workflowId, taskQueue: TASK_QUEUES.orchestration, args: [{}, input] });
    try {
      // The list of runs is brought up to date a moment after the start.
      const query = `TaskQueue = '${TASK_QUEUES.orchestration}' AND WorkflowId = '${workflowId}'`;
      while ((await workflow.count(query)).count === 0) await new Promise((go) => setTimeout(go, 50));

      const dry = await gc(['--dry-run']);
      assert.equal(dry.code, 0, dry.stderr);
      assert.match(dry.stderr, /^in use: 2 blobs, .*newer than 7d: 0 blobs/m);
      assert.match(dry.stderr, /^garbage: 1 blob, 7 bytes$/m);
      assert.equal(dry.stdout, '');
      const asked = await gc([]);
      assert.equal(asked.code, 6);
      assert.match(asked.stderr, /nothing was deleted: add --yes/);
      assert.equal(await store.store.has(garbage.digest), true);

      const { code, stdout } = await gc(['--yes', '--json']);
      assert.equal(code, 0);
      const report = JSON.parse(stdout) as { garbage: unknown; freed: unknown; kept: unknown };
      assert.deepEqual(report.freed, { blobs: 1, bytes: 7 });
      assert.deepEqual(report.garbage, report.freed);
      assert.equal(await store.store.has(garbage.digest), false);
      for (const ref of [data, input]) assert.equal(await store.store.has(ref.digest), true);
    } finally {
      await workflow.getHandle(workflowId).terminate();
    }
    const closed = await gc([]);
    assert.equal(closed.code, 0, 'a closed run may be resumed, as long as Temporal knows it');
    assert.match(closed.stderr, /^garbage: 0 blobs, 0 bytes$/m);
  });

  it('removes what killed attempts have left for the next, once it is old, and no younger', async () => {
    const [old, young] = ['old', 'young'].map((text) => partialKey(digestBytes(text))) as [string, string];
    for (const key of [old, young]) await store.pointers.create(key, { version: 1, asked: [] });
    const { Bucket, Key } = store.objects.at(old);
    await utimes(join(testFolder(), 'data', Bucket, Key), MONTH_AGO, MONTH_AGO);
    const dry = await gc(['--dry-run']);
    assert.match(dry.stderr, /^garbage: 0 blobs, 0 bytes, and 1 notes that attempts have left$/m);
    assert.ok(await store.pointers.read(old));
    assert.equal((await gc([])).code, 6);
    const { stdout } = await gc(['--yes', '--json']);
    assert.equal((JSON.parse(stdout) as { partials: number }).partials, 1);
    assert.equal(await store.pointers.read(old), undefined);
    assert.ok(await store.pointers.read(young));
    assert.equal((JSON.parse((await gc(['--yes', '--json'])).stdout) as { partials: number }).partials, 0);
  });

  it('deletes nothing while it cannot ask Temporal which runs there are', async () => {
    const garbage = await put('more garbage');
    const { code, stderr } = await gc(['--yes'], { TEMPORAL_ADDRESS: `127.0.0.1:${await freePort()}` });
    assert.equal(code, 1);
    assert.match(stderr, /TemporalUnavailable/);
    assert.equal(await store.store.has(garbage.digest), true);
  });

  it('stops at damage with the name of what is damaged, and deletes nothing', async () => {
    const garbage = await put('still garbage');
    const key = stepRecordKey(digestBytes('step'));
    await store.objects.putBytes(key, Buffer.from('not JSON'));
    const { code, stdout } = await gc(['--yes', '--json']);
    assert.equal(code, 1);
    const { error } = JSON.parse(stdout) as { error: { kind: string; where: string } };
    assert.deepEqual([error.kind, error.where], ['Corrupt', key]);
    assert.equal(await store.store.has(garbage.digest), true);
    await store.objects.delete(key);
  });

  for (const grace of ['1d', '7', 'soon']) {
    it(`refuses --grace ${grace} before it asks anybody`, async () => {
      const { code, stderr } = await gc(['--grace', grace], { TEMPORAL_ADDRESS: '127.0.0.1:1' });
      assert.equal(code, 2);
      assert.match(stderr, /--grace/);
    });
  }
});
