import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../infra/root.ts';
import { runNode, type Ended } from '../support/command.ts';
import type { RunOutcome } from '../../workflows/messages.ts';

interface DemoResult {
  readonly outcome: RunOutcome;
  readonly report: string;
  readonly predictions: readonly { readonly label: string; readonly probability: number }[];
}

/** What a user types, on the built command. */
const espalier = (args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ended> =>
  runNode([join(packageRoot, 'bin/espalier.mjs'), ...args], env);

describe('the main job', function () {
  this.timeout(3_000_000); // minutes of a machine at rest; the limit is for a busy one
  let folder: string;
  let env: NodeJS.ProcessEnv;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-main-'));
    env = { ...process.env, ESPALIER_STATE: join(folder, 'state'), ESPALIER_USER: 'tester', NO_COLOR: '1' };
  });
  after(() => rm(folder, { recursive: true, force: true }));
  let bundle = '';

  it('ends at Ctrl-C in the middle of a run', async () => {
    const child = spawn(process.execPath, [join(packageRoot, 'bin/espalier.mjs'), 'demo', '--yes'], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
      if (!child.killed && /✓ take a snapshot/.test(stderr)) child.kill('SIGINT');
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    assert.equal(code, 130, stderr);
    assert.match(stderr, /the run goes on at the next/);
  });

  it('takes the shipped pipeline from data to a served model, both approvals given', async () => {
    const ended = await espalier(['--json', 'demo', '--yes', '--once'], env);
    assert.equal(ended.code, 0, ended.stderr);
    assert.match(ended.stderr, /goes on where it was/);
    const { outcome, report, predictions } = JSON.parse(ended.stdout) as DemoResult;
    assert.equal(outcome.state, 'deployed');
    assert.equal(outcome.deployment?.serving?.agreement, 1, 'the served model answers as the evaluated one did');
    assert.equal(predictions.length, 1);
    assert.ok((predictions[0]?.probability ?? 0) > 0.3);
    assert.match(await readFile(report, 'utf8'), /<!doctype html>/i);
    bundle = outcome.deployment?.bundle.digest ?? '';
    assert.match(ended.stderr, /approved as lena-legal/);
    assert.match(ended.stderr, /approved as omar-product/);
  });

  it('reaches the served model again without computing anything, after everything was stopped', async () => {
    const ended = await espalier(['--json', 'demo', '--yes', '--once'], env);
    assert.equal(ended.code, 0, ended.stderr);
    const { outcome, predictions } = JSON.parse(ended.stdout) as DemoResult;
    assert.equal(outcome.deployment?.bundle.digest, bundle);
    assert.equal(predictions.length, 1);
    assert.match(ended.stderr, /nothing is computed again/);
  });

  it('refuses to answer approvals by itself where there is no terminal', async () => {
    const ended = await espalier(['demo'], env);
    assert.equal(ended.code, 6);
    assert.match(ended.stderr, /--yes/);
  });

  it('leaves no process behind', async () => {
    const { children } = JSON.parse(await readFile(join(folder, 'state', 'stack.json'), 'utf8')) as {
      children: { pid: number }[];
    };
    for (const { pid } of children)
      assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' }, `process ${pid} is still there`);
  });
});
