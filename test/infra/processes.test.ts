import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EspalierError } from '../../artifacts/errors.ts';
import { startProcess, stopLeftovers, type ProcessRecord } from '../../infra/embedded/processes.ts';
import { processIdentity } from '../../infra/lock.mjs';

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 100_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `waited in vain until ${what}`);
    await sleep(20);
  }
}

describe('a process of the stack', () => {
  let folder: string;
  let logFile: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'espalier-process-'));
    logFile = join(folder, 'logs/x.log');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const node = (program: string) => ({ name: 'x', command: process.execPath, args: ['-e', program], logFile });

  it('is ready when its check says so, which sees only what this start wrote', async () => {
    const program = `console.log('hello ' + process.pid); setTimeout(() => console.log('up'), 200); setInterval(() => {}, 1000)`;
    const ready = (log: () => string) => log().includes('up');
    const first = await startProcess({ ...node(program), ready });
    await first.stop();
    const second = await startProcess({
      ...node(program),
      ready: (log) => log().split('hello').length === 2 && ready(log),
    });
    await second.stop();
    assert.equal(readFileSync(logFile, 'utf8').split('up').length, 3, 'the log keeps both starts');
  });

  it('that ends before it is ready fails with the end of its log', async () => {
    await assert.rejects(
      startProcess({ ...node(`console.error('port is taken'); process.exit(3)`), ready: () => false }),
      (error) =>
        error instanceof EspalierError &&
        /x did not start: it ended at once \(exit code 3\)\nport is taken/.test(error.message) &&
        error.where === logFile,
    );
  });

  it('that never becomes ready is stopped again', async () => {
    let pid = 0;
    const spec = { ...node('setInterval(() => {}, 1000)'), readyTimeoutMs: 300, ready: () => false };
    await assert.rejects(
      startProcess({ ...spec, onStart: (child) => (pid = child.pid) }),
      /was not ready after 0\.3 s/,
    );
    assert.equal(processIdentity(pid), undefined);
  });

  it('whose program does not exist says so', async () => {
    await assert.rejects(startProcess({ ...node(''), command: join(folder, 'missing') }), /ENOENT/);
  });

  it('that is deaf to SIGTERM is killed after its grace, with what it had started', async () => {
    const program = `
      const { spawn } = require('node:child_process');
      process.on('SIGTERM', () => {});
      console.log('child ' + spawn(process.execPath, ['-e', "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)"]).pid);
      setInterval(() => {}, 1000)`;
    const running = await startProcess({ ...node(program), graceMs: 300, ready: (log) => log().includes('child') });
    const grandchild = Number(/child (\d+)/.exec(readFileSync(logFile, 'utf8'))?.[1]);
    assert.ok(processIdentity(grandchild) !== undefined);
    await running.stop();
    assert.equal(processIdentity(running.pid), undefined);
    await until(() => processIdentity(grandchild) === undefined, 'the grandchild is gone');
  });

  it('comes back after a crash where restart is asked for, and not after a stop', async () => {
    const starts: number[] = [];
    const ends: string[] = [];
    const running = await startProcess({
      ...node('setInterval(() => {}, 1000)'),
      restart: true,
      onStart: ({ pid }) => starts.push(pid),
      onExit: (end) => ends.push(end),
    });
    process.kill(running.pid, 'SIGKILL');
    await until(() => starts.length === 2, 'it runs again');
    assert.equal(running.pid, starts[1]);
    assert.deepEqual(ends, ['SIGKILL']);
    await running.stop();
    await sleep(800); // longer than the first back-off
    assert.equal(starts.length, 2);
    assert.equal(processIdentity(running.pid), undefined);
  });

  it('left behind by a dead owner is stopped by its record, and nobody else with its number is', async () => {
    const records: ProcessRecord[] = [];
    const one = await startProcess({ ...node('setInterval(() => {}, 1000)'), onStart: (child) => records.push(child) });
    const [record] = records;
    assert.ok(record !== undefined);
    assert.deepEqual(await stopLeftovers([{ ...record, identity: 'another boot:7' }]), []);
    assert.ok(processIdentity(one.pid) !== undefined);
    assert.deepEqual(await stopLeftovers(records), ['x']);
    assert.equal(processIdentity(record.pid), undefined);
  });
});
