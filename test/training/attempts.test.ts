import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { CheckpointLease, type CheckpointPointer } from '../../activities/training/checkpoints.ts';
import { trainStep } from '../../activities/training/train-model.ts';
import type { Progress } from '../../activities/contract.ts';
import type { TrainedModel, TrainModelInput } from '../../activities/contract/training.ts';
import type { Devices } from '../../activities/devices.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type { TrainingSpec } from '../../pipelines/definition.ts';
import { runStep } from '../support/step.ts';
import { withStore, type TestStore } from '../support/store.ts';
import {
  fakeTrainer,
  gates,
  isAlive,
  pointerKey,
  readPointer,
  trainingInput,
  trainingKey,
  trainingSpec,
} from './fixtures.ts';

const WHOLE = 'ready()\nfor n in range(began + 1, TOTAL + 1): step(n)\nfinish()';

describe('an attempt at a training', function () {
  let storage: TestStore;
  let input: TrainModelInput;
  let seed = 100;
  const step = trainStep(100);

  before(async () => {
    storage = await withStore();
    input = await trainingInput(storage.store);
  });
  after(() => storage.close());

  /** A training nobody has tried yet. */
  const fresh = (spec: Partial<TrainingSpec> = {}): TrainModelInput => ({
    ...input,
    training: trainingSpec({ seed: seed++, ...spec }),
  });
  const pointerOf = (of: TrainModelInput, ownRun?: string) => readPointer(storage.pointers, of, ownRun);
  const services = async (body: string, store: ArtifactStore = storage.store): Promise<ActivityServices> => ({
    store,
    pointers: storage.pointers,
    python: await fakeTrainer(body),
  });
  const attempt = async (
    body: string,
    of: TrainModelInput,
    options: Parameters<typeof runStep>[3] & { store?: ArtifactStore } = {},
  ): Promise<TrainedModel> => runStep(step, of, await services(body, options.store), options);
  const text = async (trained: TrainedModel): Promise<string[]> =>
    Promise.all((trained.logs ?? []).map(async ({ log }) => (await storage.store.getBytes(log)).toString()));

  describe('whose memory runs out', () => {
    const needs = (divisor: number) => `ready()
for n in range(began + 1, TOTAL + 1):
    if n == 5 and task["microBatchDivisor"] < ${divisor}: fail(71, "2 GB", microBatch=8 // task["microBatchDivisor"])
    step(n)
    if n == 3: checkpoint(n)
finish()`;

    it('goes on from its checkpoint with half the micro-batch until it fits, and says so', async () => {
      const of = fresh({ batchSize: 8, gradientAccumulation: 2 });
      const trained = await attempt(needs(4), of);
      assert.deepEqual([trained.oomRetries, trained.microBatch, trained.resumedAtSteps], [2, 2, [3, 3]]);
      assert.deepEqual(trained.warnings, [
        'memory ran out after step 4 with micro-batches of 8 rows: goes on with 4; the effective batch stays 16',
        'memory ran out after step 4 with micro-batches of 4 rows: goes on with 2; the effective batch stays 16',
      ]);
      assert.equal(trained.exact?.value, false);
      assert.match(trained.exact?.reasons[0] ?? '', /memory ran out after step 4/);
    });

    it('leaves what it learnt to the attempt after it', async () => {
      const of = fresh({ batchSize: 8 });
      const dies = needs(2).replace('    step(n)', '    step(n)\n    if n == 7: os.kill(os.getpid(), 9)');
      await assert.rejects(attempt(dies, of), { name: 'TrainerFailed', retryable: true });
      assert.equal((await pointerOf(of)).microBatchDivisor, 2);
      const trained = await attempt(needs(2), of, { attempt: 2 });
      assert.deepEqual([trained.oomRetries, trained.microBatch], [1, 4]);
    });

    it('fails for good once single rows are too many', async () => {
      const of = fresh({ batchSize: 3 });
      await assert.rejects(attempt(needs(99), of), {
        name: 'OutOfMemory',
        retryable: false,
        message: /2 GB; the micro-batches had one row already/,
        fix: /smaller model/,
      });
      assert.equal((await pointerOf(of)).microBatchDivisor, 3);
    });
  });

  describe('that fails', () => {
    for (const [title, body, expected] of [
      ['for bad data, fails for good', 'ready(); fail(65, "row 3")', { name: 'BadData', retryable: false }],
      ['for a bad job, fails for good', 'ready(); fail(64, "epochs")', { name: 'BadConfig', retryable: false }],
      ['because it diverged, fails for good', 'ready(); fail(67, "NaN")', { name: 'Diverged', retryable: false }],
      [
        'for want of disk, may be tried again',
        'ready(); fail(70, "ENOSPC", kind="DiskFull")',
        { name: 'DiskFull', retryable: true },
      ],
      [
        'because its machine is taken away, is tried again',
        'ready(); write("stopped", reason="SIGTERM", step=3, checkpoint=None); os._exit(75)',
        { name: 'Preempted', retryable: true },
      ],
    ] as const) {
      it(title, async () => {
        const of = fresh();
        await assert.rejects(attempt(body, of), expected);
        assert.deepEqual((await pointerOf(of)).failures ?? [], []);
      });
    }

    it('at the same step as the two before fails for good, however it is tried again', async () => {
      const of = fresh();
      const bug = 'ready(); step(4); os._exit(3)';
      await assert.rejects(attempt(bug, of), { retryable: true });
      await assert.rejects(attempt(bug, of, { attempt: 2 }), { retryable: true });
      await assert.rejects(attempt(bug, of, { attempt: 3 }), {
        name: 'TrainerFailed',
        retryable: false,
        message: /the last 3 attempts all failed after step 4: .*exit code 3/,
      });
      assert.deepEqual(
        (await pointerOf(of)).failures?.map(({ attempt: number, step: at, signal }) => [number, at, signal]),
        [
          [1, 4, null],
          [2, 4, null],
          [3, 4, null],
        ],
      );
    });

    it('is refused a checkpoint outside its folder: what lies there is not its to give away', async () => {
      const body = 'ready(); write("checkpoint", path="/etc", step=1, bytes=1, manifestSha256="0"); time.sleep(60)';
      await assert.rejects(attempt(body, fresh()), { name: 'TrainerFailed', message: /outside its folder: \/etc/ });
    });
  });

  describe('beside another one', () => {
    it('stops itself and its paused process once a later attempt took over, whatever its process says', async () => {
      const of = fresh();
      let pid = 0;
      let tookOverMs = 0;
      const zombie = attempt('ready(); step(1); checkpoint(1); time.sleep(600)', of, {
        onProgress: (progress) => {
          pid = Number(/process (\d+)/.exec(progress.note ?? '')?.[1] ?? pid);
          if (progress.lastCheckpointStep !== 1 || tookOverMs > 0) return;
          tookOverMs = Date.now();
          process.kill(pid, 'SIGSTOP');
          void CheckpointLease.take(storage.pointers, pointerKey(of), { runId: 'test-run', attempt: 2 });
        },
      });
      await assert.rejects(zombie, { name: 'Preempted', message: /attempt 2 of this step has taken over/ });
      assert.equal(isAlive(pid), false);
      assert.ok(Date.now() - tookOverMs < 100_000, `took ${Date.now() - tookOverMs} ms`);
      const { attempt: holder, held, term } = await pointerOf(of);
      assert.deepEqual([holder, held, term], [2, true, 2]);
    });

    it('cannot finish the step although its process did', async () => {
      const of = fresh();
      const deaf = trainStep(3_600_000);
      const { at, open } = await gates();
      let taken: Promise<CheckpointLease> | undefined;
      const body = `ready(); step(1); wait_for("${at('taken')}"); finish()`;
      const zombie = runStep(deaf, of, await services(body), {
        onProgress: ({ done }) => {
          if (done === 1)
            taken ??= CheckpointLease.take(storage.pointers, pointerKey(of), {
              runId: 'test-run',
              attempt: 2,
            }).finally(() => open('taken'));
        },
      });
      await assert.rejects(zombie, { name: 'Preempted', message: /attempt 2/ });
      const later = await taken;
      assert.equal(later?.value.term, 2);
      assert.deepEqual(await pointerOf(of), later.value, 'it wrote nothing');
    });

    it('of two alive at once the later one finishes; the earlier one does not', async () => {
      const of = fresh();
      const all = 'ready()\nfor n in range(began + 1, TOTAL + 1):\n    step(n); checkpoint(n)\nfinish()';
      const first = attempt('ready(); step(1); checkpoint(1); time.sleep(60)', of);
      first.catch(() => {});
      while ((await storage.pointers.read<CheckpointPointer>(pointerKey(of)))?.value.checkpoints[0] === undefined)
        await sleep(20);
      const second = await attempt(all, of, { attempt: 2 });
      await assert.rejects(first, { name: 'Preempted' });
      assert.equal(second.resumedAtSteps.length, 1);
      const pointer = await pointerOf(of);
      assert.deepEqual([pointer.attempt, pointer.held, pointer.checkpoints[0]?.step], [2, false, 10]);
    });

    it('of another run goes on without keeping checkpoints, and may finish', async () => {
      const of = fresh();
      const { at, open } = await gates();
      let taken: Promise<CheckpointLease> | undefined;
      const trained = await attempt(`ready(); step(1); wait_for("${at('taken')}"); checkpoint(2); finish()`, of, {
        onProgress: ({ done }) => {
          if (done === 1)
            taken ??= CheckpointLease.take(storage.pointers, pointerKey(of), { runId: 'other', attempt: 1 }).finally(
              () => open('taken'),
            );
        },
      });
      assert.equal(trained.steps, 10);
      const pointer = await pointerOf(of);
      assert.deepEqual([pointer.runId, pointer.held, pointer.checkpoints], ['other', true, []]);
      assert.match((await text(trained))[0] ?? '', /run other keeps the checkpoints of this training now/);
    });
  });

  describe('while the store is away', () => {
    /** The store, but `putTree` of such names fails until `back()`. */
    const away = (names: RegExp, times: number): ArtifactStore => {
      let left = times;
      return new Proxy(storage.store, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name, target);
          if (typeof value !== 'function') return value;
          const method = value as (...args: unknown[]) => unknown;
          if (name !== 'putTree') return method.bind(target);
          return async (...args: unknown[]) => {
            if (names.test(String(args[1])) && left-- > 0)
              throw new EspalierError('StorageUnavailable', 'gone fishing');
            return method.apply(target, args);
          };
        },
      });
    };

    it('trains on, keeps the checkpoint on disk and uploads it when the store is back', async () => {
      const of = fresh();
      const body = 'ready(); step(1); checkpoint(1); time.sleep(2); step(2); os._exit(3)';
      await assert.rejects(attempt(body, of, { store: away(/^checkpoint-/, 1) }), { name: 'TrainerFailed' });
      const { checkpoints, logs } = await pointerOf(of);
      assert.deepEqual(
        checkpoints.map((saved) => saved.step),
        [1],
      );
      const log = await storage.store.getBytes(logs?.[0]?.log ?? checkpoints[0]!.tree);
      assert.match(log.toString(), /espalier: checkpoints wait on disk: gone fishing/);
    });

    it('keeps a finished model until it can be stored', async () => {
      const trained = await attempt(WHOLE, fresh(), { store: away(/^trained-model$/, 1) });
      assert.match((await text(trained))[0] ?? '', /the result waits on disk: gone fishing/);
    });
  });

  it('tells in its progress all that is known, with the newest safe checkpoint', async () => {
    const seen: Progress[] = [];
    const { at, open } = await gates();
    // Steps are shown at most every 200 ms.
    const body = `ready(); step(1); checkpoint(1); wait_for("${at('kept')}"); time.sleep(0.3)
step(2, gpuMemoryMb=512, gpuUtilisation=0.9); finish()`;
    await attempt(body, fresh(), {
      attempt: 4,
      onProgress: (progress) => {
        seen.push(progress);
        if (progress.lastCheckpointStep === 1) open('kept');
      },
    });
    const last = seen.findLast((progress) => progress.done === 2);
    assert.ok(last !== undefined);
    const { lastCheckpointAt, etaSeconds, note, ...known } = last;
    assert.deepEqual(known, {
      phase: 'training',
      done: 2,
      total: 10,
      attempt: 4,
      epoch: 1,
      loss: 0.5,
      learningRate: 0.5,
      samplesPerSecond: 8,
      gpuMemoryMb: 512,
      gpuUtilisation: 0.9,
      lastCheckpointStep: 1,
    });
    assert.ok(Date.now() - Date.parse(lastCheckpointAt ?? '') < 600_000); // of this test, whatever the machine does
    assert.ok(etaSeconds !== undefined && note !== undefined);
  });

  it('trains on the device it borrowed, and gives it back once its process is gone', async () => {
    const said: (string | number)[] = [];
    const devices: Devices = {
      acquire({ onWait }) {
        onWait?.('process 7');
        return Promise.resolve({
          visible: 'GPU-3',
          usedBy: (pid) => said.push(pid),
          release: () => said.push(isAlive(Number(said[0])) ? 'too early' : 'released'),
        });
      },
    };
    const seen: Progress[] = [];
    const borrowing = { ...(await services(`print(os.environ["CUDA_VISIBLE_DEVICES"])\n${WHOLE}`)), devices };
    const trained = await runStep(step, fresh(), borrowing, { onProgress: (progress) => seen.push(progress) });
    assert.match((await text(trained))[0] ?? '', /^GPU-3$/m);
    assert.equal(said[1], 'released');
    assert.ok(seen.some(({ phase, note }) => phase === 'waiting for a device' && note === 'process 7'));
  });

  it('keeps the logs of every attempt, of the killed ones too, in order', async () => {
    const of = fresh();
    await assert.rejects(attempt('print("first words"); ready(); step(1); os.kill(os.getpid(), 9)', of));
    const trained = await attempt(`print("second words")\n${WHOLE}`, of, { attempt: 2 });
    assert.deepEqual(
      trained.logs?.map((kept) => [kept.runId, kept.attempt]),
      [
        ['test-run', 1],
        ['test-run', 2],
      ],
    );
    const [first, second] = await text(trained);
    assert.match(first ?? '', /^first words$/m);
    assert.match(second ?? '', /^second words$/m);
    assert.equal(trained.log.digest, trained.logs?.[1]?.log.digest);
  });

  it('has its log kept with every checkpoint: a killed worker leaves it behind', async () => {
    const of = fresh();
    const { at, open } = await gates();
    let kept: Promise<CheckpointPointer> | undefined;
    const body = `print("so far", flush=True); ready(); step(1); checkpoint(1); wait_for("${at('read')}"); finish()`;
    await attempt(body, of, {
      onProgress: ({ lastCheckpointStep }) => {
        if (lastCheckpointStep === 1) kept ??= pointerOf(of).finally(() => open('read'));
      },
    });
    assert.equal((await kept)?.logs?.length, 1);
  });

  it('passes over what the trainer refuses, and begins anew when nothing is left, saying so', async () => {
    const of = fresh();
    const { at, open } = await gates();
    const first = `ready(); step(1); checkpoint(1); wait_for("${at(1)}"); step(2); checkpoint(2); os._exit(3)`;
    const onProgress = ({ lastCheckpointStep = 0 }: Progress): void => open(lastCheckpointStep);
    await assert.rejects(attempt(first, of, { onProgress }));
    const refusing = `if began > 0: fail(66, "environment.device is A here and B in the checkpoint")\n${WHOLE}`;
    const trained = await attempt(refusing, of, { attempt: 2 });
    assert.deepEqual(trained.warnings, [
      'the checkpoint of step 2 is not used: environment.device is A here and B in the checkpoint',
      'the checkpoint of step 1 is not used: environment.device is A here and B in the checkpoint',
      'no checkpoint could be used: training began anew',
    ]);
    assert.deepEqual([trained.resumedAtSteps, trained.exact?.value], [[], true]);
  });

  it('says why its bytes may differ when its process knows a reason', async () => {
    const body = 'ready(); finish(exact={"value": False, "reasons": ["a kernel is not deterministic"]})';
    const trained = await attempt(body, fresh());
    assert.deepEqual(trained.exact, { value: false, reasons: ['a kernel is not deterministic'] });
  });

  it('of a run that must not reuse anything goes on from its own checkpoints only', async () => {
    const of = fresh();
    const dies = 'ready(); step(5); checkpoint(5); time.sleep(.3); os._exit(3)';
    await assert.rejects(attempt(dies, of, { runId: 'run-a' }));
    const alone = { runId: 'run-b', reuse: false };
    await assert.rejects(attempt(dies.replaceAll('5', '4'), of, alone));
    assert.deepEqual((await pointerOf(of, 'run-b')).resumedAtSteps, []);
    const trained = await attempt(WHOLE, of, { ...alone, attempt: 2 });
    assert.deepEqual(trained.resumedAtSteps, [4]);
    assert.deepEqual((await attempt(WHOLE, of, { runId: 'run-c' })).resumedAtSteps, [5]);
  });

  describe('and the settings of its checkpoints', () => {
    it('reach the trainer outside of what decides the result', async () => {
      const { checkpoints } = trainingSpec();
      const asked = `print(json.dumps({k: v for k, v in task.items() if k.startswith("checkpointE") or k == "failureRatePerHour"}), "checkpoints" in task["training"])\n${WHOLE}`;
      const said = async (change: Partial<typeof checkpoints>) =>
        (await text(await attempt(asked, fresh({ checkpoints: { ...checkpoints, ...change } }))))[0];
      assert.match(
        (await said({ every: '5m', everySteps: 7, failureRatePerHour: 2 })) ?? '',
        /^{"checkpointEverySeconds": 300, "checkpointEverySteps": 7, "failureRatePerHour": 2} False$/m,
      );
      assert.match(
        (await said({})) ?? '',
        /^{"checkpointEverySeconds": null, "checkpointEverySteps": null, "failureRatePerHour": 0.05} False$/m,
      );
    });

    it('change no step key; a learning rate does', () => {
      const of = fresh();
      const { training } = of;
      const other = { ...training.checkpoints, every: '1h', keepLast: 9 };
      assert.equal(trainingKey({ ...of, training: { ...training, checkpoints: other } }), trainingKey(of));
      assert.notEqual(trainingKey({ ...of, training: { ...training, learningRate: 0.123 } }), trainingKey(of));
    });

    it('decide which are kept: the last ones and the best', async () => {
      const of = fresh({ checkpoints: { ...trainingSpec().checkpoints, keepLast: 2, keepBest: 1 } });
      const { at, open } = await gates();
      // Uploads overtake each other: each is waited for.
      const body = `ready()
for n, loss in enumerate([0.9, 0.2, 0.5, 0.6, 0.7], 1):
    step(n); evaluated(loss); checkpoint(n); wait_for("${at('')}/" + str(n))
os._exit(3)`;
      const onProgress = ({ lastCheckpointStep = 0 }: Progress): void => open(lastCheckpointStep);
      await assert.rejects(attempt(body, of, { onProgress }), { name: 'TrainerFailed' });
      const { checkpoints, superseded } = await pointerOf(of);
      assert.deepEqual(
        checkpoints.map(({ step: at, validationLoss }) => [at, validationLoss]),
        [
          [5, 0.7],
          [4, 0.6],
          [2, 0.2],
        ],
      );
      assert.equal(superseded?.length, 2);
    });
  });
});
