import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../../activities/notification/command.ts';
import type { Attempt } from '../../activities/notification/message.ts';
import { isAlive } from '../training/fixtures.ts';

const ENV = {
  PATH: process.env['PATH'],
  AWS_SECRET_ACCESS_KEY: 'store-secret',
  MAIL_PASSWORD: 'correct-horse-battery',
};

describe('a command that tells', () => {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-command-'));
  after(() => rmSync(folder, { recursive: true }));
  const run = (script: string, args: readonly string[] = [], timeoutSeconds = 20): Promise<Attempt> =>
    runCommand(
      {
        name: 'mail',
        type: 'command',
        perApprover: false,
        argv: [process.execPath, '-e', script, ...args],
        passEnvironment: ['MAIL_PASSWORD'],
        timeoutSeconds,
      },
      { id: 'msg_1', body: '{"type":"run.ended"}' },
      ENV,
      new AbortController().signal,
    );

  it('gets the message on its standard input, its arguments as they are, and no environment but what is passed', async () => {
    const file = join(folder, 'told.json');
    const script = `
      let text = '';
      process.stdin.on('data', (chunk) => (text += chunk));
      process.stdin.on('end', () => require('fs').writeFileSync(${JSON.stringify(file)},
        JSON.stringify({ text, args: process.argv.slice(1), names: Object.keys(process.env).sort() })));`;
    const attempt = await run(script, ['$(touch x); `id`', '--flag']);
    assert.deepEqual([attempt.ok, attempt.status], [true, 0]);
    const told = JSON.parse(readFileSync(file, 'utf8')) as { text: string; args: string[]; names: string[] };
    assert.equal(told.text, '{"type":"run.ended"}');
    assert.deepEqual(told.args, ['$(touch x); `id`', '--flag']);
    assert.deepEqual(told.names, ['MAIL_PASSWORD', 'PATH']);
  });

  it('leaves the end of what it wrote in the log, less the secrets it was given', async () => {
    const attempt = await run(
      `console.error('x'.repeat(1e5) + process.env.MAIL_PASSWORD.repeat(200) + 'refused ' + process.env.MAIL_PASSWORD); process.exitCode = 3`,
    );
    assert.deepEqual([attempt.ok, attempt.status, attempt.detail], [false, 3, 'exited with 3']);
    assert.ok((attempt.output ?? '').length <= 2048);
    assert.match(attempt.output ?? '', /refused \*\*\*$/);
    assert.ok(!/horse/.test(JSON.stringify(attempt)));
  });

  it('is stopped at its time limit with all that it started', async () => {
    const file = join(folder, 'child');
    const script = `const { pid } = require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' });
      require('fs').writeFileSync(${JSON.stringify(file)}, String(pid)); setInterval(() => {}, 1000)`;
    // Enough for a busy machine to start both.
    const attempt = await run(script, [], 3);
    assert.match(attempt.detail, /stopped after 3 s/);
    const child = Number(readFileSync(file, 'utf8'));
    const deadline = Date.now() + 30_000;
    while (isAlive(child) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(isAlive(child), false);
  });

  it('that does not read its input, or cannot be started, is one attempt like any other', async () => {
    assert.equal((await run('process.exit(0)')).ok, true);
    const missing = await runCommand(
      {
        name: 'm',
        type: 'command',
        perApprover: false,
        argv: ['/no/such/program'],
        passEnvironment: [],
        timeoutSeconds: 5,
      },
      { id: 'msg_1', body: '{}' },
      ENV,
      new AbortController().signal,
    );
    assert.match(missing.detail, /cannot be started \(ENOENT\)/);
  });
});
