/**
 * How long a killed training takes to train again: the training process killed, or the worker with it while a second
 * worker lives; with and without a process that stands by. Prints where the time goes (medians, interleaved rounds).
 *
 *   npx tsx bench/recovery.ts [rounds]
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { TrainModelInput } from '../activities/contract/training.ts';
import { openStore } from '../artifacts/open.ts';
import { connectTemporal } from '../client/connection.ts';
import { startStack } from '../infra/embedded/stack.ts';
import { LABELS, temporaryFolder, toyDataset, trainingSpec } from '../test/training/fixtures.ts';
import { median, smallEncoder } from './support.ts';

const rounds = Number(process.argv[2] ?? 3);
const GOAL_SECONDS = 10;
const CHECKPOINT_EVERY = '3s';
const encoder = await smallEncoder();

interface Noted {
  readonly at: number;
  readonly worker: number;
  readonly type: 'launch' | 'starting' | 'ready' | 'step' | 'checkpoint' | 'standby';
  readonly step?: number;
  readonly pid?: number;
  readonly standby?: boolean;
}
type Victim = 'trainer' | 'worker';
const PHASES = ['detect', 'queue', 'fetch', 'start', 'step'] as const;
type Recovery = Record<(typeof PHASES)[number] | 'total' | 'stepsLost' | 'secondsLost', number>;

Runtime.install({ logger: new DefaultLogger('ERROR') });
const folder = await mkdtemp(join(tmpdir(), 'espalier-bench-'));
const stack = await startStack({
  stateDir: folder,
  searchAttributes: { EspalierPipeline: 'Keyword', EspalierState: 'Keyword' },
});
const env = { ...process.env, ...stack.env };
const temporal = await connectTemporal(env);
const { store, close } = await openStore(env);
const weights = await store.putTree(encoder.folder, 'model');
const dataset = await store.putTree(await toyDataset(await temporaryFolder(), 960), 'data');
const connection = await NativeConnection.connect({ address: temporal.address });
const orchestrator = await Worker.create({
  connection,
  taskQueue: 'bench',
  workflowBundle: await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('./recovery/workflows.ts', import.meta.url)),
    logger: new DefaultLogger('ERROR'),
  }),
});

let seed = 1;

/** Two fresh workers, one training; kills, and follows until the first step after the resume. */
async function recovery(victim: Victim, standby: boolean): Promise<Recovery> {
  const file = join(folder, `${randomUUID()}.jsonl`);
  await writeFile(file, '');
  const workers = await Promise.all(
    ['one', 'two'].map((name) =>
      stack.start({
        name: `worker-gpu-${name}`,
        command: process.execPath,
        args: ['--import', 'tsx', fileURLToPath(new URL('./recovery/worker.ts', import.meta.url)), file],
        env: { ESPALIER_STANDBY: standby ? '1' : '0', ESPALIER_GPU_DEVICES: 'none' },
        restart: true,
        graceMs: 30_000,
        ready: (log) => log().includes('"message":"ready"'),
      }),
    ),
  );
  const noted = async (): Promise<Noted[]> =>
    (await readFile(file, 'utf8'))
      .split('\n')
      .filter((line) => line.endsWith('}'))
      .map((line) => JSON.parse(line) as Noted);
  const until = async <Found>(look: (seen: Noted[]) => Found | undefined): Promise<Found> => {
    for (;;) {
      const found = look(await noted());
      if (found !== undefined) return found;
      await sleep(20);
    }
  };
  /** Both workers have a process that waits and was not there before. */
  const warm = async (sinceMs: number): Promise<void> => {
    if (!standby) return;
    await until((seen) => {
      const taken = seen.findLast(({ type }) => type === 'launch');
      const ready = new Set(
        seen
          .filter(({ type, at, worker }) => type === 'standby' && at > (worker === taken?.worker ? sinceMs : 0))
          .map(({ worker }) => worker),
      );
      return ready.size === 2 || undefined;
    });
  };
  await warm(0);
  const workflowId = randomUUID();
  const input: TrainModelInput = {
    weights,
    dataset,
    labels: LABELS,
    pooling: 'mean',
    maxLength: 64,
    training: trainingSpec({
      epochs: 1000,
      earlyStoppingPatience: 0,
      seed: seed++,
      checkpoints: { every: CHECKPOINT_EVERY, keepLast: 2, keepBest: 0, failureRatePerHour: 0.05 },
    }),
  };
  const handle = await temporal.client.workflow.start('trainOnly', {
    workflowId,
    taskQueue: 'bench',
    args: [workflowId, input],
  });
  const launched = await until((seen) => seen.find(({ type }) => type === 'launch'));
  await warm(launched.at);
  // Somewhere in the middle of an interval, after at least two checkpoints.
  await until((seen) => seen.filter(({ type }) => type === 'checkpoint')[1]);
  await sleep(1000 + Math.random() * 2000);
  const pid = (await until((seen) => seen.findLast(({ type }) => type === 'starting'))).pid ?? 0;
  process.kill(victim === 'trainer' ? pid : launched.worker, 'SIGKILL');
  const killedAt = Date.now();
  const activity = async () => (await handle.describe()).raw.pendingActivities?.[0];
  let detectedAt = 0;
  let startedAt = 0;
  while (startedAt === 0) {
    const pending = await activity();
    if ((pending?.attempt ?? 1) > 1) {
      detectedAt ||= Date.now();
      const { seconds, nanos } = pending?.lastStartedTime ?? {};
      const lastStart = Number(seconds ?? 0) * 1000 + (nanos ?? 0) / 1e6;
      if (lastStart > killedAt) startedAt = lastStart;
    }
    await sleep(20);
  }
  const after = (type: Noted['type']) => until((seen) => seen.find((one) => one.type === type && one.at > startedAt));
  const [relaunched, ready, first] = [await after('launch'), await after('ready'), await after('step')];
  if (relaunched.standby !== standby) throw new Error(`the standby process was ${standby ? 'not ' : ''}used`);
  const before = (await noted()).filter(({ type, at }) => type === 'step' && at < relaunched.at);
  const last = before.at(-1);
  const resumed = before.find(({ step }) => step === ready.step);
  await handle.cancel();
  await handle.result().catch(() => {});
  await Promise.all(workers.map((worker) => worker.stop()));
  const seconds = (from: number, to: number) => (to - from) / 1000;
  return {
    detect: seconds(killedAt, detectedAt),
    queue: seconds(detectedAt, startedAt),
    fetch: seconds(startedAt, relaunched.at),
    start: seconds(relaunched.at, ready.at),
    step: seconds(ready.at, first.at),
    total: seconds(killedAt, first.at),
    stepsLost: (last?.step ?? NaN) - (ready.step ?? NaN),
    secondsLost: seconds(resumed?.at ?? NaN, last?.at ?? NaN),
  };
}
const CASES = (['trainer', 'worker'] as const).flatMap((victim) =>
  [true, false].map((standby) => ({ victim, standby })),
);
const found = CASES.map(() => [] as Recovery[]);
await orchestrator.runUntil(async () => {
  for (let round = 1; round <= rounds; round++) {
    for (const [index, { victim, standby }] of CASES.entries()) {
      const one = await recovery(victim, standby);
      process.stderr.write(`round ${round}: ${victim}, standby ${standby ? 'on' : 'off'}: ${JSON.stringify(one)}\n`);
      found[index]?.push(one);
    }
  }
});
process.stdout.write(
  `seconds from SIGKILL to the first step after it, medians of ${rounds}; checkpoints every ${CHECKPOINT_EVERY}
killed   standby  detect  queue  fetch  start and load  first step  together   steps lost (seconds)\n`,
);
let late = false;
for (const [index, { victim, standby }] of CASES.entries()) {
  const all = found[index] ?? [];
  const of = (name: keyof Recovery) => median(all.map((one) => one[name]));
  const [detect, queue, fetch, start, step] = PHASES.map((name) => of(name).toFixed(2).padStart(6));
  late ||= standby && of('total') > GOAL_SECONDS;
  process.stdout.write(
    `${victim.padEnd(8)} ${(standby ? 'on' : 'off').padEnd(7)} ${detect} ${queue} ${fetch}  ${start}          ${step}      ${of('total').toFixed(2).padStart(6)}     ${of('stepsLost')} (${of('secondsLost').toFixed(1)})\n`,
  );
}
process.stdout.write(`goal with standby: ${GOAL_SECONDS} s besides the steps lost: ${late ? 'missed' : 'met'}\n`);
await connection.close();
await temporal.close();
close();
await stack.stop();
await rm(folder, { recursive: true, force: true });
process.exit(late ? 1 : 0);
