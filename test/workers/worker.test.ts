import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Connection } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { Activities } from '../../activities/contract.ts';
import { stepActivity, type StepDefinition } from '../../activities/step.ts';
import { digestJson } from '../../artifacts/digest.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { connectTemporal, type TemporalClient } from '../../client/connection.ts';
import { cancelRun, runOutcome } from '../../client/runs.ts';
import { onceAttributesAreKnown } from '../../client/search-attributes.ts';
import { startRun } from '../../client/start-run.ts';
import { createWorkerProcess, workerLife } from '../../workers/worker.ts';
import { STATE_ATTRIBUTE, TASK_QUEUES } from '../../workflows/messages.ts';
import { withStore } from '../support/store.ts';
import { temporalForTests } from '../support/temporal.ts';
import { approveRun, fakeActivities, ref, runInput, untilRun, workflowBundle } from '../support/workflow.ts';

/** Workers on every queue, each told how to live by this environment. */
async function fleet(address: string, namespace: string, env: Record<string, string>, activities: Activities) {
  const bundle = await workflowBundle();
  const connection = await NativeConnection.connect({ address });
  const workers: Worker[] = [];
  for (const taskQueue of Object.values(TASK_QUEUES)) {
    const workflows = taskQueue === TASK_QUEUES.orchestration ? { workflowBundle: bundle } : {};
    workers.push(
      await Worker.create({ connection, namespace, taskQueue, activities, ...workerLife(env), ...workflows }),
    );
  }
  const running = Promise.all(workers.map((worker) => worker.run()));
  return {
    shutdown: () => workers.forEach((worker) => worker.shutdown()),
    async stop() {
      for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
      await running;
      await connection.close();
    },
  };
}

describe('a worker that deploys', () => {
  it('does not start without a key to sign with: no run shall train for a release that cannot be signed', async () => {
    const queues = [{ taskQueue: TASK_QUEUES.deploy, slots: 1 }];
    await assert.rejects(createWorkerProcess({ ...process.env, ESPALIER_SIGNING_KEY: '' }, queues), {
      kind: 'BadConfig',
      where: 'ESPALIER_SIGNING_KEY',
    });
  });
});

describe('a process with credentials', () => {
  const program = (room: string) => new URL(`../../${room}`, import.meta.url);
  /** How many listen for the signal once it has begun, and whether its inspector is open after it came. */
  const signalled = `
    process.kill(process.pid, 'SIGUSR1');
    const { url } = await import('node:inspector');
    await new Promise((resolve) => setTimeout(resolve, 50));
    const listeners = process.listenerCount('SIGUSR1');
    process.stdout.write(JSON.stringify({ listeners, open: url() !== undefined }));
    process.exit(0);`;

  it('opens no inspector at a signal, which a gate of one’s own could send: a worker, the command, the model server', async () => {
    for (const code of [
      `const { runWorkerProcess } = await import('${program('workers/process.ts').href}');
       await runWorkerProcess('pipeline', async () => { ${signalled} });`,
      `process.argv.push('setup'); process.stderr.write = () => true;
       await import('${program('cli/main.ts').href}'); ${signalled}`,
      `process.env = {}; process.exit = ((exit) => (code) => code === 0 && exit(0))(process.exit);
       await import('${program('serving/main.ts').href}'); ${signalled}`,
    ]) {
      const args = ['--import', 'tsx', '--input-type=module', '--eval', code];
      const { stdout } = await promisify(execFile)(process.execPath, args);
      const { listeners, open } = JSON.parse(stdout.slice(stdout.lastIndexOf('{"listeners"'))) as Record<
        string,
        unknown
      >;
      assert.deepEqual([listeners, open], [1, false], code);
    }
  });
});

/** A namespace of this test's own that knows no search attribute of ours. */
async function newNamespace(temporal: TemporalClient): Promise<string> {
  const namespace = `test-${randomUUID()}`;
  const connection = temporal.client.connection as Connection;
  await connection.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
  });
  return namespace;
}

async function addSearchAttributes(temporal: TemporalClient, namespace: string): Promise<void> {
  const connection = temporal.client.connection as Connection;
  const searchAttributes = { EspalierPipeline: 2, EspalierState: 2 };
  for (let tries = 0; ; tries++) {
    try {
      await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
      return;
    } catch (error) {
      if (tries > 400) throw error; // a new namespace is known everywhere after a moment
      await sleep(100);
    }
  }
}

/** A namespace of this test's own, as `connectTemporal` finds it. */
async function ownNamespace(temporal: TemporalClient): Promise<Record<string, string>> {
  const namespace = await newNamespace(temporal);
  await addSearchAttributes(temporal, namespace);
  return { TEMPORAL_ADDRESS: temporal.address, TEMPORAL_NAMESPACE: namespace };
}

describe('a worker', function () {
  this.timeout(120_000);
  let temporal: TemporalClient;
  let connect: (namespace: string) => Promise<TemporalClient>;
  before(async () => {
    await workflowBundle(); // also makes the SDK quiet
    const server = await temporalForTests();
    temporal = await server.connect();
    connect = (namespace) => connectTemporal({ TEMPORAL_ADDRESS: server.address, TEMPORAL_NAMESPACE: namespace });
  });
  after(() => temporal.close());

  it('has no version unless it is given one, and refuses half of one', () => {
    assert.equal(workerLife({}).workerDeploymentOptions, undefined);
    assert.deepEqual(workerLife({ ESPALIER_BUILD_ID: '7' }).workerDeploymentOptions, {
      useWorkerVersioning: true,
      version: { deploymentName: 'espalier', buildId: '7' },
      defaultVersioningBehavior: 'PINNED',
    });
    const wrong = (variable: string) => (error: unknown) =>
      error instanceof EspalierError && error.kind === 'BadConfig' && error.where === variable;
    assert.throws(() => workerLife({ ESPALIER_DEPLOYMENT_NAME: 'x' }), wrong('ESPALIER_BUILD_ID'));
    assert.throws(
      () => workerLife({ ESPALIER_BUILD_ID: '7', ESPALIER_DEPLOYMENT_NAME: 'a.b' }),
      wrong('ESPALIER_DEPLOYMENT_NAME'),
    );
  });

  it('registers what a start waits for: the very first run of a new namespace is not refused', async () => {
    const namespace = await newNamespace(temporal);
    const own = await connect(namespace);
    try {
      const { client } = own;
      const start = (withinMs: number) =>
        onceAttributesAreKnown(
          () =>
            client.workflow.start('runPipeline', {
              workflowId: 'first',
              taskQueue: TASK_QUEUES.orchestration,
              typedSearchAttributes: [{ key: STATE_ATTRIBUTE, value: 'running' }],
            }),
          { namespace, withinMs },
        );
      await assert.rejects(start(0), { kind: 'BadConfig', where: `namespace ${namespace}` });
      const started = start(60_000);
      await sleep(300); // refused at least once
      await addSearchAttributes(temporal, namespace);
      await (await started).terminate();
    } finally {
      await own.close();
    }
  });

  it('keeps a run on the build that it began on, while new runs begin on the build that is current', async () => {
    const { TEMPORAL_NAMESPACE: namespace = '' } = await ownNamespace(temporal);
    const own = await connect(namespace);
    const service = (own.client.connection as Connection).workflowService;
    const served: Record<string, Set<string>> = {};
    /** Says which build computed which run. */
    const build = (buildId: string) => {
      const { activities } = fakeActivities();
      const told = Object.entries(activities).map(([name, run]) => [
        name,
        (call: { runId: string }) => {
          (served[call.runId] ??= new Set()).add(buildId);
          return (run as (call: unknown) => unknown)(call);
        },
      ]);
      const env = { ESPALIER_BUILD_ID: buildId, ESPALIER_DEPLOYMENT_NAME: 'test' };
      return fleet(own.address, namespace, env, Object.fromEntries(told) as Activities);
    };
    /** What a release does, once the workers of the build poll. */
    const makeCurrent = async (buildId: string): Promise<void> => {
      for (let tries = 0; ; tries++) {
        try {
          await service.setWorkerDeploymentCurrentVersion({
            namespace,
            deploymentName: 'test',
            buildId,
            identity: 'test',
          });
          return;
        } catch (error) {
          if (tries > 400) throw error;
          await sleep(100);
        }
      }
    };
    const start = async (runId: string): Promise<void> => {
      await startRun(own.client, { input: runInput(), inputRef: ref('input'), digest: digestJson(runId) }, { runId });
    };
    const finish = async (runId: string): Promise<string> => {
      await approveRun(own.client, runId, 'release', 'omar');
      return (await runOutcome(own.client, runId)).state;
    };
    const fleets = [await build('one')];
    try {
      await start('early');
      await sleep(500);
      assert.equal(served['early'], undefined, 'no build is current: a new run waits');
      await makeCurrent('one');
      await untilRun(own.client, 'early', ({ state }) => state === 'waiting-for-approval');

      fleets.push(await build('two'));
      await makeCurrent('two');
      await start('late');
      await untilRun(own.client, 'late', ({ state }) => state === 'waiting-for-approval');
      for (const runId of ['early', 'late']) await approveRun(own.client, runId, 'review', 'lena');
      assert.deepEqual(await Promise.all([finish('early'), finish('late')]), ['deployed', 'deployed']);
      assert.deepEqual(served, { early: new Set(['one']), late: new Set(['two']) });
    } finally {
      await Promise.all(fleets.map((one) => one.stop()));
      await own.close();
    }
  });

  it('that is asked to stop tells a running step at once, waits for its checkpoint, and another goes on', async () => {
    const namespace = 'default';
    const storage = await withStore();
    const log: string[] = [];
    let begun = (): void => {};
    const training = new Promise<void>((resolve) => (begun = resolve));
    let toldAt = 0;
    const step: StepDefinition<unknown, unknown> = {
      type: `test.${randomUUID()}`,
      version: 1,
      async run(_, { signal, attempt }) {
        if (attempt > 1) return { attempt };
        begun();
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        toldAt = Date.now();
        log.push((signal.reason as Error).message);
        await sleep(2500);
        log.push('checkpoint written');
        signal.throwIfAborted();
        throw new Error('was not aborted');
      },
    };
    const services = { ...storage, python: { executable: '', packages: '' } };
    const { activities } = fakeActivities({
      prepareData: stepActivity(step, services) as unknown as Activities['prepareData'],
    });
    const first = await fleet(temporal.address, namespace, {}, activities);
    const runId = `stop-${randomUUID()}`;
    await startRun(
      temporal.client,
      { input: runInput(), inputRef: ref('input'), digest: digestJson(runId) },
      { runId },
    );
    await training;
    const askedAt = Date.now();
    first.shutdown();
    await first.stop();
    const second = await fleet(temporal.address, namespace, {}, activities);
    try {
      assert.deepEqual(log, ['WORKER_SHUTDOWN', 'checkpoint written']);
      // It has 27 s in all, and is told in the first of them; on a busy machine in one of the next.
      assert.ok(toldAt - askedAt < 15_000, `told after ${toldAt - askedAt} ms`);
      const { steps } = await untilRun(temporal.client, runId, (run) =>
        run.steps.some(({ id, state }) => id === 'data' && state === 'done'),
      );
      assert.equal(steps.find(({ id }) => id === 'data')?.attempt, 2);
      await cancelRun(temporal.client, runId);
      await runOutcome(temporal.client, runId).catch(() => undefined);
    } finally {
      await second.stop();
      storage.close();
    }
  });

  it('appears in Temporal with its version and all its queues, and collects old uploads when it starts', async () => {
    const { env, endpoint } = await withStore();
    const asked: string[] = [];
    const proxy = createServer((incoming, answer) => {
      asked.push(`${incoming.method} ${incoming.url}`);
      const { method, headers, url } = incoming;
      const onwards = request(new URL(url ?? '/', endpoint), { method, headers }, (got) => {
        answer.writeHead(got.statusCode ?? 500, got.headers);
        got.pipe(answer);
      });
      incoming.pipe(onwards);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const names = await ownNamespace(temporal);
    const own = await connect(names['TEMPORAL_NAMESPACE'] ?? '');
    const worker = await createWorkerProcess(
      {
        ...process.env,
        ...env,
        ...names,
        XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'], // where set-up put the trainer's Python
        AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
        ESPALIER_BUILD_ID: 'abc',
      },
      [
        { taskQueue: TASK_QUEUES.cpu, slots: 1 },
        { taskQueue: TASK_QUEUES.deploy, slots: 1 },
      ],
    );
    const ended = worker.run();
    try {
      const version = { deploymentName: 'espalier', buildId: 'abc' };
      const describe = async (): Promise<(string | null | undefined)[]> => {
        const { workflowService } = own.client.connection as Connection;
        const found = await workflowService
          .describeWorkerDeploymentVersion({ namespace: own.namespace, deploymentVersion: version })
          .catch(() => undefined);
        return [...new Set(found?.versionTaskQueues?.map(({ name }) => name))];
      };
      for (let tries = 0; tries < 400 && (await describe()).length < 2; tries++) await sleep(100);
      assert.deepEqual((await describe()).map(String).toSorted(), [TASK_QUEUES.cpu, TASK_QUEUES.deploy]);
      assert.ok(
        asked.some((line) => /^GET .*[?&]uploads/.test(line) && line.includes('blobs')),
        asked.join('\n'),
      );
    } finally {
      worker.shutdown();
      await ended;
      await own.close();
      proxy.closeAllConnections();
      proxy.close();
    }
  });
});
