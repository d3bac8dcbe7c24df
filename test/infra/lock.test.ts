import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRunning, processIdentity, tryLock, type Lock } from '../../infra/lock.mjs';
import { packageRoot } from '../../infra/root.ts';

function take(directory: string): Lock {
  const result = tryLock(directory);
  assert.ok('lock' in result, 'the lock is free');
  return result.lock;
}

describe('a lock between processes', () => {
  let folder: string;
  let lockPath: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'espalier-lock-'));
    lockPath = join(folder, 'deep', 'x.lock');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is held by one, who is named to the other, and free after its release', () => {
    const lock = take(lockPath);
    const second = tryLock(lockPath);
    assert.ok('holder' in second);
    assert.equal(second.holder?.pid, process.pid);
    lock.release();
    take(lockPath).release();
    assert.ok(!existsSync(lockPath));
  });

  it('is taken over from a holder that died', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    const pid = child.pid ?? 0;
    const identity = processIdentity(pid) ?? '';
    mkdirSync(lockPath, { recursive: true });
    writeFileSync(join(lockPath, 'token'), JSON.stringify({ pid, identity }));
    assert.ok('holder' in tryLock(lockPath), 'its holder still runs');
    child.kill('SIGKILL');
    await once(child, 'exit');
    take(lockPath).release();
  });

  it('is taken over from a process whose number was given to another one', () => {
    mkdirSync(lockPath, { recursive: true });
    writeFileSync(join(lockPath, 'token'), JSON.stringify({ pid: process.pid, identity: 'another boot:1' }));
    assert.equal(isRunning({ pid: process.pid, identity: 'another boot:1' }), false);
    take(lockPath).release();
  });

  it('without a holder is left alone while it may be in the taking, and cleared later', () => {
    mkdirSync(lockPath, { recursive: true });
    assert.deepEqual(tryLock(lockPath), { holder: undefined });
    const past = Date.now() / 1000 - 60;
    utimesSync(lockPath, past, past);
    take(lockPath).release();
  });

  it('lets no two of six processes in at once, although each starts by clearing a dead holder', async () => {
    mkdirSync(lockPath, { recursive: true });
    writeFileSync(join(lockPath, 'dead'), JSON.stringify({ pid: 1, identity: 'dead' }));
    const inside = join(folder, 'inside');
    const log = join(folder, 'log');
    const program = `
      import { appendFileSync, mkdirSync, rmdirSync } from 'node:fs';
      import { waitForLock } from ${JSON.stringify(join(packageRoot, 'infra/lock.mjs'))};
      for (let i = 0; i < 5; i++) {
        const lock = await waitForLock(${JSON.stringify(lockPath)});
        mkdirSync(${JSON.stringify(inside)}); // fails when somebody is inside
        appendFileSync(${JSON.stringify(log)}, 'x');
        await new Promise((resolve) => setTimeout(resolve, 5));
        rmdirSync(${JSON.stringify(inside)});
        lock.release();
      }`;
    const exits = Array.from({ length: 6 }, async () => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' });
      const [code] = (await once(child, 'exit')) as [number];
      return code;
    });
    assert.deepEqual(await Promise.all(exits), [0, 0, 0, 0, 0, 0]);
    assert.equal(readFileSync(log, 'utf8').length, 30);
  });
});
