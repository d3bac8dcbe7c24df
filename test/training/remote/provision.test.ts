import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { asyncLocalStorage, Context, type Info } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { Progress } from '../../../activities/contract.ts';
import { rayCluster } from '../../../activities/training/remote/ray.ts';
import { ownWorkerActivities, type ProvisionOptions } from '../../../activities/training/remote/provision.ts';
import type { ErrorRecord } from '../../../artifacts/errors.ts';
import { LauncherSchema } from '../../../pipelines/launcher.ts';
import { freePort } from '../../support/temporal.ts';
import { rayJobs, type RayJobs } from '../../support/ray-jobs.ts';

const QUEUE = 'espalier-gpu-4f9c-train';

describe('provisioning a worker on a cluster', () => {
  let ray: RayJobs;
  const providing: { cancel(reason: string): Promise<unknown> }[] = [];
  beforeEach(async () => (ray = await rayJobs()));
  afterEach(async () => {
    await Promise.all(providing.splice(0).map(({ cancel }) => cancel('CANCELLED')));
    ray.close();
  });

  /** One activity in a context such as a worker makes. */
  function start(name: 'provisionWorker' | 'releaseWorker', options: ProvisionOptions = {}, address = ray.address) {
    const controller = new AbortController();
    const beats: Progress[] = [];
    const never = new Promise<never>(() => undefined);
    const info = { attempt: 1 } as Info;
    const context = Reflect.construct(Context, [
      info,
      never,
      controller.signal,
      (beat: Progress) => beats.push(beat),
    ]) as Context;
    const launcher = LauncherSchema.parse({ kind: 'ray', address });
    const call = { runId: 'run-1', stepId: 'train', input: { taskQueue: QUEUE, launcher }, reuse: true };
    const activity = ownWorkerActivities({ lookEveryMs: 20, ...options })[name];
    const ended = asyncLocalStorage
      .run(context, () => activity(call))
      .then(
        () => undefined,
        (error: unknown) => error,
      );
    const cancel = (reason: string): Promise<unknown> => {
      controller.abort(new CancelledFailure(reason));
      return ended;
    };
    const running = { ended, beats, cancel };
    if (name === 'provisionWorker') providing.push(running);
    return running;
  }
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await sleep(10);
  };
  const names = (): string[] => [...ray.jobs.keys()];
  const problem = async (ended: Promise<unknown>): Promise<ErrorRecord & { readonly final: boolean }> => {
    const error = await ended;
    assert.ok(error instanceof ApplicationFailure, String(error));
    return { ...(error.details?.[0] as ErrorRecord), final: error.nonRetryable === true };
  };

  it('submits one job, named after the queue, and then only looks', async () => {
    const { beats } = start('provisionWorker');
    await until(() => ray.asked.filter((line) => line.startsWith('GET')).length > 5);
    assert.deepEqual(names(), [`${QUEUE}-1`]);
    assert.equal(ray.asked.filter((line) => line.startsWith('POST')).length, 1);
    await until(() => beats.at(-1)?.phase === 'a worker is there');
  });

  it('sends the cluster nothing that is secret, and no word that a shell would read as more than a word', async () => {
    process.env['AWS_SECRET_ACCESS_KEY'] ??= 'never-sent';
    start('provisionWorker');
    await until(() => ray.jobs.size > 0);
    assert.deepEqual(ray.jobs.get(`${QUEUE}-1`)?.submission, {
      submission_id: `${QUEUE}-1`,
      entrypoint: 'exec node /opt/espalier/dist/workers/gpu.js',
      entrypoint_num_cpus: 1,
      entrypoint_num_gpus: 0,
      runtime_env: {
        env_vars: {
          ESPALIER_GPU_QUEUE: QUEUE,
          ESPALIER_IDLE_SECONDS: '600',
          ESPALIER_STANDBY: '0',
          ESPALIER_BUILD_ID: '',
          ESPALIER_DEPLOYMENT_NAME: '',
          RAY_JOB_STOP_WAIT_TIME_S: '30',
        },
      },
      metadata: { espalier_run: 'run-1' },
    });
  });

  it('submits the next job when one is lost, also when the cluster has forgotten it', async () => {
    start('provisionWorker');
    await until(() => ray.jobs.size === 1);
    Object.assign(ray.jobs.get(`${QUEUE}-1`) ?? {}, { status: 'FAILED', message: 'the node was taken back' });
    await until(() => ray.jobs.has(`${QUEUE}-2`));
    // The second loss in a row is answered after a pause.
    ray.jobs.clear();
    await until(() => ray.jobs.size === 1);
  });

  it('goes on with the job of an earlier attempt, and with the one that a twin has just submitted', async () => {
    const first = start('provisionWorker');
    await until(() => ray.jobs.size === 1);
    const error = await first.cancel('WORKER_SHUTDOWN');
    assert.ok(error instanceof CancelledFailure || (error as Error).name === 'AbortError', String(error));
    assert.equal(
      ray.jobs.get(`${QUEUE}-1`)?.status,
      'RUNNING',
      'a worker that stops leaves the job to the next attempt',
    );
    const second = start('provisionWorker');
    await until(() => second.beats.some(({ phase }) => phase === 'a worker is there'));
    assert.deepEqual(names(), [`${QUEUE}-1`]);

    // Both find the job lost at the same look.
    const twin = start('provisionWorker');
    await until(() => twin.beats.some(({ phase }) => phase === 'a worker is there'));
    Object.assign(ray.jobs.get(`${QUEUE}-1`) ?? {}, { status: 'FAILED' });
    await until(() => ray.jobs.has(`${QUEUE}-2`));
    for (const { beats } of [second, twin]) {
      await until(() => beats.at(-1)?.note?.startsWith(`${QUEUE}-2: running`) === true);
    }
    assert.deepEqual(names(), [`${QUEUE}-1`, `${QUEUE}-2`]);
  });

  it('gives up, saying what the worker said, when it ends as soon as it has begun', async () => {
    ray.onSubmit = (job) => Object.assign(job, { status: 'FAILED', message: 'Cannot find module gpu.js' });
    const { ended } = start('provisionWorker');
    const { kind, message, final, fix, where } = await problem(ended);
    assert.deepEqual([kind, final, where], ['BadConfig', true, `${QUEUE}-5`]);
    assert.match(message, /5 times in a row.*failed: Cannot find module gpu\.js/);
    assert.match(fix ?? '', /retry the step/);
    assert.equal(ray.jobs.size, 5);
  }).timeout(60_000); // it pauses for 2, 4 and 8 s

  it('gives up when the cluster has no place for it for too long', async () => {
    ray.onSubmit = (job) => Object.assign(job, { status: 'PENDING', message: 'waiting for GPUs' });
    const { ended } = start('provisionWorker', { limits: { startMs: 200 } });
    const { kind, message, final } = await problem(ended);
    assert.deepEqual([kind, final], ['BadConfig', true]);
    assert.match(message, /no worker.*pending: waiting for GPUs/);
  });

  it('gives up at once when it is denied, and says whose permission is missing', async () => {
    ray.refuse = { status: 401, text: 'Unauthorized: Missing authentication token' };
    const { kind, message, final, fix } = await problem(start('provisionWorker').ended);
    assert.deepEqual([kind, final], ['BadConfig', true]);
    assert.match(message, /401: Unauthorized/);
    assert.match(fix ?? '', /RAY_AUTH_TOKEN/);
  });

  it('gives up when nobody answers for too long, as when the address is wrong', async () => {
    const nobody = `http://127.0.0.1:${await freePort()}`;
    const { message, final } = await problem(start('provisionWorker', { limits: { startMs: 200 } }, nobody).ended);
    assert.match(message, /no worker.*does not answer/);
    assert.equal(final, true);
  });

  it('lets a running worker work while the cluster cannot be asked, or refuses to answer', async () => {
    const { beats } = start('provisionWorker', { limits: { startMs: 100 } });
    await until(() => beats.at(-1)?.phase === 'a worker is there');
    for (const refuse of [
      { status: 503, text: 'the head restarts' },
      { status: 401, text: 'a new token' },
    ]) {
      ray.refuse = refuse;
      await until(() => beats.at(-1)?.phase === 'the cluster cannot be asked');
      await sleep(300);
      ray.refuse = undefined;
      await until(() => beats.at(-1)?.phase === 'a worker is there');
    }
    assert.deepEqual(names(), [`${QUEUE}-1`]);
  });

  it('is undone by stopping every job of the queue that has not ended, and no other', async () => {
    const { cancel } = start('provisionWorker');
    await until(() => ray.jobs.size === 1);
    const other = { status: 'RUNNING', message: '', submission: {} } as const;
    ray.jobs.set('somebody-elses', { ...other });
    ray.jobs.set(`${QUEUE}-0`, { ...other, status: 'SUCCEEDED' });
    await cancel('CANCELLED');
    assert.equal(await start('releaseWorker').ended, undefined);
    assert.deepEqual(
      [...ray.jobs].map(([name, { status }]) => `${name} ${status}`),
      [`${QUEUE}-1 STOPPED`, 'somebody-elses RUNNING', `${QUEUE}-0 SUCCEEDED`],
    );
    assert.equal(await start('releaseWorker').ended, undefined, 'again is fine');
  });

  it("gives Ray's token to the cluster that the operator names, and to no other", async () => {
    const launcher = LauncherSchema.parse({ kind: 'ray', address: ray.address });
    assert.ok(launcher.kind === 'ray');
    for (const trusted of ['http://another:8265', 'auto', ray.address]) {
      await rayCluster(launcher, { RAY_AUTH_TOKEN: 'secret', RAY_ADDRESS: trusted }).jobs(QUEUE);
    }
    assert.deepEqual(ray.asked, ['GET /api/jobs/', 'GET /api/jobs/', 'GET /api/jobs/ Bearer secret']);
  });
});
