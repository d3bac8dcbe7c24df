/** The real workflows on a real server, with activities that answer at once: for tests of the orchestration alone. */
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import {
  bundleWorkflowCode,
  DefaultLogger,
  NativeConnection,
  Runtime,
  Worker,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import type { Activities, StepCall, StepResult } from '../../activities/contract.ts';
import type { ChooseSettingsInput, DrawTrialsInput } from '../../activities/contract/search.ts';
import { chooseSettings } from '../../activities/selection/choosing-settings.ts';
import { drawTrials } from '../../activities/selection/search-space.ts';
import { digestJson } from '../../artifacts/digest.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { decide } from '../../client/approvals.ts';
import { showRun } from '../../client/runs.ts';
import type { z } from 'zod';
import {
  ImageClassificationSchema,
  ImageRetrievalSchema,
  TextClassificationSchema,
  TextGenerationSchema,
  type TextClassification,
} from '../../pipelines/definition.ts';
import { TASK_QUEUES, type RunInput, type RunView } from '../../workflows/messages.ts';

let bundle: Promise<WorkflowBundleWithSourceMap> | undefined;
let installed = false;

function quiet(): void {
  if (!installed)
    Runtime.install({
      logger: new DefaultLogger('ERROR'),
      shutdownSignals: [],
      telemetryOptions: { logging: { filter: 'OFF' } },
    });
  installed = true;
}

export function workflowBundle(): Promise<WorkflowBundleWithSourceMap> {
  quiet();
  bundle ??= bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../../workflows/index.ts', import.meta.url)),
    logger: new DefaultLogger('ERROR'),
  });
  return bundle;
}

/** The workflows as they were before they asked for the patch `id`. */
export async function workflowsBefore(id: string): Promise<WorkflowBundleWithSourceMap> {
  const { code, ...rest } = await workflowBundle();
  const asking = new RegExp(`\\(0, ?[\\w$]+\\.patched\\)\\(['"]${id}['"]\\)`, 'g');
  if (!asking.test(code)) throw new Error(`no workflow asks for the patch ${id}`);
  return { ...rest, code: code.replaceAll(asking, 'false') };
}

/** Runs `body` while workers serve these queues, every one when left out, with these activities. */
export async function withWorkers<T>(
  address: string,
  activities: Activities,
  body: () => Promise<T>,
  queues: readonly string[] = Object.values(TASK_QUEUES),
  bundled: Promise<WorkflowBundleWithSourceMap> = workflowBundle(),
): Promise<T> {
  const workflows = await bundled;
  const connection = await NativeConnection.connect({ address });
  try {
    const workers = await Promise.all(
      queues.map((taskQueue) =>
        Worker.create({
          connection,
          taskQueue,
          activities,
          ...(taskQueue === TASK_QUEUES.orchestration ? { workflowBundle: workflows } : {}),
        }),
      ),
    );
    const stopped = Promise.all(workers.slice(1).map((worker) => worker.run()));
    try {
      return await (workers[0] as Worker).runUntil(body);
    } finally {
      workers.slice(1).forEach((worker) => worker.shutdown());
      await stopped;
    }
  } finally {
    await connection.close();
  }
}

export async function untilRun(client: Client, runId: string, condition: (run: RunView) => boolean): Promise<RunView> {
  for (;;) {
    const run = await showRun(client, runId);
    if (condition(run)) return run;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** In a vote's place for its signed statement: the run only asks for one; who deploys reads it. */
export const STATEMENT = digestJson('a signed vote');

/** Waits for the approval to open and votes for the evidence that lies on the desk. */
export async function approveRun(
  client: Client,
  runId: string,
  approval: 'review' | 'release',
  approver: string,
): Promise<void> {
  const run = await untilRun(client, runId, ({ approvals }) =>
    approvals.some((one) => one.approval === approval && one.state === 'open'),
  );
  const evidenceDigest = run.approvals.find((one) => one.approval === approval)?.evidence?.digest ?? digestJson('none');
  await decide(client, runId, {
    approval,
    decision: 'approve',
    approver,
    comment: 'fine',
    evidenceDigest,
    statement: STATEMENT,
  });
}

/** Another worker must come to the same commands from the history: what a killed one leaves behind. */
export async function replayRun(client: Client, runId: string): Promise<void> {
  const history = await client.workflow.getHandle(runId).fetchHistory();
  await Worker.runReplayHistory({ workflowBundle: await workflowBundle() }, history, runId);
}

export function ref(name: string): ArtifactRef {
  return { digest: digestJson(name), mediaType: 'application/json', size: name.length, name };
}

/** Activities that succeed at once, and a log of which steps ran in which order. */
export function fakeActivities(overrides: Partial<Activities> = {}): { activities: Activities; ran: string[] } {
  const ran: string[] = [];
  const step =
    <Output>(output: (call: StepCall<never>) => Output) =>
    (call: StepCall<never>): Promise<StepResult<Output>> => {
      ran.push(call.stepId);
      return Promise.resolve({
        key: digestJson(call.stepId),
        reused: false,
        output: output(call),
        computedBy: call.runId,
        attempt: 1,
        startedAt: '2026-01-01T00:00:00.000Z',
        finishedAt: '2026-01-01T00:00:01.000Z',
      });
    };
  const effect =
    <Output>(output: (call: StepCall<never>) => Output) =>
    (call: StepCall<never>): Promise<Output> => {
      ran.push(call.stepId);
      return Promise.resolve(output(call));
    };
  const score = { value: 0.9, interval: { low: 0.85, high: 0.95, confidence: 0.95 }, rows: 100 };
  const activities = {
    snapshotData: effect(() => ({ files: [] })),
    prepareData: step(() => ({
      dataset: ref('dataset'),
      labels: ['a', 'b'],
      rows: { train: 70, validation: 15, test: 15 },
    })),
    preparePictures: step(() => ({
      dataset: ref('pictures'),
      labels: ['a', 'b'],
      rows: { train: 70, validation: 15, test: 15 },
    })),
    scanPrivacy: step(() => ({ rowsScanned: 100, counts: {}, samples: [] })),
    resolveModel: step((call: StepCall<{ candidate: { id: string } }>) => ({
      candidateId: call.input.candidate.id,
      source: 'tree:x',
      revision: '1',
      licence: { verdict: 'allow', declared: 'apache-2.0', spdx: 'Apache-2.0', reasons: [], howToFix: [] },
    })),
    importModel: step(() => ({ model: ref('model'), quarantined: [], parameters: 1, weightsBytes: 1 })),
    exportEncoder: step(() => ({
      encoder: ref('encoder'),
      weights: ref('weights'),
      parityMaxAbs: 0,
      dimension: 4,
      layers: 1,
      parameters: 1,
      sizeBytes: 1,
    })),
    profileEncoder: step(() => ({ latency: {}, sizeMb: 1, memoryMb: 1, hardware: {} })),
    probeEncoder: step(() => ({
      knnAccuracy: score,
      linearAccuracy: score,
      linearMacroF1: score,
      probe: ref('probe'),
    })),
    rankCandidates: step((call: StepCall<{ candidates: { id: string; probe?: unknown }[] }>) => ({
      winner: call.input.candidates.find(({ probe }) => probe !== undefined)?.id,
      ranking: [],
      rule: 'first',
    })),
    subsetData: step(() => ({
      dataset: ref('subset'),
      rows: { train: 10, validation: 15, test: 0 },
      labelCounts: {},
    })),
    halveCandidates: step((call: StepCall<{ results: { candidate: string }[] }>) => ({
      survivors: call.input.results.slice(0, 1).map(({ candidate }) => candidate),
      left: [],
    })),
    chooseCandidate: step((call: StepCall<{ selection: { shortlist: string[] } }>) => ({
      selection: { ...(call.input.selection as object), winner: call.input.selection.shortlist[0] },
      prototyped: { curves: [] },
    })),
    drawTrials: step((call: StepCall<DrawTrialsInput>) => drawTrials(call.input)),
    chooseSettings: step((call: StepCall<ChooseSettingsInput>) => chooseSettings(call.input)),
    findPrices: effect(() => null),
    trainModel: step(() => ({ model: ref('trained'), history: ref('history'), log: ref('log') })),
    preparePrompts: step(() => ({
      dataset: ref('dataset'),
      labels: [],
      completions: 60,
      rows: { train: 70, validation: 15, test: 15 },
    })),
    exportGenerator: step((call: StepCall<{ model: ArtifactRef }>) => ({
      generator: ref(`generator of ${call.input.model.name}`),
      parityMaxAbs: 0,
    })),
    profileGenerator: step(() => ({
      sizeMb: 1,
      memoryMb: 1,
      firstTokenMs: { p50: 1, p95: 1 },
      msPerToken: { p50: 1, p95: 1 },
    })),
    searchPrompts: step((call: StepCall<{ generator: ArtifactRef }>) => ({
      prompt: ref(`prompt for ${call.input.generator.name}`),
      best: { name: 'rules', adherence: score },
    })),
    rankGenerators: step((call: StepCall<{ candidates: { id: string; generator?: { search?: unknown } }[] }>) => ({
      winner: call.input.candidates.find(({ generator }) => generator?.search !== undefined)?.id,
      ranking: [],
      rule: 'first',
      training: { needed: false, reason: 'a prompt is enough' },
    })),
    formatPrompts: step(() => ({ dataset: ref('conversations'), rows: {}, leftOut: {} })),
    insertCanaries: step(() => ({ dataset: ref('conversations with canaries'), rowsInserted: 32 })),
    measureMemorisation: step(() => ({ measures: { canaryExposure: score } })),
    chooseGenerator: step((call: StepCall<{ tuned: unknown }>) => ({
      road: call.input.tuned === null ? 'prompted' : 'tuned',
      generator: ref('served generator'),
      prompt: ref('prompt'),
      reason: 'so it is',
      difference: null,
    })),
    evaluateGenerator: step(() => ({ measures: {}, details: ref('answers') })),
    judgeGeneration: step(() => ({ verdict: 'pass', gates: [] })),
    compareGenerators: step((call: StepCall<{ production: { bundle: string } }>) => ({
      comparable: false,
      bundle: call.input.production.bundle,
      reason: 'nothing is compared here',
    })),
    buildIndex: step((call: StepCall<{ model: ArtifactRef }>) => ({
      index: ref(`index of ${call.input.model.name}`),
      rows: 70,
      dimension: 4,
      sizeBytes: 1,
      search: 'exact',
      graph: null,
    })),
    evaluateRetrieval: step(() => ({ measures: {}, details: ref('findings') })),
    judgeRetrieval: step(() => ({ verdict: 'pass', gates: [] })),
    compareRetrievers: step((call: StepCall<{ production: { bundle: string } }>) => ({
      comparable: false,
      bundle: call.input.production.bundle,
      reason: 'nothing is compared here',
    })),
    packageRetriever: step(() => ({ bundle: ref('bundle'), duties: [] })),
    packageGenerator: step(() => ({ bundle: ref('bundle'), duties: [] })),
    findTraining: () => Promise.resolve(null),
    provisionWorker: effect(() => undefined),
    releaseWorker: effect(() => undefined),
    exportClassifier: step(() => ({ classifier: ref('classifier'), parityMaxAbs: 0, sizeBytes: 1 })),
    evaluateModel: step(() => ({ measures: {} })),
    attackGradients: step(() => ({ measures: { fgsmRobustness: score, pgdRobustness: score } })),
    attackBySquares: step(() => ({ measures: { squareRobustness: score } })),
    checkCustomGates: step(() => ({ module: ref('module of gates').digest })),
    judgeGates: step(() => ({ verdict: 'pass', gates: [] })),
    findProduction: effect(() => ({
      bundle: ref('bundle before').digest,
      release: ref('release before').digest,
      revision: 1,
      runId: 'before',
      since: '2026-01-01T00:00:00.000Z',
      made: {
        classifier: ref('classifier before'),
        dataset: ref('dataset before'),
        definition: ref('definition').digest,
      },
      settings: [],
      settingsLeftOut: 0,
    })),
    compareModels: step((call: StepCall<{ production: { bundle: string } }>) => ({
      comparable: false,
      bundle: call.input.production.bundle,
      reason: 'nothing is compared here',
    })),
    writeReport: step((call: StepCall<{ kind: string }>) => ({
      pack: ref(`pack-${call.stepId}`),
      html: ref('html'),
      json: ref('json'),
    })),
    packageModel: step(() => ({ bundle: ref('bundle'), duties: [] })),
    checkTerms: effect(() => ({ verdict: 'allow', reasons: [] })),
    deployModel: effect(() => ({
      model: 'm',
      channel: 'production',
      bundle: ref('bundle'),
      release: ref('release'),
      revision: 1,
      previousBundle: null,
      deployedAt: 'now',
      serving: null,
    })),
    scheduleMonitor: effect(() => ({ scheduleId: 's' })),
    checkDrift: effect(() => ({})),
    checkModelTerms: effect(() => ({ startRun: null, reopened: null })),
    settleTerms: effect(() => undefined),
    notify: effect(() => ({ delivered: 1, undelivered: 0 })),
    readRunInput: effect(() => ({})),
  };
  return { activities: { ...(activities as unknown as Activities), ...overrides }, ran };
}

export type TextRun = Omit<RunInput, 'pipeline'> & { readonly pipeline: TextClassification };

/** What a definition of these tests says, whatever its task. */
const OF_ANY_TASK = {
  intendedUse: { commercial: true, domain: 'test' },
  candidates: [
    { id: 'one', model: 'local:one' },
    { id: 'two', model: 'local:two' },
  ],
  approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'product-owner' }] } },
  deploy: { model: 'm' },
};

/** A run that generates text. */
export function generatorInput(changes: Partial<Omit<RunInput, 'pipeline'>> = {}): RunInput {
  const pipeline = TextGenerationSchema.parse({
    name: 'generation-test',
    task: 'text-generation',
    data: { files: ['a.jsonl'], completion: 'completion', licence: 'CC0-1.0', source: 'test' },
    guidelines: 'guidelines.yaml',
    ...OF_ANY_TASK,
  });
  return { ...runInput(), pipeline, candidates: pipeline.candidates, guidelines: ref('guidelines'), ...changes };
}

/** A run of pictures. */
export function pictureInput(changes: Partial<z.input<typeof ImageClassificationSchema>> = {}): RunInput {
  const pipeline = ImageClassificationSchema.parse({
    name: 'pictures-test',
    task: 'image-classification',
    data: { files: ['pictures'], licence: 'CC0-1.0', source: 'test' },
    ...OF_ANY_TASK,
    ...changes,
  });
  return { ...runInput(), pipeline, candidates: pipeline.candidates };
}

/** A run that finds pictures. */
export function retrievalInput(changes: Partial<z.input<typeof ImageRetrievalSchema>> = {}): RunInput {
  const pipeline = ImageRetrievalSchema.parse({
    name: 'retrieval-test',
    task: 'image-retrieval',
    data: { files: ['pictures'], licence: 'CC0-1.0', source: 'test' },
    ...OF_ANY_TASK,
    ...changes,
  });
  return { ...runInput(), pipeline, candidates: pipeline.candidates };
}

export function runInput(changes: Partial<TextRun> = {}): TextRun {
  const pipeline = TextClassificationSchema.parse({
    name: 'orchestration-test',
    task: 'text-classification',
    data: { files: ['a.csv'], text: 'text', label: 'label', licence: 'CC0-1.0', source: 'test' },
    ...OF_ANY_TASK,
  });
  return {
    pipeline,
    definition: ref('definition'),
    dataFiles: [],
    candidates: pipeline.candidates,
    startedBy: 'starter',
    trigger: 'user',
    approvers: [
      { name: 'lena', roles: ['legal'] },
      { name: 'omar', roles: ['product-owner'] },
      { name: 'starter', roles: ['legal', 'product-owner'] },
    ],
    reuse: true,
    heartbeatSeconds: 5,
    ...changes,
  };
}

/** The same activities, and what each step was given, by its id. */
export function hearing(activities: Activities): {
  readonly heard: Activities;
  readonly inputs: ReadonlyMap<string, unknown>;
} {
  const inputs = new Map<string, unknown>();
  const named = Object.entries(activities as unknown as Record<string, (call: StepCall<unknown>) => unknown>);
  const heard = named.map(([name, activity]) => [
    name,
    (call: StepCall<unknown>) => {
      inputs.set(call.stepId, call.input);
      return activity(call);
    },
  ]);
  return { heard: Object.fromEntries(heard) as Activities, inputs };
}
