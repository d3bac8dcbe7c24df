import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApplicationFailure } from '@temporalio/common';
import { toFailure } from '../../activities/attempt-failures.ts';
import {
  isStuck,
  microBatchOf,
  nextDivisor,
  withFailure,
  type AttemptFailure,
} from '../../activities/training/failures.ts';
import { readLog, redact } from '../../activities/training/logs.ts';
import { CheckpointUploads, throughOutage } from '../../activities/training/upload.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { temporaryFolder } from './fixtures.ts';

const failure = (step: number, signal: string | null = null): AttemptFailure => ({
  attempt: 1,
  step,
  kind: 'TrainerFailed',
  signal,
});

describe('failures in a row', () => {
  for (const [title, failures, expected] of [
    ['two say nothing yet', [failure(4), failure(4)], false],
    ['three at one step are a bug', [failure(4), failure(4), failure(4)], true],
    ['three before the first step are a bug, too', [failure(0), failure(0), failure(0)], true],
    ['with progress between they are not', [failure(4), failure(4), failure(9), failure(4)], false],
    ['only the last three count', [failure(1), failure(4), failure(4), failure(4)], true],
    [
      'kills at one step are: the kernel does that to a step too large',
      [1, 2, 3].map(() => failure(4, 'SIGKILL')),
      true,
    ],
    ['kills during the start are not: that is a machine in trouble', [1, 2, 3].map(() => failure(0, 'SIGKILL')), false],
  ] as const) {
    it(title, () => assert.equal(isStuck(failures), expected));
  }

  it('are remembered up to twenty', () => {
    const many = Array.from({ length: 30 }, (_, step) => failure(step)).reduce<readonly AttemptFailure[]>(
      withFailure,
      [],
    );
    assert.deepEqual([many.length, many[0]?.step, many.at(-1)?.step], [20, 10, 29]);
  });
});

describe('the micro-batch after memory ran out', () => {
  it('is halved until it is one row', () => {
    const divisors = [1];
    for (let next = nextDivisor(1, 12); next !== null; next = nextDivisor(next, 12)) divisors.push(next);
    assert.deepEqual(divisors, [1, 2, 4, 8, 12]);
    assert.deepEqual(
      divisors.map((divisor) => microBatchOf(12, divisor)),
      [12, 6, 3, 2, 1],
    );
  });
});

describe('an error of a step, told to Temporal', () => {
  const told = (error: EspalierError) => toFailure(error, 'train') as ApplicationFailure;
  it('is tried again at once and is no failure when the machine was taken away', () => {
    const { nonRetryable, nextRetryDelay, category } = told(new EspalierError('Preempted', 'x'));
    assert.deepEqual([nonRetryable, nextRetryDelay, category], [false, '1s', 'BENIGN']);
  });
  it('is as final as who raised it says', () => {
    assert.equal(told(new EspalierError('OutOfMemory', 'x')).nonRetryable, false);
    const final = told(new EspalierError('OutOfMemory', 'x', { retryable: false }));
    assert.equal(final.nonRetryable, true);
    assert.deepEqual(final.details, [{ where: 'train', kind: 'OutOfMemory', message: 'x', retryable: false }]);
  });
});

describe('the kept log', () => {
  it('has no secret of ours, by its value or its shape', () => {
    const env = { AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI', HF_TOKEN: 'short', PATH: '/usr/bin/python' };
    const log =
      'key wJalrXUtnFEMI in /usr/bin/python, short; AKIAABCDEFGHIJKLMNOP, https://me:pass@host/x, Bearer abcdefgh1';
    assert.equal(
      redact(log, env),
      'key [secret] in /usr/bin/python, short; [secret], https://me:[secret]@host/x, Bearer [secret]',
    );
  });

  it('is its beginning and its end when it is long', async () => {
    const path = join(await temporaryFolder(), 'process.log');
    await writeFile(path, `first\n${'x'.repeat(3 * 1024 * 1024)}\nlast`);
    const log = await readLog(path, {});
    assert.ok(log.startsWith('first\nxxx') && log.endsWith('xxx\nlast'));
    assert.ok(log.length < 2.01 * 1024 * 1024, `${log.length} characters`);
    assert.match(log, /\n… espalier left out 1048587 bytes …\n/);
  });
});

describe('the uploads of checkpoints', () => {
  const gone = () => new EspalierError('StorageUnavailable', 'gone fishing');
  const local = async (parent: string, step: number) => {
    const path = join(parent, `step-${step}`);
    await mkdir(path);
    return { path, step, validationLoss: null };
  };

  it('try the newest again while the store is away; those overtaken are let go', async () => {
    const parent = await temporaryFolder();
    const kept: number[] = [];
    const problems: string[] = [];
    let away = true;
    const uploads = new CheckpointUploads({
      keep: ({ step }) => (away ? Promise.reject(gone()) : Promise.resolve(void kept.push(step))),
      onProblem: (message) => problems.push(message),
    });
    for (const step of [1, 2, 3]) {
      uploads.add(await local(parent, step));
      await sleep(20);
    }
    while ((await readdir(parent)).length > 1) await sleep(5);
    assert.deepEqual(await readdir(parent), ['step-3'], 'the newest waits on disk');
    away = false;
    await uploads.drained(50_000);
    assert.deepEqual(kept, [3]);
    assert.deepEqual(await readdir(parent), []);
    assert.deepEqual(problems, ['checkpoints wait on disk: gone fishing']);
  });

  it('are given up when patience ends, with a word', async () => {
    const parent = await temporaryFolder();
    const problems: string[] = [];
    const keep = () => Promise.reject(gone());
    const uploads = new CheckpointUploads({ keep, onProblem: (message) => problems.push(message) });
    uploads.add(await local(parent, 1));
    await uploads.drained(100); // it would go on for ever
    assert.match(problems.at(-1) ?? '', /checkpoint of step 1 could not be kept: gone fishing/);
  });

  it('do not wait for what will not go away', async () => {
    const parent = await temporaryFolder();
    const problems: string[] = [];
    const keep = () => Promise.reject(new EspalierError('StorageDenied', 'no'));
    const uploads = new CheckpointUploads({ keep, onProblem: (message) => problems.push(message) });
    uploads.add(await local(parent, 1));
    await uploads.drained(60_000);
    assert.deepEqual(problems, ['the checkpoint of step 1 could not be kept: no']);
  });

  it('keep nothing more once they are closed', async () => {
    const parent = await temporaryFolder();
    const kept: number[] = [];
    const uploads = new CheckpointUploads({
      keep: ({ step }) => Promise.resolve(void kept.push(step)),
      onProblem: assert.fail,
    });
    uploads.close();
    uploads.add(await local(parent, 1));
    await uploads.drained(1000);
    await sleep(50);
    assert.deepEqual([kept, await readdir(parent)], [[], []]);
  });
});

describe('an outage of the store', () => {
  it('is waited through with longer and longer breaks', async () => {
    const atMs: number[] = [];
    const answer = await throughOutage(async () => {
      atMs.push(Date.now());
      if (atMs.length < 3) throw new EspalierError('StorageUnavailable', 'gone fishing');
      return 'caught';
    }, new AbortController().signal);
    assert.equal(answer, 'caught');
    const [first = 0, second = 0, third = 0] = atMs;
    assert.ok(second - first >= 990 && third - second >= 1990, `${second - first} and ${third - second} ms`);
  });
});
