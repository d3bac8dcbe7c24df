import assert from 'node:assert/strict';
import type { Allowance, TrainModelInput } from '../../activities/contract/training.ts';
import { trainModel } from '../../activities/training/train-model.ts';
import { runStep } from '../support/step.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { fakeTrainer, isAlive, trainingInput, trainingKey, trainingSpec } from './fixtures.ts';

const WHOLE = 'ready()\nfor n in range(began + 1, TOTAL + 1): step(n)\n';
const HANGS = 'ready()\nstep(1)\nwhile True: time.sleep(0.05)';

describe('a try that may use a part of the budget', () => {
  let storage: TestStore;
  let input: TrainModelInput;
  let seed = 700;
  before(async () => {
    storage = await withStore();
    input = await trainingInput(storage.store);
  });
  after(() => storage.close());

  const allowed = (allowance: Allowance): TrainModelInput => ({
    ...input,
    training: trainingSpec({ seed: seed++ }),
    allowance,
  });
  const tried = async (body: string, of: TrainModelInput, options: Parameters<typeof runStep>[3] = {}) =>
    runStep(trainModel, of, { ...storage, python: await fakeTrainer(body) }, options);

  it('is not begun once that is used up, not even by the attempt after a worker that was lost', async () => {
    const over = [
      { until: new Date(Date.now() - 1).toISOString() },
      { seconds: 0 },
      { until: '2999-01-01', seconds: 0 },
    ];
    for (const allowance of over) {
      for (const attempt of [1, 2]) {
        await assert.rejects(tried('sys.exit(70)', allowed(allowance), { attempt }), {
          name: 'BudgetEnded',
          retryable: false,
          message: /ended before it began/,
          where: 'training.train',
        });
      }
    }
  });

  it('has what the attempts before it have left, also where a worker was lost with them', async () => {
    const options = { attempt: 2, earlierSeconds: 3599.9 };
    const of = allowed({ seconds: 3600 });
    await assert.rejects(tried(HANGS, of, options), { name: 'BudgetEnded' });
    await assert.rejects(tried('sys.exit(70)', of, { ...options, earlierSeconds: 3601 }), {
      name: 'BudgetEnded',
      message: /ended before it began/,
    });
  });

  it('is given up where it stands when that is used up, and its process is gone', async () => {
    const pids: number[] = [];
    const onProgress = ({ note = '' }: { readonly note?: string }): void => {
      const [, pid] = /^process (\d+)$/.exec(note) ?? [];
      if (pid !== undefined) pids.push(Number(pid));
    };
    const of = allowed({ until: new Date(Date.now() + 3_600_000).toISOString(), seconds: 5 });
    await assert.rejects(tried(HANGS, of, { onProgress }), { name: 'BudgetEnded', message: /before it was whole/ });
    assert.ok(pids.length > 0, 'the trainer was there by then');
    assert.deepEqual(pids.filter(isAlive), []);
    const { allowance: _, ...without } = of;
    const trained = await tried(`${WHOLE}finish()`, without, { attempt: 2 });
    assert.equal(trained.steps, 10, 'whoever trains the same afterwards is not in its way');
  });

  it('is told when it ends, and of no use where it then ends after fewer epochs', async () => {
    const told = `${WHOLE}if abs(task["stopAt"] - time.time() - 3600) > 600: fail(70, "not told")\nfinish(stoppedByBudget=2)`;
    await assert.rejects(tried(told, allowed({ seconds: 3600 })), {
      name: 'BudgetEnded',
      message: /ended it after 2 of 3 epochs/,
    });
  });

  it('is the training that it would be without where it comes to its end', async () => {
    const of = allowed({ seconds: 3600 });
    const trained = await tried(`${WHOLE}finish()`, of);
    assert.equal(trainModel.keeps?.(trained, {} as never), true);
    const { allowance: _, ...without } = of;
    assert.equal(trainingKey(of), trainingKey(without), 'its part of the budget is no part of what it trains');
  });

  it('that is cancelled is cancelled, whatever it may still use', async () => {
    const controller = new AbortController();
    const reason = new Error('CANCELLED');
    const onProgress = ({ note = '' }: { readonly note?: string }): void => {
      if (note.startsWith('process ')) controller.abort(reason);
    };
    const cancelled = tried(HANGS, allowed({ seconds: 3600 }), { signal: controller.signal, onProgress });
    await assert.rejects(cancelled, (error) => error === reason);
  });

  it('that fails of itself says so', async () => {
    await assert.rejects(tried('ready()\nfail(67, "the loss is nan")', allowed({ seconds: 3600 })), {
      name: 'Diverged',
    });
  });
});
