import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { espalier as command, type Ended } from '../support/command.ts';
import { freePort } from '../support/temporal.ts';

describe('the espalier command', () => {
  let folder: string;
  let address: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-cli-'));
    address = `127.0.0.1:${await freePort()}`;
  });
  after(() => rm(folder, { recursive: true, force: true }));

  function espalier(...args: string[]): Promise<Ended> {
    return command(args, {
      ...process.env,
      ESPALIER_STATE: join(folder, 'state'),
      TEMPORAL_ADDRESS: address,
      NO_COLOR: '1',
    });
  }

  it('says what there is', async () => {
    const { code, stdout } = await espalier('--help');
    assert.equal(code, 0);
    for (const command of ['dev', 'run', 'runs', 'approvals', 'models', 'predict', 'pipelines', 'doctor'])
      assert.match(stdout, new RegExp(`^  ${command} `, 'm'));
    assert.doesNotMatch(stdout, /\bdemo\b/);
  });

  it('ends without a word where nobody reads on, as `espalier … | head` has it', async () => {
    const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', main, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    assert.deepEqual([code, stderr], [141, '']);
  });

  it('answers a wrong command with exit code 2', async () => {
    assert.equal((await espalier('deplyo')).code, 2);
    assert.equal((await espalier('run')).code, 2);
  });

  it('answers a wrong command with JSON where JSON is asked for, wherever --json stands', async () => {
    const cases: [args: string[], reason: RegExp][] = [
      [['--json', 'deplyo'], /unknown command 'deplyo'/],
      [['run', '--json'], /missing required argument 'pipeline'/],
      [['runs', 'retry', 'some-run', '--json'], /missing required argument 'step'/],
      [['run', 'x', '--on-failure', 'explode', '--json'], /Allowed choices are park, fail/],
      [['runs', 'list', '--nope', '--json'], /unknown option '--nope'/],
    ];
    for (const [args, reason] of cases) {
      const { code, stdout } = await espalier(...args);
      assert.equal(code, 2, args.join(' '));
      const { error } = JSON.parse(stdout) as { error: { kind: string; message: string; fix: string } };
      assert.equal(error.kind, 'BadConfig');
      assert.match(error.message, reason);
      assert.match(error.fix, /--help/);
    }
    const plain = await espalier('deplyo');
    assert.equal(plain.stdout, '');
    const help = await espalier('runs', '--help', '--json');
    assert.equal(help.code, 0);
    assert.doesNotMatch(help.stdout, /"error"/);
  });

  it('lists every mistake of a definition by path, as text and as JSON', async () => {
    const file = join(folder, 'wrong.json');
    await writeFile(
      file,
      JSON.stringify({
        name: 'Wrong Name',
        task: 'text-classification',
        candidates: [{ id: 'a', model: 'pypi:x' }],
        training: { epochs: -1, epoch: 3 },
      }),
    );
    const { code, stderr } = await espalier('pipelines', 'check', file);
    assert.equal(code, 2);
    for (const path of [
      'name',
      'data',
      'candidates[0].model',
      'training.epochs',
      'training.epoch',
      'approvals',
      'deploy',
      'intendedUse',
    ]) {
      assert.ok(stderr.includes(`  ${path}:`), `${path} in\n${stderr}`);
    }
    const json = await espalier('--json', 'pipelines', 'check', file);
    assert.equal(json.code, 2);
    const { ok, problems } = JSON.parse(json.stdout) as { ok: boolean; problems: unknown[] };
    assert.equal(ok, false);
    assert.ok(problems.length >= 8);
  });

  it('checks the shipped pipeline', async () => {
    const { code, stdout } = await espalier('--json', 'pipelines', 'check', 'support-intents');
    assert.equal(code, 0);
    assert.equal((JSON.parse(stdout) as { pipeline: { name: string } }).pipeline.name, 'support-intents');
  });

  it('gives the notes of a correct definition: a candidate of the hub needs the network, and its revision can move', async () => {
    const { code, stdout, stderr } = await espalier('pipelines', 'check', 'support-replies');
    assert.equal(code, 0);
    const shown = stdout + stderr;
    assert.match(shown, /ok support-replies: 1 candidates/);
    assert.match(
      shown,
      /candidates\[0\]\.model: 'main' can move[^]*candidates\[0\]\.model: comes from the Hugging Face hub/,
    );
    const json = await espalier('--json', 'pipelines', 'check', 'support-replies');
    assert.equal((JSON.parse(json.stdout) as { notes: readonly unknown[] }).notes.length, 2);
  });

  it('says within seconds which address has no Temporal server, and what to do', async () => {
    const { code, stderr } = await espalier('runs', 'list');
    assert.equal(code, 1);
    assert.ok(stderr.includes(`no Temporal server at ${address}`), stderr);
    assert.match(stderr, /espalier dev/);
  });

  it('names a pipeline that does not exist, with exit code 5', async () => {
    const { code, stderr } = await espalier('run', './nowhere.ts');
    assert.equal(code, 5, stderr);
    assert.match(stderr, /nowhere\.ts/);
  });

  it('prints errors as JSON too', async () => {
    const { stdout } = await espalier('--json', 'runs', 'show', 'x');
    assert.equal((JSON.parse(stdout) as { error: { kind: string } }).error.kind, 'TemporalUnavailable');
  });
});
