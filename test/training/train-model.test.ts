import assert from 'node:assert/strict';
import {
  CheckpointLease,
  checkpointKey,
  mustGiveWay,
  type CheckpointPointer,
} from '../../activities/training/checkpoints.ts';
import { trainModel } from '../../activities/training/train-model.ts';
import type { Progress } from '../../activities/contract.ts';
import type { TrainingHistory, TrainModelInput } from '../../activities/contract/training.ts';
import type { ActivityServices } from '../../activities/step.ts';
import type { TrainingSpec } from '../../pipelines/definition.ts';
import { blobKey } from '../../artifacts/store.ts';
import { pythonForTests } from '../support/python.ts';
import { runStep } from '../support/step.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { isAlive, pointerKey, readPointer, trainingInput, trainingSpec } from './fixtures.ts';

describe('the training step', function () {
  this.timeout(120_000);
  let storage: TestStore;
  let services: ActivityServices;
  let input: TrainModelInput;

  before(async () => {
    storage = await withStore();
    services = { store: storage.store, pointers: storage.pointers, python: pythonForTests() };
    input = await trainingInput(storage.store);
  });
  after(() => storage.close());

  const withTraining = (spec: Partial<TrainingSpec>): TrainModelInput => ({ ...input, training: trainingSpec(spec) });
  const read = (of: TrainModelInput) => readPointer(storage.pointers, of);
  /** Calls `at` once, with the process id, when progress reaches the step. */
  const when = (step: number, at: (pid: number) => void) => {
    let pid = 0;
    let called = false;
    return (progress: Progress) => {
      pid = Number(/process (\d+)/.exec(progress.note ?? '')?.[1] ?? pid);
      if (called || progress.phase !== 'training' || (progress.done ?? 0) < step) return;
      called = true;
      at(pid);
    };
  };

  it('learns the toy labels and returns references, curves and the environment', async () => {
    const seen: Progress[] = [];
    const trained = await runStep(
      trainModel,
      withTraining({ epochs: 20, learningRate: 3e-3, earlyStoppingPatience: 0 }),
      services,
      {
        onProgress: (progress) => seen.push(progress),
      },
    );
    const files = (await storage.store.tree(trained.model)).entries.map((entry) => entry.path);
    assert.deepEqual(files, [
      'config.json',
      'espalier.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    const history = await storage.store.getJson<TrainingHistory>(trained.history);
    assert.equal(history.steps.length, 240);
    assert.equal(history.epochs.length, 20);
    assert.ok((trained.validationAccuracy ?? 0) > 0.8, `validation accuracy ${trained.validationAccuracy}`);
    assert.ok((history.epochs.at(-1)?.trainLoss ?? 9) < (history.epochs[0]?.trainLoss ?? 0) / 2);
    const lowest = Math.min(...history.epochs.map((epoch) => epoch.validationLoss));
    assert.equal(trained.validationLoss, lowest);
    assert.equal(history.epochs[trained.bestEpoch - 1]?.validationLoss, lowest);
    assert.deepEqual(trained.resumedAtSteps, []);
    assert.equal(trained.environment.versions['torch']?.split('.').length, 3);
    assert.ok(seen.some((progress) => progress.done === 240 && progress.total === 240 && progress.etaSeconds === 0));
  });

  it('goes on from the checkpoint before when the newest is damaged, and ends with the same bytes', async () => {
    // So many epochs that a fast machine is in the middle of them when it is killed: progress is shown every 200 ms.
    const whole = await runStep(trainModel, withTraining({ epochs: 24, earlyStoppingPatience: 0, seed: 8 }), services, {
      reuse: false,
    });
    const checkpoints = { ...input.training.checkpoints, everySteps: 3 };
    const spec = withTraining({ epochs: 24, earlyStoppingPatience: 0, seed: 8, checkpoints });
    const killed = runStep(trainModel, spec, services, { onProgress: when(40, (pid) => process.kill(pid, 'SIGKILL')) });
    await assert.rejects(killed, { name: 'TrainerFailed', retryable: true });

    const left = await read(spec);
    assert.equal(left.held, false);
    const [newest, previous] = left.checkpoints;
    assert.ok(newest !== undefined && previous !== undefined && newest.step > previous.step);
    const state = (await storage.store.tree(newest.tree)).entries.find((entry) => entry.path === 'state.json');
    assert.ok(state !== undefined);
    await storage.objects.putBytes(blobKey(state.digest), Buffer.alloc(state.size, '{'), {});

    const resumed = await runStep(trainModel, spec, services, { attempt: 2 });
    assert.deepEqual(resumed.resumedAtSteps, [previous.step]);
    const [warning, ...more] = resumed.warnings ?? [];
    assert.match(warning ?? '', new RegExp(`^the checkpoint of step ${newest.step} is not used: the stored bytes`));
    assert.deepEqual(more, []);
    assert.deepEqual(resumed.exact, { value: true, reasons: [] });
    const logs = await Promise.all((resumed.logs ?? []).map(({ log }) => storage.store.getBytes(log)));
    assert.equal(logs.length, 2);
    assert.match(logs[1]?.toString() ?? '', /espalier: resumed at step/);
    assert.equal(resumed.model.digest, whole.model.digest);
    assert.equal(resumed.history.digest, whole.history.digest);
  });

  it('keeps a checkpoint when it is cancelled, and leaves no process behind', async () => {
    const spec = withTraining({ epochs: 400, earlyStoppingPatience: 0 });
    const cancel = new AbortController();
    const reason = new Error('cancelled by the test');
    let pid = 0;
    let atMs = 0;
    const cancelled = runStep(trainModel, spec, services, {
      signal: cancel.signal,
      onProgress: when(20, (child) => {
        pid = child;
        atMs = Date.now();
        cancel.abort(reason);
      }),
    });
    await assert.rejects(cancelled, reason);
    assert.ok(Date.now() - atMs < 90_000, `took ${Date.now() - atMs} ms`);
    assert.equal(isAlive(pid), false);
    const { checkpoints, held } = await read(spec);
    assert.ok((checkpoints[0]?.step ?? 0) >= 20);
    assert.equal(held, false);
  });

  it('stops itself when a later attempt has taken over, and writes nothing more', async () => {
    const spec = withTraining({
      epochs: 401,
      earlyStoppingPatience: 0,
      checkpoints: { ...input.training.checkpoints, everySteps: 5 },
    });
    let taking: Promise<CheckpointLease> | undefined;
    let pid = 0;
    const zombie = runStep(trainModel, spec, services, {
      onProgress: when(30, (child) => {
        pid = child;
        taking = CheckpointLease.take(storage.pointers, pointerKey(spec), { runId: 'test-run', attempt: 2 });
      }),
    });
    await assert.rejects(zombie, { name: 'Preempted', message: /attempt 2 of this step has taken over/ });
    const later = await taking;
    assert.equal(isAlive(pid), false);
    const { attempt, held, term, checkpoints } = await read(spec);
    assert.deepEqual({ attempt, held, term }, { attempt: 2, held: true, term: 2 });
    assert.deepEqual(checkpoints, later?.value.checkpoints);
    later?.note(() => ({ checkpoints: [{ step: 7, tree: input.dataset }] }));
    assert.equal(await later?.write(), undefined);
    assert.equal((await read(spec)).checkpoints[0]?.step, 7);
  });

  it('fails for good when the loss diverges, naming step and learning rate', async () => {
    const spec = { ...trainingSpec(), learningRate: 1e9, headLearningRate: 1e9 };
    await assert.rejects(runStep(trainModel, { ...input, training: spec }, services), {
      name: 'Diverged',
      retryable: false,
      message: /at step \d+ of epoch \d+, learning rate \d.*rows \d/,
      fix: /lower learningRate/,
    });
  });
});

describe('the checkpoint lease', () => {
  const now = Date.parse('2026-01-01T00:01:00Z');
  const holder: CheckpointPointer = {
    version: 1,
    term: 3,
    runId: 'run-a',
    attempt: 3,
    held: true,
    renewedAt: '2026-01-01T00:00:45Z',
    checkpoints: [],
    resumedAtSteps: [],
  };
  for (const [title, found, beginning, expected] of [
    ['is free when nobody had it', undefined, { runId: 'run-a', attempt: 1 }, false],
    ['goes to a later attempt', holder, { runId: 'run-a', attempt: 4 }, false],
    ['stays with the later attempt when an earlier one starts late', holder, { runId: 'run-a', attempt: 2 }, true],
    ['goes to another run', holder, { runId: 'run-b', attempt: 1 }, false],
    ['is free once it was let go', { ...holder, held: false }, { runId: 'run-a', attempt: 1 }, false],
    [
      'is free when its holder showed no life for three renewals',
      { ...holder, renewedAt: '2026-01-01T00:00:29Z' },
      { runId: 'run-a', attempt: 1 },
      false,
    ],
  ] as const) {
    it(title, () => assert.equal(mustGiveWay(found, beginning, now), expected));
  }

  it('lets one of many that begin together write, the last to take it', async () => {
    const storage = await withStore();
    try {
      const key = checkpointKey(`sha256:${'ab'.repeat(32)}`);
      const takers = [1, 2, 3, 4, 5].map((attempt) =>
        CheckpointLease.take(storage.pointers, key, { runId: `run-${attempt}`, attempt }),
      );
      const leases = await Promise.all(takers);
      const tree = await storage.store.putJson({}, 'x');
      leases.forEach((lease, index) => lease.note(() => ({ checkpoints: [{ step: index + 1, tree }] })));
      const results = await Promise.all(leases.map((lease) => lease.write()));
      assert.equal(results.filter((newHolder) => newHolder === undefined).length, 1);
      const pointer = await storage.pointers.read<CheckpointPointer>(key);
      assert.equal(pointer?.value.term, 5);
      assert.equal(pointer?.value.checkpoints.length, 1);
    } finally {
      storage.close();
    }
  });
});
