import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StepResult } from '../../../activities/contract.ts';
import type { TrainedModel } from '../../../activities/contract/training.ts';
import { rayCluster, type RayLauncher } from '../../../activities/training/remote/ray.ts';
import { EspalierError } from '../../../artifacts/errors.ts';
import type { WatchedRun } from '../../../cli/watch.ts';
import { cancelRun } from '../../../client/runs.ts';
import type { PipelineDefinition } from '../../../pipelines/definition.ts';
import { LauncherSchema } from '../../../pipelines/launcher.ts';
import { checkHistory } from '../../support/faults-check.ts';
import { processesNaming } from '../../support/faults-stack.ts';
import {
  finishRun,
  smallPipeline,
  startSmallRun,
  startTestHost,
  stopTestHosts,
  type TestHost,
} from '../../support/host.ts';
import { startRay, type RayCluster } from '../../support/ray-cluster.ts';

describe('a Ray cluster, for real, with RAY_E2E=1', function () {
  this.timeout(600_000);
  let host: TestHost;
  let ray: RayCluster;
  before(async function () {
    if (process.env['RAY_E2E'] !== '1') this.skip();
    host = await startTestHost();
    ray = await startRay({ ...process.env, ...host.stack.env, ESPALIER_GPU_DEVICES: 'none' });
  });
  after(async () => {
    await ray?.stop();
    await stopTestHosts();
  });

  const launcher = (changes: object = {}): RayLauncher =>
    LauncherSchema.parse({
      kind: 'ray',
      address: ray.address,
      installation: ray.installation,
      ...changes,
    }) as RayLauncher;

  /** What the training of a run came to; the rest of the run is of no interest here. */
  async function trained(
    runId: string,
    definition: PipelineDefinition,
    onView?: (run: WatchedRun) => Promise<void>,
  ): Promise<StepResult<TrainedModel>> {
    const { client } = host.temporal;
    await startSmallRun(host, runId, definition, { reuse: false });
    let over = false;
    await finishRun(host, runId, async (run) => {
      if (over) return;
      over = run.steps.some(({ id, state }) => id === 'train' && state === 'done');
      await (over ? cancelRun(client, runId) : onView?.(run));
    });
    return (await checkHistory(client, runId)).results['train'] as StepResult<TrainedModel>;
  }

  /** Process ids of the workers that jobs run. */
  const workers = (): Promise<number[]> => processesNaming(`${ray.installation}/dist/workers/gpu.js`);

  it('keeps the jobs of a queue apart, has one of a name, and says how they ended', async () => {
    const cluster = rayCluster(launcher({ gpus: 1 }));
    const [queue, runId] = ['espalier-gpu-x', 'run'];
    const job = { name: `${queue}-1`, queue, runId };
    await cluster.submit(job);
    const conflict = (error: unknown): boolean => error instanceof EspalierError && error.kind === 'Conflict';
    await assert.rejects(cluster.submit(job), conflict);
    const broken = rayCluster(launcher({ installation: '/nowhere' }));
    await broken.submit({ name: `${queue}-2`, queue, runId });
    await broken.submit({ name: 'espalier-gpu-y-1', queue: 'espalier-gpu-y', runId });
    for (;;) {
      const jobs = await cluster.jobs(queue);
      assert.deepEqual(jobs.map(({ name }) => name).toSorted(), [`${queue}-1`, `${queue}-2`]);
      const [waiting, failed] = jobs.toSorted((a, b) => a.name.localeCompare(b.name));
      assert.equal(waiting?.state, 'pending', 'there is no GPU');
      if (failed?.state !== 'ended') {
        await sleep(200);
        continue;
      }
      assert.match(failed.reason, /exit code 1.*nowhere/s);
      break;
    }
    await cluster.stop(`${queue}-2`);
    await cluster.stop('espalier-gpu-never-there');
  });

  it('trains to the same bytes as this machine, also when its worker is killed in the middle, and nothing is left running', async () => {
    const training = { epochs: 16, batchSize: 4, checkpoints: { every: '1s' }, earlyStoppingPatience: 0 } as const;
    const here = await trained('here', await smallPipeline({ training }));

    let killed: number | undefined;
    const remote = await smallPipeline({ training: { ...training, launcher: launcher() } });
    const there = await trained('there', remote, async (run) => {
      if (killed !== undefined || run.progress['train']?.lastCheckpointStep === undefined) return;
      [killed] = await workers();
      assert.ok(killed);
      process.kill(killed, 'SIGKILL');
    });
    assert.ok(killed !== undefined, 'it was killed in the middle');
    assert.ok(there.output.resumedAtSteps.length > 0, 'it went on from a checkpoint');
    assert.equal(there.output.model.digest, here.output.model.digest);
    assert.equal(there.key, here.key, 'where it trained is no part of its key');
    while ((await workers()).length > 0) await sleep(200);
  });
});
