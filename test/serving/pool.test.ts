import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TextModel } from '../../inference/text-model.ts';
import { ModelPool, type PoolOptions } from '../../serving/pool.ts';
import { folderSource } from '../support/model-source.ts';
import { writeTinyOnnx } from '../support/tiny-onnx.ts';

describe('the worker pool', () => {
  let folder: string;
  const texts = Array.from({ length: 100 }, (_, row) => `message number ${row} ${'and more '.repeat(row % 5)}`);
  const options: PoolOptions = { workers: 2, dimension: 3, classes: 2 };

  before(async () => {
    folder = join(await mkdtemp(join(tmpdir(), 'espalier-pool-')), 'model');
    await writeTinyOnnx(folder, 'classifier');
  });
  after(() => rm(join(folder, '..'), { recursive: true }));

  it('answers as the model itself does, whatever shares a batch', async () => {
    const model = await TextModel.load(folder);
    const expected = await model.runAll(texts);
    await model.release();
    const batches: number[] = [];
    const pool = await ModelPool.start(folderSource(folder), { ...options, onBatch: (rows) => batches.push(rows) });
    const alone = await Promise.all(texts.map((text) => pool.run([text])));
    const together = await pool.run(texts);
    await pool.drain();
    deepEqual(close(together.probabilities, expected.probabilities ?? new Float32Array()), []);
    deepEqual(close(together.embeddings, expected.embeddings), []);
    deepEqual(
      close(Float32Array.from(alone.flatMap(({ probabilities }) => [...probabilities])), expected.probabilities ?? []),
      [],
    );
    equal(
      batches.reduce((sum, rows) => sum + rows, 0),
      200,
    );
    ok(Math.max(...batches) <= 32, `a batch held ${Math.max(...batches)} texts`);
    ok(batches.length < 40, `100 single texts and 100 at once took ${batches.length} batches`);
  });

  it('fails the batch of a dead worker, and answers the next request with a new one', async () => {
    const restarts: string[] = [];
    const pool = await ModelPool.start(folderSource(folder), {
      ...options,
      workers: 1,
      onRestart: (reason) => restarts.push(reason),
    });
    const [before] = pool.threadIds;
    const running = pool.run(texts);
    await pool.crashWorker();
    await rejects(running, { name: 'Internal', message: /worker ended/ });
    equal((await pool.run(['still there'])).probabilities.length, 2);
    equal(restarts.length, 1);
    ok(pool.threadIds[0] !== before);
    await pool.drain();
  });

  it('refuses a model that does not load, with the reason', async () => {
    await rejects(ModelPool.start(folderSource(join(folder, 'nowhere')), options), /classifier\.json/);
  });

  it('says of a graph that no runtime loads that the model is bad for good, though a worker found out', async () => {
    const broken = join(await mkdtemp(join(tmpdir(), 'espalier-pool-')), 'model');
    await cp(folder, broken, { recursive: true });
    await writeFile(join(broken, 'model.onnx'), 'no graph');
    const refused = { kind: 'BadModel', retryable: false, message: /model\.onnx cannot be loaded/, fix: /export/ };
    await rejects(ModelPool.start(folderSource(broken), options), refused);
    await rm(join(broken, '..'), { recursive: true });
  });

  it('turns away what would wait too long', async () => {
    const pool = await ModelPool.start(folderSource(folder), { ...options, workers: 1 });
    const many = Array.from({ length: 4000 }, () => 'wait');
    const first = pool.run(many);
    await rejects(pool.run(many), { kind: 'Conflict', message: /wait already/ });
    equal((await first).probabilities.length, 8000);
    await pool.drain();
  });

  it('answers what it accepted before it ends its threads, and accepts nothing more', async () => {
    const pool = await ModelPool.start(folderSource(folder), options);
    const accepted = Promise.all(texts.map((text) => pool.run([text])));
    const drained = pool.drain();
    await rejects(pool.run(['late']), /unloaded/);
    await drained;
    equal((await accepted).length, texts.length);
    deepEqual(pool.threadIds, []);
  });

  it('fails what still waits when its last worker dies while it is unloaded, instead of letting it hang', async () => {
    const pool = await ModelPool.start(folderSource(folder), { ...options, workers: 1 });
    const running = pool.run(texts);
    const waiting = pool.run(['waits']);
    const drained = pool.drain();
    await pool.crashWorker();
    await rejects(running, { name: 'Internal', message: /worker ended with code/ });
    await rejects(waiting, { name: 'Internal', message: /being unloaded and its last worker was lost \(.*code/ });
    await drained;
    equal(pool.queued, 0);
  });

  it('fails what waits for a worker that will not come when it is unloaded', async () => {
    const broken = join(await mkdtemp(join(tmpdir(), 'espalier-pool-')), 'model');
    await cp(folder, broken, { recursive: true });
    const lost: string[] = [];
    const pool = await ModelPool.start(folderSource(broken), {
      ...options,
      workers: 1,
      onRestart: (reason) => lost.push(reason),
    });
    await rm(broken, { recursive: true });
    await pool.crashWorker();
    while (lost.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    // Between two tries to start one.
    const waiting = pool.run(['waits']);
    const drained = pool.drain();
    await rejects(waiting, { name: 'Internal', message: /being unloaded and no worker was up/ });
    await drained;
  });

  it('gives the memory of an unloaded model back', async function () {
    if (!existsSync('/proc/self/statm')) this.skip();
    const cycle = async () => {
      const pool = await ModelPool.start(folderSource(folder), { ...options, workers: 1 });
      await pool.run(texts);
      await pool.drain();
    };
    for (let warm = 0; warm < 3; warm++) await cycle();
    const before = process.memoryUsage().rss;
    for (let turn = 0; turn < 8; turn++) await cycle();
    const grownMb = (process.memoryUsage().rss - before) / 2 ** 20;
    // A leaked thread with its session is more than 10 MB; 8 of them would be far over 80.
    ok(grownMb < 60, `8 loads and unloads grew the process by ${grownMb.toFixed(0)} MB`);
  });
});

/** Indices at which two rows of numbers differ by more than rounding. */
function close(actual: Float32Array, expected: ArrayLike<number>): number[] {
  equal(actual.length, expected.length);
  return [...actual.keys()].filter((index) => Math.abs((actual[index] ?? 0) - (expected[index] ?? 0)) > 1e-4);
}
