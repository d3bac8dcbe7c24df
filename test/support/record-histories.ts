/**
 * Records what runs leave in Temporal, for test/histories/replay.test.ts: each kind of run once, with activities that answer
 * at once. Done for every release, and kept: a run that began on that release must go on under every later one.
 *
 *   npm run histories [version]
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { Activities } from '../../activities/contract.ts';
import { decide } from '../../client/approvals.ts';
import { connectTemporal } from '../../client/connection.ts';
import { cancelRun } from '../../client/runs.ts';
import { startRun } from '../../client/start-run.ts';
import { digestJson } from '../../artifacts/digest.ts';
import { TASK_QUEUES, type Resolution, type RunInput } from '../../workflows/messages.ts';
import { startTemporalIn } from './temporal-server.ts';
import { approveRun, fakeActivities, ref, runInput, untilRun, withWorkers, STATEMENT } from './workflow.ts';

interface Scenario {
  readonly input?: () => RunInput;
  /** Its tries whose histories are kept, too: each is a workflow of its own. */
  readonly tries?: Readonly<Record<string, string>>;
  readonly overrides?: (real: Activities) => Partial<Activities>;
  /** Until the run has ended. */
  readonly drive: (client: Client, runId: string) => Promise<void>;
}

const failure = (kind: string, message: string): ApplicationFailure =>
  ApplicationFailure.create({
    message,
    type: kind,
    nonRetryable: true,
    details: [{ kind, message, where: 'here', fix: 'do otherwise', retryable: false }],
  });

/** The training fails the first time. */
const divergesOnce = (real: Activities): Partial<Activities> => {
  let calls = 0;
  return {
    trainModel: (call) =>
      calls++ === 0 ? Promise.reject(failure('Diverged', 'the loss is NaN')) : real.trainModel(call),
  };
};

/** One candidate's import fails the first time; the other's ends after it has begun again. */
const importsAtTheSecondCall = (real: Activities): Partial<Activities> => {
  let calls = 0;
  let begun = (): void => undefined;
  const again = new Promise<void>((resolve) => (begun = resolve));
  return {
    importModel: async (call) => {
      if (call.stepId !== 'import:one') await again;
      else if (calls++ === 0) throw failure('DiskFull', 'no space is left');
      else begun();
      return real.importModel(call);
    },
  };
};

const triesBoth = (real: Activities): Partial<Activities> => ({
  rankCandidates: async (call) => {
    const ranked = await real.rankCandidates(call);
    return { ...ranked, output: { ...ranked.output, shortlist: ['two', 'one'] } };
  },
});

/** Tries both; the one of `candidate` trains until it is cancelled. */
const cancelledOf =
  (candidate: string) =>
  (real: Activities): Partial<Activities> => ({
    ...triesBoth(real),
    trainModel: async (call) => {
      if (!call.stepId.startsWith(`prototype:${candidate}:`)) return real.trainModel(call);
      const context = Context.current();
      const beat = setInterval(() => context.heartbeat({ phase: 'training' }), 100);
      return context.cancelled
        .catch(() => {
          throw new CancelledFailure('', [{ ranSeconds: 2 }]);
        })
        .finally(() => clearInterval(beat));
    },
  });

async function untilEnded(client: Client, runId: string): Promise<void> {
  await client.workflow
    .getHandle(runId)
    .result()
    .catch(() => {}); // failed and cancelled runs have histories, too
}

async function approveBoth(client: Client, runId: string): Promise<void> {
  await approveRun(client, runId, 'review', 'lena');
  await approveRun(client, runId, 'release', 'omar');
  await untilEnded(client, runId);
}

async function resolveTraining(client: Client, runId: string, resolution: Partial<Resolution>): Promise<void> {
  await approveRun(client, runId, 'review', 'lena');
  await resolve(client, runId, { step: 'train', ...resolution });
}

async function resolve(client: Client, runId: string, resolution: Partial<Resolution>): Promise<void> {
  await untilRun(client, runId, ({ steps }) =>
    steps.some(({ id, state }) => id === resolution.step && state === 'parked'),
  );
  const args: [object] = [{ by: 'olga', comment: '', ...resolution }];
  const send = (): Promise<boolean> =>
    client.workflow
      .getHandle(runId)
      .executeUpdate('resolve', { args })
      .then(
        () => true,
        () => false, // just moving on
      );
  while (!(await send())) await new Promise((done) => setTimeout(done, 100));
}

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  deployed: { drive: approveBoth },
  rejected: {
    async drive(client, runId) {
      await approveRun(client, runId, 'review', 'lena');
      const run = await untilRun(client, runId, ({ approvals }) => approvals[1]?.state === 'open');
      const evidenceDigest = run.approvals[1]?.evidence?.digest ?? digestJson('none');
      const vote = { approval: 'release', decision: 'reject', approver: 'omar', comment: 'not now' } as const;
      await decide(client, runId, { ...vote, evidenceDigest, statement: STATEMENT });
      await untilEnded(client, runId);
    },
  },
  'gates-failed': {
    overrides: (real) => ({
      judgeGates: async (call) => ({ ...(await real.judgeGates(call)), output: { verdict: 'fail', gates: [] } }),
    }),
    async drive(client, runId) {
      await approveRun(client, runId, 'review', 'lena');
      await untilEnded(client, runId);
    },
  },
  prototyped: {
    overrides: triesBoth,
    drive: approveBoth,
  },
  // Of 0.1.0 what is on record as `prototyped` began before tries were children.
  tried: { overrides: triesBoth, drive: approveBoth, tries: { 'tried-itself': 'prototype:two:2' } },
  'try-cancelled': {
    overrides: cancelledOf('one'),
    async drive(client, runId) {
      await untilRun(client, runId, ({ steps }) =>
        steps.some(({ id, state }) => id === 'prototype:two:2' && state === 'done'),
      );
      await client.workflow.getHandle(`${runId}/prototype:one:2`).cancel();
      await approveBoth(client, runId);
    },
    tries: { 'try-cancelled-itself': 'prototype:one:2' },
  },
  'own-gates': {
    input: () => {
      const input = runInput();
      return { ...input, pipeline: { ...input.pipeline, customGates: { own: { min: 0.5, severity: 'fail' } } } };
    },
    drive: approveBoth,
  },
  'cancelled-while-waiting': {
    async drive(client, runId) {
      await untilRun(client, runId, ({ state }) => state === 'waiting-for-approval');
      await cancelRun(client, runId);
      await untilEnded(client, runId);
    },
  },
  'candidate-dropped': {
    overrides: (real) => ({
      importModel: (call) =>
        call.stepId === 'import:one'
          ? Promise.reject(failure('UnsafeModel', 'it is a pickle'))
          : real.importModel(call),
    }),
    drive: approveBoth,
  },
  'candidate-retried': {
    overrides: importsAtTheSecondCall,
    async drive(client, runId) {
      await resolve(client, runId, { step: 'import:one', action: 'retry' });
      await approveBoth(client, runId);
    },
  },
  'parked-and-retried': {
    overrides: divergesOnce,
    async drive(client, runId) {
      await resolveTraining(client, runId, { action: 'retry', settings: { 'training.learningRate': 1e-5 } });
      await approveRun(client, runId, 'release', 'omar');
      await untilEnded(client, runId);
    },
  },
  'parked-and-aborted': {
    overrides: divergesOnce,
    async drive(client, runId) {
      await resolveTraining(client, runId, { action: 'abort' });
      await untilEnded(client, runId);
    },
  },
};

/** The monitor's check, which starts a run of its own when the model has drifted. */
async function recordDriftCheck(client: Client, address: string): Promise<string> {
  const { activities } = fakeActivities({
    checkDrift: () => Promise.resolve({ bundle: digestJson('bundle'), startRun: ref('input') } as never),
    readRunInput: () => Promise.resolve(runInput() as never),
  });
  return withWorkers(address, activities, async () => {
    const workflowId = 'drift-check';
    await client.workflow.execute('watchModel', {
      workflowId,
      taskQueue: TASK_QUEUES.orchestration,
      args: [{ model: 'm' }],
    });
    return historyOf(client, workflowId);
  });
}

async function historyOf(client: Client, workflowId: string): Promise<string> {
  return historyToJSON(await client.workflow.getHandle(workflowId).fetchHistory());
}

/** One event a line, without what says where it was recorded: replay needs neither who served a task nor what threw. */
function withoutPlaces(history: string): string {
  const { events } = JSON.parse(history, (name, value: unknown) => {
    if (name === 'identity' || name === 'stackTrace') return '';
    const { kind } = (value ?? {}) as { kind?: unknown };
    return name === 'taskQueue' && kind === 'TASK_QUEUE_KIND_STICKY' ? { kind, name: 'sticky' } : value;
  }) as { events: unknown[] };
  return `{"events":[\n${events.map((event) => JSON.stringify(event)).join(',\n')}\n]}\n`;
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
const folder = join(root, 'test/histories', process.argv[2] ?? version);
const state = await mkdtemp(join(tmpdir(), 'espalier-histories-'));
const server = await startTemporalIn(state);
const { client, close } = await connectTemporal({ TEMPORAL_ADDRESS: server.address });
try {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const keep = (name: string, history: string): Promise<void> =>
    writeFile(join(folder, `${name}.json`), withoutPlaces(history));
  for (const [name, { input = runInput, overrides, drive, tries = {} }] of Object.entries(SCENARIOS)) {
    const { activities } = fakeActivities();
    await withWorkers(server.address, { ...activities, ...overrides?.(activities) }, async () => {
      const runId = `history-${name}`;
      await startRun(client, { input: input(), inputRef: ref('input'), digest: digestJson(runId) }, { runId });
      await drive(client, runId);
      await keep(name, await historyOf(client, runId));
      for (const [kept, step] of Object.entries(tries)) await keep(kept, await historyOf(client, `${runId}/${step}`));
    });
    console.log(`${name} recorded`);
  }
  await keep('drift-check', await recordDriftCheck(client, server.address));
  console.log(`drift-check recorded; all of it in ${folder}`);
} finally {
  await close();
  await server.stop();
  await rm(state, { recursive: true, force: true });
}
