/** One drift check of a channel: what it served lately against what its model was validated on. */
import { readFile } from 'node:fs/promises';
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import {
  channelKey,
  modelKindOf,
  type GenerationRecord,
  type GeneratorReference,
  type ReferenceStatistics,
  type ReleaseRecord,
} from '../../artifacts/bundle.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { readPredictions } from '../../artifacts/predictions.ts';
import { evidenceFacts } from '../../artifacts/release-chain.ts';
import { parsePointer, parseRelease, whyEmpty, type Parsed } from '../../artifacts/release.ts';
import { entryRef, hexOf, type ArtifactRef, type Digest } from '../../artifacts/reference.ts';
import type { CheckDriftInput, DriftReport } from '../contract/monitoring.ts';
import type { Progress, StepCall } from '../contract.ts';
import type { RunFacts } from '../contract/evidence.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { heart } from '../heartbeat.ts';
import { toFailure } from '../attempt-failures.ts';
import type { ActivityServices } from '../step.ts';
import { readJudge } from '../generation/judge.ts';
import { detectDrift, hasLengths, type DriftOptions, type DriftResult, type ModelOutputs } from './drift.ts';
import { detectGenerationDrift, generationWindow } from './generation-drift.ts';
import { referenceOutputs, windowOutputs } from './model-outputs.ts';

/** `registry/<model>/drift/<channel>`: the latest check, and the run that drift of a bundle has started already. */
export interface DriftPointer extends DriftReport {
  readonly version: 1;
  readonly started: { readonly bundle: Digest; readonly by: string } | null;
}

export function driftKey(model: string, channel: string): string {
  return `registry/${model}/drift/${channel}`;
}

type Services = Pick<ActivityServices, 'store' | 'pointers'>;
interface Watch {
  readonly signal: AbortSignal;
  progress(progress: Progress): void;
  /** Whether the check with this id ended without doing its work: it has not started the run that it claimed. */
  failed(check: string): Promise<boolean>;
}

/** Activity `checkDrift`: not cached, because its result depends on the traffic. */
export function checkDriftActivity(services: Services): (call: StepCall<CheckDriftInput>) => Promise<DriftReport> {
  return async (call) => {
    const context = Context.current();
    const beat = heart(context);
    try {
      return await checkDrift(call, services, {
        signal: context.cancellationSignal,
        progress: beat.progress,
        failed: (check) => checkFailed(context.client, check),
      });
    } catch (error) {
      throw toFailure(error, call.stepId);
    } finally {
      beat.stop();
    }
  };
}

/**
 * Tests the newest predictions of the channel's bundle against the bundle's reference, stores the report and moves the
 * drift pointer to it. Too few predictions decide nothing. Throws NotFound when nothing is deployed in the channel.
 */
export async function checkDrift(
  call: StepCall<CheckDriftInput>,
  services: Services,
  watch: Watch,
): Promise<DriftReport> {
  const { model, channel, monitor } = call.input;
  watch.progress({ phase: 'reading predictions' });
  const { bundle, release } = await readRelease(services, model, channel);
  // The bundle's digest is the seed: one bundle is checked with the same permutations every time, as anyone can again.
  const seed = Number.parseInt(hexOf(bundle.digest).slice(0, 8), 16);
  const options = {
    falseAlarmRate: monitor.falseAlarmRate,
    seed,
    signal: watch.signal,
    onProgress: (done: number, total: number) => watch.progress({ phase: 'permutation test', done, total }),
  };
  const { found, rows, used, unusable, watched } = await compareWindow(services, call.input, bundle, options);
  const times = used.map(({ at }) => at).sort();
  const summary = {
    model,
    channel,
    bundle: bundle.digest,
    verdict: found === null ? ('not-enough-data' as const) : found.drift ? ('drift' as const) : ('no-drift' as const),
    rows,
    falseAlarmRate: monitor.falseAlarmRate,
    tests: found?.tests ?? [],
    windowFrom: times[0] ?? null,
    windowTo: times.at(-1) ?? null,
    checkedAt: new Date().toISOString(),
  };
  const report = await services.store.putJson(
    {
      ...summary,
      version: 1,
      minRows: monitor.minRows,
      unusableRows: unusable,
      watched,
      seed,
      permutations: found?.permutations ?? null,
      comparedRows: found === null ? null : { reference: found.referenceRows, window: found.windowRows },
    },
    `drift-${model}-${channel}.json`,
  );
  const wanted = summary.verdict === 'drift' && monitor.onDrift === 'start-run';
  const startRun = wanted ? await inputAsRun(services.store, release) : null;
  return recordCheck(services, watch, call.runId, { ...summary, report, startRun });
}

interface Compared {
  /** null: too few rows decide nothing. */
  readonly found: DriftResult | null;
  readonly rows: number;
  readonly used: readonly { readonly at: string }[];
  readonly unusable: number;
  /** What is compared, and what is not. */
  readonly watched: string;
}

/** The newest predictions against the reference, by what the model is. */
async function compareWindow(
  services: Services,
  { model, monitor }: CheckDriftInput,
  bundle: ArtifactRef,
  options: DriftOptions & { readonly signal: AbortSignal },
): Promise<Compared> {
  const path = await services.store.fileInTree(bundle, 'reference/reference.json', options.signal);
  const statistics = JSON.parse(await readFile(path, 'utf8')) as ReferenceStatistics | GeneratorReference;
  if ('kind' in statistics) {
    const records = await readPredictions<GenerationRecord>(services, model, bundle.digest, monitor.windowRows);
    const { outputs, used, unusable } = generationWindow(records, await adheres(services, model, bundle));
    const told =
      outputs.adherent === null ? '; not adherence, since the texts of requests are not recorded' : ', adherence';
    const found = used.length < monitor.minRows ? null : await detectGenerationDrift(statistics, outputs, options);
    return { found, rows: used.length, used, unusable, watched: `lengths of prompts and of answers${told}` };
  }
  const reference = await readReference(services, statistics, bundle, options.signal);
  const records = await readPredictions(services, model, bundle.digest, monitor.windowRows);
  const { outputs, used, unusable } = windowOutputs(records, reference);
  const found = outputs.rows < monitor.minRows ? null : await detectDrift(reference, outputs, options);
  const paths = (await services.store.tree(bundle)).entries.map((entry) => entry.path);
  const finds = modelKindOf(model, paths) === 'retriever';
  const watched = hasLengths(reference.textLengths)
    ? 'embeddings, class probabilities, predicted labels and lengths of texts'
    : finds
      ? 'embeddings of pictures, and the labels of what they find: their shares, and which most of it has'
      : 'embeddings, class probabilities and predicted labels of pictures';
  return { found: finds ? ofNeighbours(found) : found, rows: outputs.rows, used, unusable, watched };
}

/** The tests by what they are of a model that finds pictures: it has no classes, and predicts no label. */
function ofNeighbours(found: DriftResult | null): DriftResult | null {
  if (found === null) return null;
  const names: Readonly<Record<string, string>> = {
    'class-probabilities': 'label-shares',
    'predicted-labels': 'most-found-labels',
  };
  return { ...found, tests: found.tests.map((test) => ({ ...test, name: names[test.name] ?? test.name })) };
}

/** Whether an answer keeps the guidelines that are in the bundle. */
async function adheres(
  { store }: Services,
  model: string,
  bundle: ArtifactRef,
): Promise<(prompt: string, answer: string) => boolean> {
  const { entries } = await store.tree(bundle);
  const entry = entries.find(({ path }) => path === `${model}/1/guidelines.json`);
  if (entry === undefined) {
    throw new EspalierError('Corrupt', 'the bundle has no guidelines.json', {
      where: bundle.digest,
      fix: 'choose and package the model again',
    });
  }
  const judge = await readJudge(store, entryRef(entry));
  return (prompt, answer) => judge.of(answer, { prompt }).adherent;
}

/**
 * The input of the run that the release came from, with the settings that operators changed on its way: what replaces
 * the model is made as the model was.
 */
async function inputAsRun(store: ArtifactStore, { runId, runInput, evidence }: ReleaseRecord): Promise<ArtifactRef> {
  const { changes = [] } = await evidenceFacts<Pick<RunFacts, 'changes'>>(store, evidence.digest);
  if (changes.length === 0) return runInput;
  const input = await store.getJson<object>(runInput);
  // Those that the run itself had taken over already name where they come from.
  return store.putJson({ ...input, changes: changes.map((change) => ({ run: runId, ...change })) }, runInput.name);
}

/** A check is a workflow: one that completed has started its run; one that is gone is taken at its word. */
export async function checkFailed(client: Client, check: string): Promise<boolean> {
  try {
    const { status } = await client.workflow.getHandle(check).describe();
    return status.name !== 'RUNNING' && status.name !== 'COMPLETED' && status.name !== 'CONTINUED_AS_NEW';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

/**
 * Moves the drift pointer. Drift of one bundle starts one run, whoever checks: the check that first claims it gets
 * `startRun`, and gets it again when it is retried; every other check gets null, until the one that claimed it has
 * failed without starting the run: then the claim goes to whoever asks next.
 */
async function recordCheck(
  { pointers }: Services,
  watch: Watch,
  by: string,
  wanted: DriftReport,
): Promise<DriftReport> {
  const key = driftKey(wanted.model, wanted.channel);
  for (;;) {
    const latest = await pointers.read<DriftPointer>(key);
    const claimed = latest?.value.started?.bundle === wanted.bundle ? latest.value.started : null;
    const mine =
      claimed === null || claimed.by === by || (wanted.startRun !== null && (await watch.failed(claimed.by)));
    const startRun = mine ? wanted.startRun : null;
    const report: DriftReport = { ...wanted, startRun };
    const started = startRun === null ? (latest?.value.started ?? null) : { bundle: wanted.bundle, by };
    if (await pointers.replace<DriftPointer>(key, { version: 1, ...report, started }, latest?.version)) return report;
  }
}

export interface ChannelRelease {
  readonly bundle: ArtifactRef;
  readonly ref: ArtifactRef;
  readonly release: ReleaseRecord;
}

export async function readRelease(
  { store, pointers }: Services,
  model: string,
  channel: string,
): Promise<ChannelRelease> {
  const key = channelKey(model, channel);
  const found = await pointers.read<unknown>(key);
  const why = whyEmpty(found?.value);
  if (found === undefined || why !== undefined) {
    throw new EspalierError('NotFound', `nothing is deployed as '${model}' in channel '${channel}'${why}`, {
      where: key,
      fix: 'deploy a model there, or delete the schedule that watches it',
    });
  }
  const pointer = parsed(parsePointer(found.value), key);
  const release = parsed(parseRelease(await store.getJson(pointer.release)), pointer.release.digest);
  return { bundle: pointer.bundle, ref: pointer.release, release };
}

function parsed<T>(result: Parsed<T>, where: string): T {
  if (result.problem === undefined) return result.value;
  throw new EspalierError('Corrupt', result.problem, { where, fix: 'deploy the model again' });
}

async function readReference(
  { store }: Services,
  statistics: ReferenceStatistics,
  bundle: ArtifactRef,
  signal: AbortSignal,
): Promise<ModelOutputs> {
  const read = async (name: string): Promise<Buffer> =>
    readFile(await store.fileInTree(bundle, `reference/${name}`, signal));
  const [embeddings, probabilities] = await Promise.all([read('embeddings.f32'), read('probabilities.f32')]);
  return referenceOutputs(statistics, embeddings, probabilities);
}
