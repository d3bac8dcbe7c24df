import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { TextTask } from '../../activities/training/job.ts';
import { pythonForTests } from '../support/python.ts';
import { digests, hasImported, runTasks, temporaryFolder, trainTask } from './fixtures.ts';

describe('a training in two processes', () => {
  it('is started, heard, stopped and resumed as one, and ends with the same bytes', async function () {
    this.timeout(300_000); // three starts
    const inTwo = async (overrides: Partial<TextTask> = {}) => {
      const task = await trainTask(await temporaryFolder(), { gradientAccumulation: 2 }, overrides);
      return { ...task, processes: 2 };
    };
    const whole = await inTwo();
    const { events, outcome } = await runTasks([whole]);
    assert.ok(outcome.kind === 'done');
    const environment = outcome.results[0]?.['environment'] as { processes: number };
    assert.equal(environment.processes, 2);
    assert.equal(events.filter(({ type }) => type === 'starting').length, 1);
    const steps = events.flatMap((event) => (event.type === 'step' ? [event.step] : []));
    assert.deepEqual(
      steps,
      Array.from({ length: steps.length }, (_, index) => index + 1),
    );

    const cancel = new AbortController();
    const task = await inTwo({ train: whole.train, validation: whole.validation });
    const stopped = await runTasks([task], {
      signal: cancel.signal,
      onEvent: (event) => {
        if (event.type === 'step' && event.step === 3) cancel.abort();
      },
    });
    assert.ok(stopped.outcome.kind === 'stopped' && stopped.outcome.checkpoint !== null);
    await runTasks([{ ...task, resumeFrom: stopped.outcome.checkpoint }]);
    assert.deepEqual(await digests(join(task.out, 'model')), await digests(join(whole.out, 'model')));
  });
});

describe('a process that stands by', () => {
  it('begins a job without waiting for its imports', async function () {
    if (process.platform !== 'linux') this.skip(); // what it has imported is found in /proc
    this.timeout(120_000);
    const { executable, packages } = pythonForTests();
    const folder = await temporaryFolder();
    const job = join(folder, 'job.json');
    await writeFile(
      job,
      JSON.stringify({ version: 1, id: 'standby', tasks: [await trainTask(folder, { epochs: 1 })] }),
    );
    const env = { ...process.env, PYTHONPATH: packages, OMP_NUM_THREADS: '1', PYTHONDONTWRITEBYTECODE: '1' };
    const child = spawn(executable, ['-m', 'espalier_trainer', 'standby', 'bert'], {
      env,
      stdio: ['pipe', 'ignore', 'ignore', 'pipe'],
    });
    const seen: string[] = [];
    let imported: boolean | undefined;
    for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
      const { type } = JSON.parse(line) as { type: string };
      if (type === 'standby') {
        // What takes long is done while it stands by.
        imported = await hasImported(child.pid ?? 0);
        child.stdin?.write(`${job}\n`);
      }
      if (type !== 'alive') seen.push(type);
    }
    assert.deepEqual([seen[0], seen[1], seen.at(-1)], ['starting', 'standby', 'done']);
    assert.equal(imported, true);
  });
});
