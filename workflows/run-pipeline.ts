import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  isCancellation,
  setHandler,
  setWorkflowOptions,
} from '@temporalio/workflow';
import type { WrittenReport } from '../activities/contract/evidence.ts';
import type { PackagedModel } from '../activities/contract/deployment.ts';
import type { ProductionModel } from '../activities/contract/validation.ts';
import type { ArtifactRef } from '../artifacts/reference.ts';
import type { StepOptions } from './engine.ts';
import { errorRecord } from './failures.ts';
import { decideUpdate, progressQuery, resolveUpdate, type RunInput, type RunOutcome } from './messages.ts';
import { Run } from './run.ts';
import { compareClassifier } from './stages/compare.ts';
import { checkCustomGates } from './stages/custom-gates.ts';
import { compareGenerator, packageGenerator } from './stages/generation/release.ts';
import { selectGenerator, type SelectedGenerator } from './stages/generation/select.ts';
import { tuneGenerator } from './stages/generation/tune.ts';
import { compareRetriever, packageRetriever } from './stages/retrieval/release.ts';
import { selectRetriever, type SelectedRetriever } from './stages/retrieval/select.ts';
import { tuneRetriever } from './stages/retrieval/tune.ts';
import { packageClassifier } from './stages/package.ts';
import { release, type Releasing } from './stages/release.ts';
import { review } from './stages/review.ts';
import { select, type Selected } from './stages/select.ts';
import { tune } from './stages/tune.ts';

// A bug fails the run with its message instead of hanging it in retried workflow tasks.
setWorkflowOptions({ failureExceptionTypes: [Error] }, runPipeline);

/** A run: from candidates to a served, watched model. `inputRef` is `input` as an artifact. */
export async function runPipeline(input: RunInput, inputRef: ArtifactRef): Promise<RunOutcome> {
  const run = new Run(input, inputRef);
  if (input.trigger === 'terms') run.notices.tell({ event: 'terms.changed', model: input.pipeline.deploy.model });
  setHandler(progressQuery, () => run.view());
  setHandler(decideUpdate, (decision) => run.desk.decide(decision), {
    validator: (decision) => run.desk.validate(decision),
  });
  setHandler(resolveUpdate, (resolution) => run.resolve(resolution), {
    validator: (resolution) => run.validate(resolution),
  });
  try {
    const outcome = await made(run);
    await condition(allHandlersFinished);
    return outcome;
  } catch (error) {
    await CancellationScope.nonCancellable(async () => {
      await lastWords(run, error);
      const state = isCancellation(error) ? 'cancelled' : 'failed';
      run.notices.tell({ event: 'run.ended', state, reason: errorRecord(error, run.id).message });
      await run.notices.allTold();
    });
    throw asFailure(error);
  }
}

/** What the verbs of the story are for a task; `Selected` is what its selection hands on. */
interface Making<Selected> {
  readonly select: (run: Run) => Promise<Selected>;
  readonly tune: (run: Run, selected: Selected) => Promise<void>;
  readonly pack: (run: Run, selected: Selected) => Promise<PackagedModel>;
  readonly compare: (run: Run, selected: Selected, production: ProductionModel) => Promise<void>;
}

const CLASSIFIER: Making<Selected> = { select, tune, pack: packageClassifier, compare: compareClassifier };
const GENERATOR: Making<SelectedGenerator> = {
  select: selectGenerator,
  tune: tuneGenerator,
  pack: packageGenerator,
  compare: compareGenerator,
};

const RETRIEVER: Making<SelectedRetriever> = {
  select: selectRetriever,
  tune: tuneRetriever,
  pack: packageRetriever,
  compare: compareRetriever,
};

function made(run: Run): Promise<RunOutcome> {
  switch (run.pipeline.task) {
    case 'text-generation':
      return story(run, GENERATOR);
    case 'image-retrieval':
      return story(run, RETRIEVER);
    case 'text-classification':
    case 'image-classification':
      return story(run, CLASSIFIER);
  }
}

async function story<Chosen extends Pick<Selected, 'dataset'> & Pick<Releasing, 'winner'>>(
  run: Run,
  { select: choose, tune: make, pack, compare }: Making<Chosen>,
): Promise<RunOutcome> {
  await checkCustomGates(run);
  const selected = await choose(run);
  if (!(await review(run, selected))) return end(run, 'rejected', ended(run, 'review'));
  await make(run, selected);
  if (run.facts.gates?.verdict === 'fail') return end(run, 'gates-failed', failedGates(run));
  const releasing: Releasing = {
    winner: selected.winner,
    pack: () => pack(run, selected),
    compare: (production) => compare(run, selected, production),
  };
  if (!(await release(run, releasing))) {
    const failed = run.comparisonGates.filter(({ verdict }) => verdict === 'fail');
    return failed.length > 0
      ? end(run, 'gates-failed', failed.map(({ reason }) => reason).join('; '))
      : end(run, 'rejected', ended(run, 'release'));
  }
  return end(run, 'deployed', `${gatesLetThrough(run)} and both approvals were given`);
}

/** Of a run that no gate held up. */
function gatesLetThrough({ facts: { gates }, comparisonGates }: Run): string {
  const judged = [...(gates?.gates ?? []), ...comparisonGates];
  const warned = judged.filter(({ verdict }) => verdict === 'warn').length;
  return warned === 0 ? 'every gate passed' : `no gate failed, ${warned} warned,`;
}

async function end(run: Run, state: RunOutcome['state'], why: string): Promise<RunOutcome> {
  const reason = run.input.reopened === undefined || state === 'deployed' ? why : `${why}${stillServed(run)}`;
  run.engine.skipRest(['report']);
  await settleTerms(run, state, reason);
  const report = await writeFinalReport(run, `${state}: ${reason}`, run.parking());
  run.enter(state);
  run.notices.tell({ event: 'run.ended', state, reason });
  await run.notices.allTold();
  return {
    runId: run.id,
    state,
    reason,
    report: report.pack,
    reportHtml: report.html,
    deployment: run.facts.deployment ?? null,
  };
}

/** Nothing is withdrawn silently: whoever said no to changed terms reads what is left to do. */
function stillServed(run: Run): string {
  const { model, channel } = run.input.pipeline.deploy;
  return `; '${model}' is still served under the terms in question: deploy one whose terms are accepted, or delete registry/${model}/channels/${channel}`;
}

/** Of a run that asks about changed terms: the registry says how it ended, so that whoever looks at the model sees it. */
async function settleTerms(run: Run, state: string, reason: string): Promise<void> {
  if (run.input.reopened === undefined) return;
  const { model, channel } = run.input.pipeline.deploy;
  const at = new Date().toISOString();
  await run
    .activities('light', 'settle-terms')
    .settleTerms(run.call('settle-terms', { model, channel, state, reason, at }));
}

async function writeFinalReport(run: Run, outcome: string, options: StepOptions): Promise<WrittenReport> {
  const input = () => ({ kind: 'final', facts: run.snapshot(outcome) }) as const;
  run.report = await run.step('light', 'report', 'writeReport', input, options);
  return run.report;
}

/** A failed run leaves a report of what it knew; a failure to write it must not hide the first error, so it parks nothing. */
async function lastWords(run: Run, error: unknown): Promise<void> {
  const cancelled = isCancellation(error);
  run.enter(cancelled ? 'cancelled' : 'failed');
  if (cancelled) return;
  run.engine.skipRest(['report']);
  // It could not be written: somebody has decided to end without it.
  if (run.engine.view().some(({ id, state }) => id === 'report' && state === 'failed')) return;
  try {
    const record = errorRecord(error, run.id);
    await writeFinalReport(run, `failed: ${record.kind}: ${record.message}`, {});
  } catch {
    // The error below says what happened.
  }
}

/** The step's typed error, not Temporal's "Activity task failed" around it. */
function asFailure(error: unknown): unknown {
  if (isCancellation(error)) return error;
  const record = errorRecord(error, 'run');
  return ApplicationFailure.create({
    message: record.message,
    type: record.kind,
    nonRetryable: true,
    details: [record],
    ...(error instanceof Error ? { cause: error } : {}),
  });
}

function ended(run: Run, approval: 'review' | 'release'): string {
  const desk = run.desk.view().find((one) => one.approval === approval);
  if (desk?.state === 'expired') return `approval '${approval}' expired at ${desk.deadline ?? '?'} without a decision`;
  return `${desk?.record?.approver ?? 'somebody'} rejected '${approval}': ${desk?.record?.comment ?? ''}`;
}

function failedGates(run: Run): string {
  const failed = run.facts.gates?.gates.filter(({ verdict }) => verdict === 'fail') ?? [];
  return failed.map(({ reason }) => reason).join(' ');
}
