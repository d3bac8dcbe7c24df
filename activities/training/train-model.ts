/** Step `training.train`: fine-tunes the chosen model, going on from the newest good checkpoint of earlier attempts. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { durationSeconds } from '../../pipelines/duration.ts';
import type { TrainedModel, TrainModelInput } from '../contract/training.ts';
import { unpackPictures } from '../data/images/pictures.ts';
import type { DeviceLease } from '../devices.ts';
import type { StepContext, StepDefinition } from '../step.ts';
import { AllowanceWatch } from './allowance.ts';
import { Attempt, type Finished } from './attempt.ts';
import { checkpointKey, CheckpointLease, RENEW_EVERY_MS } from './checkpoints.ts';
import { microBatchOf } from './failures.ts';
import { TrainResultSchema, type ImageTask, type LanguageTask, type TextTask, type TrainTask } from './job.ts';
import { localLauncher } from './launchers/local.ts';
import { trainHead } from './train-head.ts';
import { throughOutage } from './upload.ts';
import { withTimeLimit } from '../../artifacts/time-limit.ts';

/** A finished model is too dear to be lost to an outage of the store; after this the next attempt goes on from the checkpoint. */
const RESULT_PATIENCE_MS = 15 * 60_000;

/** Of what a head on a frozen backbone is fitted by (frozen-head.ts): other bytes from the same input are another step. */
const HEAD_VERSION = 2;

export function trainStep(renewEveryMs = RENEW_EVERY_MS): StepDefinition<TrainModelInput, TrainedModel> {
  return {
    type: 'training.train',
    version: 3,
    /** When checkpoints are taken and which are kept does not touch the result. One process is what there always was. */
    identity({ stopAt: _stopAt, allowance: _allowance, ...input }) {
      const { checkpoints: _, processes: __, ...training } = input.training;
      const processes = processesOf(input.training);
      const identity = { ...input, training: processes === 1 ? training : { ...training, processes } };
      return input.task === 'image-classification' && training.method === 'head'
        ? { ...identity, head: HEAD_VERSION }
        : identity;
    },
    keeps: ({ stoppedByBudget }) => stoppedByBudget === undefined,
    run: (input, context) => trainWithin(input, context, renewEveryMs),
  };
}

export const trainModel = trainStep();

/** A run that began before there were several has none of it in its history. */
function processesOf({ processes }: Partial<TrainModelInput['training']>): number {
  return processes ?? 1;
}

/** A try is given up when its part of the budget is used up, whatever it is at; what it has kept by then stays. */
async function trainWithin(input: TrainModelInput, context: StepContext, renewEveryMs: number): Promise<TrainedModel> {
  if (input.allowance === undefined) return train(input, context, renewEveryMs);
  const watch = new AllowanceWatch(input.allowance, context.stepId, context.earlierSeconds);
  try {
    const signal = AbortSignal.any([context.signal, watch.signal]);
    // The trainer stops as soon as it sees that the next epoch would end too late.
    const stopAt = Number.isFinite(watch.endsAtMs) ? { stopAt: new Date(watch.endsAtMs).toISOString() } : {};
    const trained = await train({ ...input, ...stopAt }, { ...context, signal }, renewEveryMs);
    if (trained.stoppedByBudget === undefined) return trained;
    throw watch.ended(`the budget ended it after ${trained.stoppedByBudget} of ${input.training.epochs} epochs`);
  } catch (error) {
    // However the abortion shows itself, that was its cause.
    if (!context.signal.aborted) watch.signal.throwIfAborted();
    throw error;
  } finally {
    watch.stop();
  }
}

/** Fetches what the training reads, then borrows a device for as long as it trains. */
async function train(input: TrainModelInput, context: StepContext, renewEveryMs: number): Promise<TrainedModel> {
  const { store, workDir, signal, attempt } = context;
  const [model, data] = [join(workDir, 'weights'), join(workDir, 'data')];
  context.progress({ phase: 'fetching model and data', attempt });
  await store.checkout(input.weights, model, { signal });
  if (input.task === 'image-classification' && (await isFrozen(model))) return trainHead(model, input, context);
  await store.checkout(input.dataset, data, { signal });
  if (input.task === 'image-classification') {
    for (const split of ['train', 'validation'] as const)
      await unpackPictures(store, input.dataset, split, data, signal);
  }
  const onWait = (holders: string): void => context.progress({ phase: 'waiting for a device', attempt, note: holders });
  const device = await context.devices?.acquire({ count: processesOf(input.training), signal, onWait });
  try {
    return await trainOn(device, model, data, input, context, renewEveryMs);
  } finally {
    device?.release();
  }
}

async function trainOn(
  device: DeviceLease | undefined,
  model: string,
  data: string,
  input: TrainModelInput,
  context: StepContext,
  renewEveryMs: number,
): Promise<TrainedModel> {
  const { pointers, workDir, runId, attempt: number, key, reuse, launcher = localLauncher } = context;
  const { checkpoints: policy, processes: _, ...training } = input.training;
  const pointer = checkpointKey(key, reuse ? undefined : runId);
  const lease = await CheckpointLease.take(pointers, pointer, { runId, attempt: number });
  const attempt = new Attempt(context, lease, { policy, launcher, device });
  const renewal = setInterval(() => void attempt.renew(), renewEveryMs);
  const task: TrainTask = {
    verb: 'train',
    ...learnt(input),
    model,
    train: join(data, 'train.jsonl'),
    validation: join(data, 'validation.jsonl'),
    training,
    device: 'auto',
    checkpoints: join(workDir, 'checkpoints'),
    out: join(workDir, 'out'),
    checkpointEverySeconds: policy.every === 'auto' ? null : durationSeconds(policy.every),
    checkpointEverySteps: policy.everySteps ?? null,
    failureRatePerHour: policy.failureRatePerHour,
    processes: processesOf(input.training),
    ...(input.stopAt === undefined ? {} : { stopAt: Date.parse(input.stopAt) / 1000 }),
    ...(input.stopAfterEpochs === undefined ? {} : { stopAfterEpochs: input.stopAfterEpochs }),
  };
  try {
    const finished = await attempt.run(task);
    const tell = (error: Error): void => attempt.note(`the result waits on disk: ${error.message}`);
    return await withTimeLimit(RESULT_PATIENCE_MS, attempt.signal, (patience) =>
      throughOutage(() => keep(finished, input, context, attempt, lease), patience, tell),
    );
  } finally {
    clearInterval(renewal);
    // A lease that cannot be ended here expires by itself; the step's own end matters more.
    await attempt.saveLog().catch(() => {});
    await attempt.finish().catch(() => {});
  }
}

/** A graph has no weights that the trainer reads: a head is all that can be learnt. */
async function isFrozen(folder: string): Promise<boolean> {
  return access(join(folder, 'encoder.json')).then(
    () => true,
    () => false,
  );
}

/** What the trainer is asked to learn. */
function learnt(
  input: TrainModelInput,
):
  | Pick<TextTask, 'task' | 'labels' | 'multiLabel' | 'pooling' | 'maxLength' | 'windows'>
  | Pick<ImageTask, 'task' | 'labels' | 'augmentation'>
  | Pick<LanguageTask, 'task' | 'packing' | 'maxLength'> {
  if (input.task === 'image-classification') {
    return { task: input.task, labels: input.labels, augmentation: input.augmentation };
  }
  if (input.task === 'causal-lm') return { task: input.task, packing: input.packing, maxLength: input.maxLength };
  const { labels, pooling, maxLength, windows, multiLabel } = input;
  const several = multiLabel === undefined ? {} : { multiLabel };
  return { task: 'text-classification', labels, ...several, pooling, maxLength, ...(windows && { windows }) };
}

/** Stores what the process made; the last thing done is to end the lease, which a zombie cannot. */
async function keep(
  finished: Finished,
  { training }: TrainModelInput,
  { store }: StepContext,
  attempt: Attempt,
  lease: CheckpointLease,
): Promise<TrainedModel> {
  const { signal } = attempt;
  const result = TrainResultSchema.parse(finished.results[0]);
  const [model, history] = await Promise.all([
    store.putTree(result.model, 'trained-model', { signal }),
    store.putFile(result.history, { name: 'history.json', mediaType: 'application/json', signal }),
    attempt.saveLog(),
  ]);
  await attempt.finish();
  const { logs = [], resumedAtSteps, warnings = [], outOfMemoryAtSteps = [], microBatchDivisor = 1 } = lease.value;
  const microBatch = microBatchOf(training.batchSize, Math.min(microBatchDivisor, training.batchSize));
  // The process knows best; one that says nothing is not believed to add up smaller micro-batches alike.
  const reasons = outOfMemoryAtSteps.map((step) => `memory ran out after step ${step}: micro-batches became smaller`);
  const log =
    logs.at(-1)?.log ?? (await store.putBytes(Buffer.alloc(0), { name: 'training.log', mediaType: 'text/plain' }));
  return {
    model,
    history,
    log,
    steps: result.steps,
    bestEpoch: result.bestEpoch,
    trainLoss: result.trainLoss,
    validationLoss: result.validationLoss,
    validationAccuracy: result.validationAccuracy,
    trainAccuracy: result.trainAccuracy,
    resumedAtSteps,
    environment: result.environment,
    warnings,
    logs: logs.map(({ runId, attempt: number, log: kept }) => ({ runId, attempt: number, log: kept })),
    oomRetries: outOfMemoryAtSteps.length,
    microBatch,
    ...(result.stoppedByBudget == null ? {} : { stoppedByBudget: result.stoppedByBudget }),
    exact: result.exact ?? { value: reasons.length === 0, reasons },
  };
}
