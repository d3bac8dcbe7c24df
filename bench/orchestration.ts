/**
 * What Espalier adds to a step: 10 no-op steps in a row and a fan-out of 50, through the engine and the step wrapper
 * (graph, key, look-up and record in S3), against the same written directly on the SDK (goal ≤ 1.3); and what a child workflow
 * around each step adds to that, as tries of a selection have one. Prints ratios of one run, and milliseconds.
 *
 *   npx tsx bench/orchestration.ts [rounds]
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { stepActivity } from '../activities/step.ts';
import { openStore } from '../artifacts/open.ts';
import { connectTemporal } from '../client/connection.ts';
import { startStack } from '../infra/embedded/stack.ts';
import { median } from './support.ts';

const rounds = Number(process.argv[2] ?? 9);
const WARM_UP = 25;
Runtime.install({ logger: new DefaultLogger('ERROR') });
const folder = await mkdtemp(join(tmpdir(), 'espalier-bench-'));
const stack = await startStack({ stateDir: folder });
const env = { ...process.env, ...stack.env };
const temporal = await connectTemporal(env);
const { store, pointers, close } = await openStore(env);
const salt = randomUUID();
const services = { store, pointers, python: { executable: '', packages: '' } };
const step = stepActivity<number, number>(
  // A fresh key a call: the bench measures a computed step, not a reused one.
  {
    type: 'bench.noop',
    version: 1,
    environment: () => Promise.resolve(`${salt}${randomUUID()}`),
    run: (input) => Promise.resolve(input),
  },
  services,
);
const connection = await NativeConnection.connect({ address: temporal.address });
const worker = await Worker.create({
  connection,
  taskQueue: 'bench',
  workflowBundle: await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('./orchestration/workflows.ts', import.meta.url)),
    logger: new DefaultLogger('ERROR'),
  }),
  activities: { plain: (input: number) => Promise.resolve(input), step },
});

async function milliseconds(workflow: string, count: number): Promise<number> {
  const workflowId = `${workflow}-${randomUUID()}`;
  const begin = performance.now();
  await temporal.client.workflow.execute(workflow, { workflowId, taskQueue: 'bench', args: [count, workflowId] });
  return performance.now() - begin;
}

await worker.runUntil(async () => {
  for (const [shape, count, [one, other]] of [
    ['Steps', 10, ['direct', 'engine']],
    ['FanOut', 50, ['direct', 'engine']],
    ['Steps', 10, ['engine', 'child']],
    ['FanOut', 8, ['engine', 'child']],
  ] as const) {
    const times = { one: [] as number[], other: [] as number[] };
    for (let round = -WARM_UP; round < rounds; round++) {
      // Interleaved. A worker lives for weeks: what its first calls cost the compiler is not a step's cost.
      const oneMs = await milliseconds(`${one}${shape}`, count);
      const otherMs = await milliseconds(`${other}${shape}`, count);
      if (round < 0) continue;
      times.one.push(oneMs);
      times.other.push(otherMs);
    }
    const [oneMs, otherMs] = [median(times.one), median(times.other)];
    console.log(
      `${shape} × ${count}: ${other} ${otherMs.toFixed(0)} ms, ${one} ${oneMs.toFixed(0)} ms, ratio ${(otherMs / oneMs).toFixed(2)}, ` +
        `${((otherMs - oneMs) / count).toFixed(1)} ms more for each (medians of ${rounds}; load ${loadavg()[0]!.toFixed(1)})`,
    );
  }
});
await connection.close();
await temporal.close();
close();
await stack.stop();
await rm(folder, { recursive: true, force: true });
