import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TrainTask } from '../../activities/training/job.ts';
import { digests, runTasks, temporaryFolder, trainTask } from './fixtures.ts';

const METHODS = ['full', 'lora', 'head'] as const;

/** Kills the process with SIGKILL when it reports step `atStep`; returns its newest checkpoint. */
async function killedAt(atStep: number, task: TrainTask): Promise<string> {
  let pid = 0;
  const killed = runTasks([task], {
    onEvent: (event) => {
      if (event.type === 'starting') pid = event.pid;
      if (event.type === 'step' && event.step === atStep) process.kill(pid, 'SIGKILL');
    },
  });
  await assert.rejects(killed, { name: 'TrainerFailed', message: /killed by SIGKILL/ });
  return newestCheckpoint(task.checkpoints);
}

async function newestCheckpoint(folder: string): Promise<string> {
  const complete = (await readdir(folder)).filter((name) => /^step-\d+$/.test(name)).toSorted();
  return join(folder, complete.at(-1) ?? 'none');
}

/** From the header alone: 8 bytes of its length, then JSON. */
async function tensorNames(file: string): Promise<string[]> {
  const bytes = await readFile(file);
  const length = Number(bytes.readBigUInt64LE());
  return Object.keys(JSON.parse(bytes.toString('utf8', 8, 8 + length)) as object).filter(
    (name) => name !== '__metadata__',
  );
}

describe('a killed training', function () {
  this.timeout(300_000);
  const whole: Record<string, { model: Record<string, string>; history: string }> = {};

  before('the same trainings without a fault, in one process', async () => {
    const folder = await temporaryFolder();
    const tasks = await Promise.all(
      METHODS.map((method) => trainTask(join(folder, method), { method, schedule: 'cosine', gradientAccumulation: 2 })),
    );
    await runTasks(tasks);
    for (const [index, method] of METHODS.entries()) {
      const out = tasks[index]?.out ?? '';
      whole[method] = {
        model: await digests(join(out, 'model')),
        history: await readFile(join(out, 'history.json'), 'utf8'),
      };
    }
  });

  it('gives models that differ by method', () => {
    assert.equal(new Set(METHODS.map((method) => whole[method]?.model['model.safetensors'])).size, METHODS.length);
  });

  for (const method of METHODS) {
    it(`ends with the same bytes and the same history after it is resumed (${method})`, async () => {
      const folder = await temporaryFolder();
      const spec = { method, schedule: 'cosine', gradientAccumulation: 2 } as const;
      const task = await trainTask(folder, spec, { checkpointEverySteps: 2 });
      const atStep = 3 + Math.floor(Math.random() * 14); // of 18; any step must do
      const resumeFrom = await killedAt(atStep, task);
      const saved = await tensorNames(join(resumeFrom, 'trainable.safetensors'));
      const base = saved.filter((name) => !/lora_|^head\./.test(name));
      assert.equal(base.length > 0, method === 'full', `what is frozen is in no checkpoint: ${base.join(', ')}`);
      const { events } = await runTasks([{ ...task, resumeFrom }]);
      const first = events.find((event) => event.type === 'step');
      assert.ok(first?.type === 'step' && first.step > 2, `killed at ${atStep}, went on at ${first?.step}`);
      assert.deepEqual(await digests(join(task.out, 'model')), whole[method]?.model, `killed at step ${atStep}`);
      assert.equal(await readFile(join(task.out, 'history.json'), 'utf8'), whole[method]?.history);
    });
  }

  it('is stopped by SIGTERM after the running step, with a checkpoint that goes on to the same bytes', async () => {
    const folder = await temporaryFolder();
    const task = await trainTask(folder, { schedule: 'cosine', gradientAccumulation: 2 });
    const cancel = new AbortController();
    const began = { atMs: 0 };
    const { outcome } = await runTasks([task], {
      signal: cancel.signal,
      onEvent: (event) => {
        if (event.type !== 'step' || event.step !== 4) return;
        began.atMs = Date.now();
        cancel.abort();
      },
    });
    assert.ok(Date.now() - began.atMs < 90_000);
    assert.equal(outcome.kind, 'stopped');
    assert.ok(outcome.kind === 'stopped' && outcome.checkpoint !== null && outcome.step >= 4);
    await runTasks([{ ...task, resumeFrom: outcome.checkpoint }]);
    assert.deepEqual(await digests(join(task.out, 'model')), whole['full']?.model);
  });

  it('refuses a checkpoint of another configuration and other data, naming each difference', async () => {
    const task = await trainTask(await temporaryFolder(), { method: 'head', epochs: 1 });
    await runTasks([task]);
    const resumeFrom = await newestCheckpoint(task.checkpoints);
    const training = { ...task.training, seed: 8, batchSize: 4 };
    const other = { ...task, training, validation: task.train, out: join(await temporaryFolder(), 'out'), resumeFrom };
    await assert.rejects(runTasks([other]), {
      name: 'CheckpointIncompatible',
      retryable: false,
      message: /config\.batchSize is 4 here and 8 in the checkpoint; config\.seed is 8 .* data\.validation is "/,
    });
  });
});
