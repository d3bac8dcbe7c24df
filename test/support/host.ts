/** The whole product on one machine, from source, in a state folder of its own: for tests that kill parts of it. */
import { GATE_NAMES, GATE_TABLE } from '../../pipelines/gates/table.ts';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { OpenStore } from '../../artifacts/open.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { Signer } from '../../artifacts/signing-keys.ts';
import { castSignedVote } from '../../client/votes.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { ENDED, showRun } from '../../client/runs.ts';
import { prepareRun, startRun } from '../../client/start-run.ts';
import { contextOf } from '../../cli/context.ts';
import { DEMO_APPROVERS, startHost, type Host } from '../../cli/host.ts';
import type { WatchedRun } from '../../cli/watch.ts';
import { checkPipeline } from '../../pipelines/check.ts';
import type { ApprovalName, PipelineDefinition, TextClassificationDefinition } from '../../pipelines/definition.ts';
import { tinyModel } from './tiny-model.ts';

export interface TestHost extends Host {
  readonly folder: string;
  readonly stateDir: string;
  readonly temporal: TemporalClient;
  readonly store: OpenStore;
  /** Signs votes. */
  readonly signer: Signer;
  /** Process id of a child of the stack by its name, as it is now. */
  pid(name: 'worker-pipeline' | 'worker-gpu' | 'model-server' | 'temporal' | 's3'): Promise<number>;
  stop(): Promise<void>;
}

/** Gates of one's own, for runs that name them (own-gates.mjs). */
const OWN_GATES = fileURLToPath(new URL('own-gates.mjs', import.meta.url));

const started: TestHost[] = [];

/** Stops what `startTestHost` has started: nothing where a start failed, so that its error is the one that is told. */
export async function stopTestHosts(): Promise<void> {
  for (const host of started.splice(0)) await host.stop();
}

export async function startTestHost(): Promise<TestHost> {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-host-'));
  const stateDir = join(folder, 'state');
  // Its imports would compete with what a test times, and a test could take it for a training.
  process.env['ESPALIER_STANDBY'] ??= '0';
  process.env['ESPALIER_GATES'] ??= OWN_GATES;
  const host = await startHost(stateDir);
  const context = contextOf({ ...process.env, ...host.stack.env, ESPALIER_SERVING_URL: host.servingUrl }, stateDir);
  const whole: TestHost = {
    ...host,
    folder,
    stateDir,
    temporal: await context.temporal(),
    store: await context.store(),
    signer: await context.voteSigner(),
    async pid(name) {
      const { children } = JSON.parse(await readFile(join(stateDir, 'stack.json'), 'utf8')) as {
        children: { name: string; pid: number }[];
      };
      const child = children.find((one) => one.name === name);
      if (child === undefined) throw new Error(`no process ${name}`);
      return child.pid;
    },
    async stop() {
      await context.close();
      await host.stack.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  started.push(whole);
  return whole;
}

const TOPICS: Readonly<Record<string, readonly string[]>> = {
  billing: ['invoice', 'charge', 'payment', 'card', 'receipt', 'tax'],
  delivery: ['parcel', 'courier', 'address', 'shipping', 'tracking', 'late'],
  account: ['password', 'login', 'email', 'profile', 'username', 'locked'],
};

/** 180 short rows of three separable topics, the same every time. */
export function smallCsv(): string {
  const rows = Object.entries(TOPICS).flatMap(([label, words]) =>
    Array.from({ length: 60 }, (_, i) => {
      const [a, b, c] = [words[i % 6], words[(i * 5 + 1) % 6], words[(i * 7 + 3) % 6]];
      return `"message ${i} about my ${a} and the ${b}, also ${c} number ${i * 37}",${label}`;
    }),
  );
  return `text,label\n${rows.join('\n')}\n`;
}

/** A small pipeline on a tiny random encoder: every stage is real, each takes seconds. Gates that a random encoder cannot pass are off. */
export async function smallPipeline(
  changes: Partial<TextClassificationDefinition> = {},
): Promise<TextClassificationDefinition> {
  const off = { severity: 'off' } as const;
  return {
    name: 'small',
    task: 'text-classification',
    data: { files: ['data.csv'], text: 'text', label: 'label', licence: 'CC0-1.0', source: 'made for this test' },
    intendedUse: { commercial: true, domain: 'test' },
    candidates: [{ id: 'tiny', model: await tinyModel() }],
    selection: { maxLength: 32 },
    training: { epochs: 8, batchSize: 8, learningRate: 5e-5, checkpoints: { every: '1s' }, earlyStoppingPatience: 0 },
    gates: {
      ...Object.fromEntries(
        GATE_NAMES.filter((name) => GATE_TABLE[name].severity === 'warn' && GATE_TABLE[name].inputs !== 'image').map(
          (name) => [name, off],
        ),
      ),
      accuracy: off,
      macroF1: off,
      gainOverProbe: off,
      trainValidationGap: off,
    },
    approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'product-owner' }] } },
    deploy: { model: 'small' },
    ...changes,
  };
}

/** Shorter than a hang and a partition of a fault (test/faults/inflict.ts), so that both make an attempt a zombie. */
const SMALL_HEARTBEAT_SECONDS = 6;

export async function startSmallRun(
  host: Pick<TestHost, 'folder' | 'store' | 'temporal'>,
  runId: string,
  definition: PipelineDefinition,
  options: { readonly reuse?: boolean; readonly csv?: string } = {},
): Promise<void> {
  await writeFile(join(host.folder, 'data.csv'), options.csv ?? smallCsv());
  await startDefinition(host, runId, definition, options);
}

/** A run of any definition whose files lie in the host's folder. */
export async function startDefinition(
  host: Pick<TestHost, 'folder' | 'store' | 'temporal'>,
  runId: string,
  definition: PipelineDefinition,
  options: { readonly reuse?: boolean } = {},
): Promise<void> {
  const checked = checkPipeline(definition, { folder: host.folder });
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems));
  const prepared = await prepareRun(checked.pipeline, host.folder, host.store.store, {
    startedBy: 'tester',
    approvers: DEMO_APPROVERS,
    reuse: options.reuse ?? true,
    heartbeatSeconds: SMALL_HEARTBEAT_SECONDS,
  });
  await startRun(host.temporal.client, prepared, { runId });
}

const VOTERS = { review: 'lena-legal', release: 'omar-product' } as const;

/** Approves as a person who may. */
export async function approve(
  { temporal: { client }, store: { store, audit }, signer }: Pick<TestHost, 'temporal' | 'store' | 'signer'>,
  runId: string,
  approval: ApprovalName,
  evidence: ArtifactRef,
): Promise<void> {
  const ballot = { approval, decision: 'approve', comment: 'test', evidenceDigest: evidence.digest } as const;
  const caller = { user: VOTERS[approval], authentication: { method: 'operator', login: 'test' } } as const;
  await castSignedVote({ client, store, audit, signer }, runId, ballot, caller);
}

/** Far more than a run of these tests takes: one that hangs says where, instead of letting its test time out. */
const FINISH_WITHIN_MS = 15 * 60_000;

/** Why a run does not go on, as far as server and worker tell. */
async function unfinished({ temporal: { client }, stateDir }: TestHost, runId: string): Promise<string> {
  const handle = client.workflow.getHandle(runId);
  const { raw, memo } = await handle.describe();
  const { events } = await handle.fetchHistory();
  const failures = (events ?? []).flatMap(({ workflowTaskFailedEventAttributes: failed }) => failed ?? []);
  const pending = { activities: raw.pendingActivities, workflowTask: raw.pendingWorkflowTask };
  const log = await readFile(join(stateDir, 'logs', 'worker-pipeline.log'), 'utf8').catch(String);
  const told = log.split('\n').filter((line) => !/"level":"?(debug|info)/i.test(line));
  return `${runId} has not ended:\n${JSON.stringify({ memo, pending, failures }, null, 1)}\n${told.slice(-30).join('\n')}`;
}

/** Follows a run to its end, gives both approvals on the way, and calls `onView` at every look. */
export async function finishRun(
  host: TestHost,
  runId: string,
  onView?: (run: WatchedRun) => Promise<void>,
  withinMs = FINISH_WITHIN_MS,
): Promise<WatchedRun> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    if (Date.now() > deadline) throw new Error(await unfinished(host, runId));
    // A worker that was just killed answers no query: look again.
    const run = await showRun(host.temporal.client, runId).catch(() => undefined);
    if (run !== undefined) {
      await onView?.(run);
      const open = run.approvals.find(({ state }) => state === 'open');
      if (open?.evidence !== undefined) {
        await approve(host, runId, open.approval, open.evidence).catch((error: unknown) => {
          if (!/closed|already|timed out|deadline|cancelled|no worker answered/i.test(String(error))) throw error;
        });
      }
      if (run.state === 'parked') {
        const { id, error } = run.steps.find(({ state }) => state === 'parked') ?? {};
        throw new Error(`${runId} is parked at ${id}: ${error?.kind}: ${error?.message}`);
      }
      if (ENDED.has(run.state)) return run;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
