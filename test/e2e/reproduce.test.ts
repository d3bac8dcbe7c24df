import assert from 'node:assert/strict';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { showModel } from '../../client/models.ts';
import type { ReproductionVerdict } from '../../client/reproduce.ts';
import { espalier } from '../support/command.ts';
import {
  finishRun,
  smallPipeline,
  startSmallRun,
  startTestHost,
  stopTestHosts,
  type TestHost,
} from '../support/host.ts';

describe('a released model', function () {
  this.timeout(1_500_000); // minutes of a machine at rest; the limit is for a busy one
  let host: TestHost;
  before(async () => {
    host = await startTestHost();
    await startSmallRun(host, 'original', await smallPipeline());
    assert.equal((await finishRun(host, 'original')).state, 'deployed');
  });
  after(stopTestHosts);

  const command = (...args: string[]) =>
    espalier(args, { ...process.env, ESPALIER_STATE: host.stateDir, NO_COLOR: '1' });

  it('tells its whole lineage by its digest alone', async () => {
    const { store, pointers } = host.store;
    const { bundle, facts } = await showModel(store, pointers, 'small');
    const traced = await command('trace', bundle.digest);
    assert.equal(traced.code, 0, traced.stderr);
    for (const digest of [bundle, facts.definition, facts.data?.dataset, facts.training?.model]) {
      assert.ok(traced.stdout.includes(digest?.digest ?? '?'), digest?.name);
    }
    assert.match(traced.stdout, /review: approve[\s\S]+lena-legal[\s\S]+release: approve[\s\S]+omar-product/);
    assert.match(traced.stdout, /code version +\d+/);
  });

  it('leaves the stack with its signature, and is verified anywhere by the public key', async () => {
    const folder = join(host.folder, 'exported');
    const exported = await command('models', 'export', 'small', folder);
    assert.equal(exported.code, 0, exported.stderr);
    assert.equal((await command('models', 'verify', folder)).code, 0);
    await appendFile(join(folder, 'MODEL_CARD.md'), ' ');
    const changed = await command('models', 'verify', folder);
    assert.equal(changed.code, 1);
    assert.match(changed.stderr, /MODEL_CARD\.md is sha256/);
  });

  it('is made again to the byte from its record alone, and no channel moves', async () => {
    const { store, pointers, audit } = host.store;
    const before = await showModel(store, pointers, 'small');
    const { entries } = await audit.verify();
    const again = await command('--json', 'reproduce', before.bundle.digest);
    assert.equal(again.code, 0, `${again.stdout}\n${again.stderr}`);
    const verdict = JSON.parse(again.stdout) as ReproductionVerdict;
    assert.equal(verdict.equal, true);
    assert.equal(verdict.bundle?.digest, before.bundle.digest);
    assert.deepEqual(
      verdict.compared.map(({ what }) => what),
      ['dataset', 'encoder', 'base weights', 'tuned model', 'served model', 'answers to the test rows', 'bundle'],
    );
    assert.equal((await showModel(store, pointers, 'small')).revision, before.revision);
    assert.equal((await audit.verify()).entries, entries, 'nothing in the registry was touched');
  });
});
