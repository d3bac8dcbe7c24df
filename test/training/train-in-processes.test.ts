import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Progress } from '../../activities/contract.ts';
import type { TrainModelInput } from '../../activities/contract/training.ts';
import type { Devices } from '../../activities/devices.ts';
import type { ActivityServices } from '../../activities/step.ts';
import type { Launcher } from '../../activities/training/launchers/launcher.ts';
import { localLauncher } from '../../activities/training/launchers/local.ts';
import { trainModel } from '../../activities/training/train-model.ts';
import { TrainingSchema } from '../../pipelines/definition/training.ts';
import { pythonForTests } from '../support/python.ts';
import { runStep } from '../support/step.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { fakeTrainer, isAlive, trainingInput, trainingKey, trainingSpec } from './fixtures.ts';

describe('the training step in several processes', function () {
  this.timeout(300_000);
  let storage: TestStore;
  let input: TrainModelInput;
  before(async () => {
    storage = await withStore();
    input = await trainingInput(
      storage.store,
      trainingSpec({ processes: 2, gradientAccumulation: 2, epochs: 40, earlyStoppingPatience: 0 }),
    );
  });
  after(() => storage.close());

  it('ends with the same bytes whichever of them is killed', async function () {
    if (process.platform !== 'linux') this.skip(); // children are found in /proc
    const services: ActivityServices = { ...storage, python: pythonForTests() };
    const often = {
      ...input,
      training: { ...input.training, checkpoints: { ...input.training.checkpoints, everySteps: 20 } },
    };
    const whole = await runStep(trainModel, input, services, { runId: 'whole', reuse: false });
    assert.deepEqual([whole.environment.processes, whole.resumedAtSteps, whole.steps], [2, [], 240]);

    /** Kills, once a checkpoint is kept, what `choose` makes of the ids of the launching process and its two children. */
    const killing = async (
      attempt: number,
      choose: (launching: number, ranks: readonly number[]) => number | undefined,
    ) => {
      let [launching, ranks, killed] = [0, [] as number[], false];
      const onProgress = ({ note, lastCheckpointStep = 0, done = 0 }: Progress) => {
        launching = Number(/^process (\d+)$/.exec(note ?? '')?.[1] ?? launching);
        if (killed || lastCheckpointStep < 20 * attempt || done <= lastCheckpointStep) return;
        killed = true;
        ranks = childrenOf(launching);
        process.kill(choose(launching, ranks) ?? 0, 'SIGKILL');
      };
      await assert.rejects(
        runStep(trainModel, often, services, { runId: 'killed', attempt, reuse: false, onProgress }),
        { name: 'TrainerFailed', retryable: true },
      );
      assert.equal(ranks.length, 2);
      // They hang on the launching process as that hangs on us.
      const deadline = Date.now() + 20_000;
      while ([launching, ...ranks].some(isAlive) && Date.now() < deadline) await sleep(10);
      assert.deepEqual([launching, ...ranks].filter(isAlive), []);
    };
    await killing(1, (_, ranks) => ranks[1]);
    await killing(2, (launching) => launching);
    const last = await runStep(trainModel, often, services, { runId: 'killed', attempt: 3, reuse: false });
    assert.equal(last.resumedAtSteps.length, 2);
    assert.deepEqual([last.model.digest, last.exact?.value], [whole.model.digest, true]);
  });

  it('borrows as many devices, and tells the process of all of them', async () => {
    const asked: (number | undefined)[] = [];
    const devices: Devices = {
      acquire({ count }) {
        asked.push(count);
        return Promise.resolve({ visible: 'GPU-1,GPU-2', usedBy: () => {}, release: () => {} });
      },
    };
    const python = await fakeTrainer(
      'ready()\nprint(os.environ["CUDA_VISIBLE_DEVICES"], task["processes"], task["training"].get("processes"))\nfinish()',
    );
    const trained = await runStep(trainModel, input, { ...storage, python, devices });
    assert.deepEqual(asked, [2]);
    assert.match((await storage.store.getBytes(trained.log)).toString(), /^GPU-1,GPU-2 2 None$/m);
  });

  it('is started by the launcher of its worker', async () => {
    const launched: string[] = [];
    const launcher: Launcher = {
      name: 'listening',
      start(job, options) {
        launched.push(job.id);
        return localLauncher.start(job, options);
      },
    };
    const python = await fakeTrainer('ready()\nfinish()');
    await runStep(trainModel, input, { ...storage, python, launcher }, { runId: 'by-launcher', reuse: false });
    assert.deepEqual(launched, ['by-launcher/training.train']);
  });

  it('has a step key of its own; one process has the key that it always had', () => {
    const one = { ...input, training: { ...input.training, processes: 1 } };
    const { processes: _, ...before } = input.training;
    assert.notEqual(trainingKey(input), trainingKey(one));
    assert.equal(trainingKey(one), trainingKey({ ...input, training: before as typeof input.training }));
  });

  it('is refused where a step has no micro-batches to share out', () => {
    const { error } = TrainingSchema.safeParse({ processes: 2, gradientAccumulation: 3 });
    assert.deepEqual(error?.issues[0]?.path, ['gradientAccumulation']);
    assert.match(error?.issues[0]?.message ?? '', /multiple of processes/);
    assert.equal(TrainingSchema.parse({ processes: 2, gradientAccumulation: 4 }).processes, 2);
    assert.equal(TrainingSchema.parse({}).processes, 1);
  });
});

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}
