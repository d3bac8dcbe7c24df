/** What every pipeline begins with: the data and every candidate side by side, whatever is measured of them. */
import { CancellationScope, patched } from '@temporalio/workflow';
import type { DataFile, DatasetSummary } from '../../activities/contract/data.ts';
import type {
  CandidateOutcome,
  CandidateSource,
  ModelLimits,
  ResolveModelInput,
} from '../../activities/contract/selection.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ErrorRecord } from '../../artifacts/errors.ts';
import type { Classification, Pipeline } from '../../pipelines/definition.ts';
import { costPer1000, type SlotPrice } from '../../pipelines/inference-cost.ts';
import { areWithin } from '../../pipelines/limits.ts';
import { isOfTheSurroundings, needOf, standingOf } from '../causes.ts';
import type { StepOptions } from '../engine.ts';
import { StepLeftOut } from '../failures.ts';
import { candidateSteps } from '../plan.ts';
import type { Run } from '../run.ts';
import { partOf, trialInput } from '../step-inputs.ts';
import { priceOfLimit, requireBudgetPrices } from './prices.ts';

/** What is known of a candidate so far. */
export type Outcome = { -readonly [K in keyof CandidateOutcome]: CandidateOutcome[K] };

export interface Candidacy {
  /** From the data as they are to the dataset: the step `data`. */
  readonly prepare: (files: readonly DataFile[]) => Promise<DatasetSummary>;
  /** What is measured of one whose files are there: its own steps, noted in `outcome`. */
  readonly measure: (one: {
    readonly candidate: CandidateSource;
    readonly outcome: Outcome;
    readonly model: ArtifactRef;
    readonly dataReady: Promise<DatasetSummary>;
    readonly parking: StepOptions;
    /** Of a slot, where a limit of cost asks. */
    readonly price: SlotPrice | null;
    /** Before each of its steps: leaves it out where the budget has ended and another candidate that may win is known already. */
    readonly begin: () => Promise<void>;
  }) => Promise<void>;
  /** Whether one that was measured breaks no limit of the definition. `price`: of a slot, where a limit of cost asks; `ended`: all that have come to their end. */
  readonly mayWin: (outcome: CandidateOutcome, price: SlotPrice | null, ended: readonly CandidateOutcome[]) => boolean;
}

/** How the candidates stand that have come to their end. */
interface Ended {
  readonly outcomes: Map<string, CandidateOutcome>;
  /** Of a slot, where a limit of cost asks. */
  readonly price: SlotPrice | null;
  /** By the limits as they are now: an operator may have changed them since. */
  readonly mayWin: (outcome: CandidateOutcome) => boolean;
  /** Those that stood by for a fault of the surroundings until another one was enough. */
  readonly lost: Set<string>;
}

export interface Gathered {
  readonly dataset: DatasetSummary;
  readonly outcomes: readonly CandidateOutcome[];
}

/** Data and candidates side by side. The first that ends the run ends them all: nothing is left running unobserved. */
export async function gather(run: Run, candidacy: Candidacy): Promise<Gathered> {
  const scope = new CancellationScope();
  const failures: unknown[] = [];
  const together = async <Output>(work: Promise<Output>): Promise<Output> => {
    try {
      return await work;
    } catch (error) {
      failures.push(error);
      scope.cancel();
      throw error;
    }
  };
  // Without a limit nothing is awaited: a run that began before there was one goes on as it did.
  if (run.pipeline.budget?.money !== undefined) await requireBudgetPrices(run);
  const price = run.pipeline.selection.maxCostPer1000 === undefined ? null : await priceOfLimit(run);
  const outcomes = new Map<string, CandidateOutcome>();
  const ended: Ended = {
    outcomes,
    price,
    mayWin: (outcome) => outcome.error === undefined && candidacy.mayWin(outcome, price, [...outcomes.values()]),
    lost: new Set(),
  };
  return scope.run(async () => {
    const dataReady = together(snapshot(run, candidacy.prepare));
    const tried = run.input.candidates.map((candidate) =>
      together(tryCandidate(run, candidate, dataReady, candidacy, ended)),
    );
    await Promise.allSettled([dataReady, ...tried]);
    if (failures.length > 0) throw failures[0];
    const tries = await Promise.all(tried);
    const lost = tries.filter(({ id }) => ended.lost.has(id));
    // A run that began before anybody was told goes on in silence.
    if (lost.length > 0 && patched('candidates-left-out')) run.notices.tellLeftOut(lost);
    return { dataset: await dataReady, outcomes: tries };
  });
}

async function snapshot(run: Run, prepare: Candidacy['prepare']): Promise<DatasetSummary> {
  const copy = () =>
    run.activities('fetch', 'snapshot').snapshotData(run.call('snapshot', { files: run.input.dataFiles }));
  const { files, pinned } = await run.engine.step('snapshot', copy, run.parking());
  const prepared = await smallPart(run, await prepare(files));
  return (run.facts.data = { ...prepared, ...(pinned === undefined ? {} : { pinned }) });
}

/** Of a run that is a prototype: a small part stands in the data's place everywhere. */
async function smallPart(run: Run, whole: DatasetSummary): Promise<DatasetSummary> {
  const { prototype: limits } = run.pipeline;
  if (limits === undefined) return whole;
  const part = await run.step('light', 'subset', 'subsetData', () => trialInput(whole, limits));
  return partOf(whole, part);
}

/** What a model of the task takes: texts are not named. */
function takes({ task }: Pick<Pipeline, 'task'>): Pick<ResolveModelInput, 'input'> {
  return task.startsWith('image-') ? { input: 'image' } : {};
}

/** What every candidate is asked for before its weights are fetched. */
function limitsOf({ task, selection, gates }: Pipeline): ModelLimits {
  const { maxParameters, maxSizeMb, maxMemoryMb } = selection;
  const languages = 'languages' in selection ? selection.languages : undefined;
  const fit = 'hardwareFit' in gates ? gates.hardwareFit : undefined;
  return {
    task,
    ...(fit?.severity === 'fail' ? { hardwareFit: fit.max } : {}),
    ...(maxParameters === undefined ? {} : { maxParameters }),
    ...(maxSizeMb === undefined ? {} : { maxSizeMb }),
    ...(maxMemoryMb === undefined ? {} : { maxMemoryMb }),
    ...(languages === undefined ? {} : { languages }),
  };
}

/** Of an encoder, by the limits and the accuracy that the ranking asks for. */
export function encoderMayWin(
  { profile, probe }: CandidateOutcome,
  {
    maxLatencyP95Ms,
    maxSizeMb,
    maxMemoryMb,
    maxCostPer1000,
  }: Pick<Classification['selection'], 'maxLatencyP95Ms' | 'maxSizeMb' | 'maxMemoryMb' | 'maxCostPer1000'>,
  price: SlotPrice | null,
): boolean {
  return (
    profile !== undefined &&
    typeof probe?.linearAccuracy.value === 'number' &&
    areWithin([
      [profile.latency.p95Ms, maxLatencyP95Ms],
      [profile.sizeMb, maxSizeMb],
      [profile.memoryMb, maxMemoryMb],
      [costPer1000(profile.latency.meanMs, price) ?? Number.NaN, maxCostPer1000],
    ])
  );
}

/** How the other candidates stand: whether one that failed is needed. */
function needFor(run: Run, id: string, ended: Ended): ReturnType<typeof needOf> {
  const others = run.input.candidates.filter((one) => one.id !== id);
  return needOf(others.map((one) => standingOf(run.engine.states(stepsOf(run, one.id)), endOf(ended, one.id))));
}

function endOf({ outcomes, mayWin }: Ended, id: string): 'may-win' | 'out' | undefined {
  const outcome = outcomes.get(id);
  if (outcome === undefined) return undefined;
  return mayWin(outcome) ? 'may-win' : 'out';
}

/** Of one that the surroundings cost its place: the ranking and the report give its error as the reason. */
function forNoFault(error: ErrorRecord): ErrorRecord {
  return {
    ...error,
    message: `${error.message} (left out for no fault of its own, as soon as another candidate could win)`,
    fix: `${error.fix === undefined ? '' : `${error.fix}; `}then a new run tries it again and reuses what is finished`,
  };
}

function stepsOf(run: Run, id: string): readonly string[] {
  return candidateSteps(run.pipeline.task).map((step) => `${step}:${id}`);
}

/** One candidate from name to score. What goes wrong with it is its own: it drops out with the reason. */
async function tryCandidate(
  run: Run,
  candidate: CandidateSource,
  dataReady: Promise<DatasetSummary>,
  { measure }: Candidacy,
  ended: Ended,
): Promise<CandidateOutcome> {
  const { id } = candidate;
  const { intendedUse, deploy } = run.pipeline;
  // Some licences ask for a name: the model's is known from the beginning.
  const named = { ...intendedUse, derivedName: intendedUse.derivedName ?? deploy.model };
  const { policy } = run.input;
  const outcome: Outcome = { id };
  const drop = (error: ErrorRecord): CandidateOutcome => {
    run.engine.close(stepsOf(run, id), 'dropped', error);
    const dropped = { ...outcome, error };
    ended.outcomes.set(id, dropped);
    return dropped;
  };
  const { optional } = candidate;
  const parking = run.parking({ optional, need: () => needFor(run, id, ended) });
  const begin = async (): Promise<void> => {
    if (![...ended.outcomes.values()].some(ended.mayWin) || run.pipeline.budget === undefined) return;
    const over = await run.budget.ended();
    // A run that began before candidates were left out so goes on with all of them.
    if (over === undefined || !patched('leave-out-after-budget')) return;
    throw new StepLeftOut({
      kind: 'BudgetEnded',
      message: `${over}, and another candidate that may win was known by then`,
      where: `candidates.${id}`,
      fix: 'raise the budget, or name fewer candidates',
      retryable: false,
    });
  };
  try {
    const fetch = optional ? 'fetchOnce' : 'fetch';
    const resolved = await run.step(
      fetch,
      `resolve:${id}`,
      'resolveModel',
      () => ({
        candidate,
        intendedUse: named,
        ...(policy === undefined ? {} : { policy }),
        ...takes(run.pipeline),
        limits: limitsOf(run.pipeline),
      }),
      parking,
    );
    outcome.resolved = resolved;
    if (resolved.licence.verdict === 'deny') {
      return drop({
        kind: 'LicenceDenied',
        message: resolved.licence.reasons.join(' '),
        where: `candidates.${id}`,
        fix: resolved.licence.howToFix.join(' '),
        retryable: false,
      });
    }
    if (resolved.unfit !== undefined) {
      return drop({
        kind: 'BadModel',
        message: `nothing of it was fetched that could be spared: ${resolved.unfit.join(' ')}`,
        where: `candidates.${id}`,
        fix:
          'name another candidate (of a device that is too small, one with fewer layers: candidates.layers), or loosen the limit ' +
          'where the reason names one of selection or gates',
        retryable: false,
      });
    }
    await begin();
    const { model } = (outcome.imported = await run.step(
      fetch,
      `import:${id}`,
      'importModel',
      () => ({ resolved }),
      parking,
    ));
    await measure({ candidate, outcome, model, dataReady, parking, price: ended.price, begin });
    ended.outcomes.set(id, outcome);
    return outcome;
  } catch (error) {
    if (!(error instanceof StepLeftOut)) throw error;
    if (!error.unneeded || !isOfTheSurroundings(error.record.kind)) return drop(error.record);
    ended.lost.add(id);
    return drop(forNoFault(error.record));
  }
}
