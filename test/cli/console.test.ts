import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Token } from '../../client/tokens.ts';
import { espalier, type Ended } from '../support/command.ts';
import { startTestConsole, type TestConsole } from '../support/console.ts';
import { freePort } from '../support/temporal.ts';

describe('the console from the command line', function () {
  this.timeout(180_000);
  let runs: TestConsole;
  let stateDir: string;
  let env: NodeJS.ProcessEnv;
  before(async () => {
    runs = await startTestConsole();
    stateDir = await mkdtemp(join(tmpdir(), 'espalier-cli-console-'));
    env = {
      ...process.env,
      ...runs.store.env,
      TEMPORAL_ADDRESS: runs.temporal.address,
      ESPALIER_STATE: stateDir,
      ESPALIER_USER: 'root',
      NO_COLOR: '1',
    };
  });
  after(async () => {
    await runs.stop();
    await rm(stateDir, { recursive: true });
  });

  const run = (...args: string[]): Promise<Ended> => espalier(args, env);

  it('serves the API and signed links until it is stopped; tokens are made, listed and revoked by commands', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    env = { ...env, ESPALIER_CONSOLE_URL: url };
    const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
    const args = ['--import', 'tsx', main, 'console', '--json', '--port', new URL(url).port];
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = once(child, 'exit');
    let log = '';
    child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
    try {
      const [started] = (await once(child.stdout, 'data')) as [Buffer];
      assert.deepEqual(JSON.parse(started.toString()), {
        url,
        pipelines: ['machine-parts', 'part-finder', 'support-intents', 'support-replies'],
      });

      const scopes = 'models:read,runs:read';
      const made = await run('tokens', 'create', '--user', 'olga', '--scopes', scopes, '--expires', '2h');
      assert.equal(made.code, 0, made.stderr);
      const text = made.stdout.trim();
      const get = (path: string): Promise<Response> =>
        fetch(new URL(path, url), { headers: { authorization: `Bearer ${text}` } });
      assert.deepEqual([(await get('/v1/models')).status, (await get('/v1/approvals')).status], [200, 403]);
      const [token] = JSON.parse((await run('tokens', 'list', '--json')).stdout) as Token[];
      assert.deepEqual([token?.user, token?.createdBy, token?.scopes.join(',')], ['olga', 'root', scopes]);
      assert.ok(Math.abs(Date.parse(token?.expiresAt ?? '') - Date.now() - 7_200_000) < 120_000);
      assert.equal((await run('tokens', 'revoke', token?.id ?? '')).code, 0);
      assert.equal((await get('/v1/models')).status, 401);
      assert.match((await run('tokens', 'list')).stdout, /olga +revoked/);

      const runId = await runs.start();
      await runs.until(runId, ({ approvals }) => approvals[0]?.state === 'open');
      const linked = await run('approvals', 'link', runId, 'review', '--as', 'lena', '--expires', '1h');
      assert.equal(linked.code, 0, linked.stderr);
      const page = await fetch(linked.stdout.trim());
      assert.deepEqual([page.status, /as <strong>lena<\/strong>/.test(await page.text())], [200, true]);
      const body = new URLSearchParams({ decision: 'approve', comment: 'by link' });
      assert.equal((await fetch(linked.stdout.trim(), { method: 'POST', body })).status, 200);
      const { approvals } = await runs.until(runId, () => true);
      assert.deepEqual([approvals[0]?.record?.approver, approvals[0]?.record?.comment], ['lena', 'by link']);
      assert.equal((await run('approvals', 'link', runId, 'review', '--as', 'lena')).code, 4, 'it is decided');
      assert.doesNotMatch(log, /esp_|signature/);
    } finally {
      child.kill('SIGTERM');
    }
    assert.deepEqual(await ended, [0, null], log);
  });

  it('refuses what it cannot mean: a scope, a duration, a port', async () => {
    const scope = await run('tokens', 'create', '--user', 'olga', '--scopes', 'runs:read,everything');
    assert.deepEqual([scope.code, /there is no scope 'everything'/.test(scope.stderr)], [2, true]);
    const forEver = await run('tokens', 'create', '--user', 'olga', '--scopes', 'runs:read', '--expires', '9999d');
    assert.deepEqual([forEver.code, /longer than a year/.test(forEver.stderr)], [2, true]);
    assert.equal((await run('console', '--port', 'http')).code, 2);
  });
});
