/** Step `training.train`: fine-tunes the chosen encoder, going on from the newest good checkpoint of earlier attempts. */
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import type { TrainedModel, TrainModelInput } from '../contract.ts';
import type { StepContext, StepDefinition } from '../step.ts';
import { CheckpointLease, type Holder } from './checkpoints.ts';
import { TrainResultSchema, type TrainerEvent, type TrainTask } from './job.ts';
import { runTrainingProcess, type TrainingOutcome } from './process.ts';
import { CheckpointUploads } from './upload.ts';

export const trainModel: StepDefinition<TrainModelInput, TrainedModel> = {
  type: 'training.train',
  version: 1,
  run: train,
};

/** Progress is shown at most this often; Temporal throttles what it sends further. */
const PROGRESS_EVERY_MS = 200;

async function train(input: TrainModelInput, context: StepContext): Promise<TrainedModel> {
  const { store, pointers, workDir, signal, runId, attempt, key } = context;
  const [model, data] = [join(workDir, 'weights'), join(workDir, 'data')];
  context.progress({ phase: 'fetching model and data' });
  await store.checkout(input.weights, model, { signal });
  await store.checkout(input.dataset, data, { signal });
  const lease = await CheckpointLease.take(pointers, key, { runId, attempt });
  try {
    const task: TrainTask = {
      verb: 'train',
      model,
      train: join(data, 'train.jsonl'),
      validation: join(data, 'validation.jsonl'),
      labels: input.labels,
      pooling: input.pooling,
      maxLength: input.maxLength,
      training: input.training,
      device: 'auto',
      checkpoints: join(workDir, 'checkpoints'),
      out: join(workDir, 'out'),
    };
    const trying = new Attempt(context, lease);
    return await keep(await trying.run(task), context, lease, trying.notes);
  } finally {
    await lease.release().catch(() => {}); // it expires by itself; the step's own end matters more
  }
}

/** One attempt: tries the checkpoints from the newest on, then the beginning. */
class Attempt {
  readonly notes: string[] = [];
  readonly #context: StepContext;
  readonly #lease: CheckpointLease;
  readonly #uploads: CheckpointUploads;
  /** Aborted when a later attempt of this run took over: we are the zombie. */
  readonly #superseded = new AbortController();
  #publishing = true;
  #recorded: Promise<void> = Promise.resolve();
  #first: { step: number; atMs: number } | undefined;
  #shownAtMs = 0;

  constructor(context: StepContext, lease: CheckpointLease) {
    this.#context = context;
    this.#lease = lease;
    this.#uploads = new CheckpointUploads({
      store: ({ path, step }) => context.store.putTree(path, `checkpoint-${step}`),
      publish: async (step, tree) => {
        const newHolder = this.#publishing ? await lease.publish({ step, tree }) : undefined;
        if (newHolder !== undefined) this.#takenOver(newHolder);
      },
      onProblem: (message) => this.#note(message),
    });
  }

  async run(task: TrainTask): Promise<Extract<TrainingOutcome, { kind: 'done' }>> {
    for (const [index, saved] of this.#lease.checkpoints.entries()) {
      const resumeFrom = join(this.#context.workDir, `resume-${index}`);
      try {
        await this.#context.store.checkout(saved.tree, resumeFrom, { signal: this.#context.signal });
        return await this.#runFrom({ ...task, resumeFrom });
      } catch (error) {
        if (
          !(error instanceof EspalierError) ||
          !['Corrupt', 'NotFound', 'CheckpointIncompatible'].includes(error.kind)
        )
          throw error;
        this.#note(`the checkpoint of step ${saved.step} is not used: ${error.message}`);
      }
    }
    return this.#runFrom(task);
  }

  async #runFrom(task: TrainTask): Promise<Extract<TrainingOutcome, { kind: 'done' }>> {
    const { python, workDir, signal, stepId, runId } = this.#context;
    this.#first = undefined;
    let outcome: TrainingOutcome;
    try {
      outcome = await runTrainingProcess({
        job: { version: 1, id: `${runId}/${stepId}`, tasks: [task] },
        python,
        workDir,
        signal: AbortSignal.any([signal, this.#superseded.signal]),
        onEvent: (event) => this.#heard(event),
      });
    } finally {
      // Also after a failure or a cancellation: the last checkpoint is what the next attempt goes on from.
      await Promise.all([this.#uploads.drained(), this.#recorded]);
    }
    this.#superseded.signal.throwIfAborted();
    if (outcome.kind === 'done') return outcome;
    signal.throwIfAborted();
    throw new EspalierError('Preempted', `training was stopped from outside after step ${outcome.step}`, {
      where: stepId,
      fix: 'nothing to do: the next attempt goes on from the checkpoint',
    });
  }

  #heard(event: TrainerEvent): void {
    const { progress } = this.#context;
    if (event.type === 'starting') progress({ phase: 'starting', note: `process ${event.pid}` });
    if (event.type === 'checkpoint') this.#uploads.add(event);
    if (event.type === 'warning') this.#note(event.message);
    if (event.type === 'eval') progress({ phase: `evaluating on ${event.split}`, done: event.step });
    if (event.type === 'ready' && event.step !== undefined && event.step > 0) {
      this.#note(`resumed at step ${event.step}`);
      this.#recorded = this.#lease.resumed(event.step).catch((error: Error) => this.#note(error.message));
    }
    if (event.type !== 'step') return;
    const nowMs = Date.now();
    this.#first ??= { step: event.step, atMs: nowMs };
    if (nowMs - this.#shownAtMs < PROGRESS_EVERY_MS && event.step < event.total) return;
    this.#shownAtMs = nowMs;
    const since = event.step - this.#first.step;
    const etaSeconds = ((event.total - event.step) * (nowMs - this.#first.atMs)) / Math.max(1, since) / 1000;
    const note = `epoch ${event.epoch}, loss ${event.loss.toPrecision(4)}, ${Math.round(event.samplesPerSecond)} rows/s`;
    const eta = since > 0 ? { etaSeconds: Math.round(etaSeconds) } : {};
    progress({ phase: 'training', done: event.step, total: event.total, ...eta, note });
  }

  #takenOver(by: Holder): void {
    this.#publishing = false;
    // Another run trains the same thing: both end with the same bytes, and the first result counts.
    if (by.runId !== this.#context.runId)
      return this.#note(`run ${by.runId} keeps the checkpoints of this training now`);
    this.#superseded.abort(
      new EspalierError('Preempted', `attempt ${by.attempt} of this step has taken over`, {
        where: this.#context.stepId,
        fix: 'nothing to do: the later attempt finishes the step',
      }),
    );
  }

  #note(message: string): void {
    this.notes.push(message);
    this.#context.progress({ phase: 'training', note: message });
  }
}

async function keep(
  outcome: Extract<TrainingOutcome, { kind: 'done' }>,
  { store, signal }: StepContext,
  lease: CheckpointLease,
  notes: readonly string[],
): Promise<TrainedModel> {
  const result = TrainResultSchema.parse(outcome.results[0]);
  if (notes.length > 0) await appendFile(outcome.log, `${notes.map((note) => `espalier: ${note}`).join('\n')}\n`);
  const [model, history, log] = await Promise.all([
    store.putTree(result.model, 'trained-model', { signal }),
    store.putFile(result.history, { name: 'history.json', mediaType: 'application/json', signal }),
    store.putFile(outcome.log, { name: 'training.log', mediaType: 'text/plain', signal }),
  ]);
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
    resumedAtSteps: await lease.resumedAtSteps(),
    environment: result.environment,
  };
}
