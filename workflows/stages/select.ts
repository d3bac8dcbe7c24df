import type { CandidateOutcome, CandidateSource } from '../../activities/contract/selection.ts';
import type { DatasetSummary } from '../../activities/contract/data.ts';
import { CancellationScope } from '@temporalio/workflow';
import type { ErrorRecord } from '../../artifacts/errors.ts';
import { StepLeftOut } from '../engine.ts';
import { CANDIDATE_STEPS } from '../plan.ts';
import type { Run } from '../run.ts';
import { encoderInput } from '../step-inputs.ts';

/** The winner, with everything training and evaluation need of it. */
export type Winner = Required<Omit<CandidateOutcome, 'error'>> & { readonly candidate: CandidateSource };

export interface Selected {
  readonly dataset: DatasetSummary;
  readonly winner: Winner;
}

/** Data, then every candidate in parallel, then the choice. */
export async function select(run: Run): Promise<Selected> {
  const { dataset, outcomes } = await gather(run);
  run.facts.candidates = outcomes;
  const selection = await run.step('light', 'rank', 'rankCandidates', () => ({
    candidates: outcomes,
    selection: run.pipeline.selection,
  }));
  run.facts.selection = selection;
  return { dataset, winner: winnerOf(run, outcomes, selection.winner) };
}

interface Gathered {
  readonly dataset: DatasetSummary;
  readonly outcomes: readonly CandidateOutcome[];
}

/** Data and candidates side by side. The first that ends the run ends them all: nothing is left running unobserved. */
async function gather(run: Run): Promise<Gathered> {
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
  return scope.run(async () => {
    const dataReady = together(prepareData(run));
    const tried = run.input.candidates.map((candidate) => together(tryCandidate(run, candidate, dataReady)));
    await Promise.allSettled([dataReady, ...tried]);
    if (failures.length > 0) throw failures[0];
    return { dataset: await dataReady, outcomes: await Promise.all(tried) };
  });
}

async function prepareData(run: Run): Promise<DatasetSummary> {
  const snapshot = () =>
    run.activities('fetch', 'snapshot').snapshotData(run.call('snapshot', { files: run.input.dataFiles }));
  const { files } = await run.engine.step('snapshot', snapshot, run.parking());
  const dataset = await run.step('light', 'data', 'prepareData', () => ({ files, data: run.pipeline.data }));
  run.facts.data = dataset;
  return dataset;
}

/** One candidate from name to score. What goes wrong with it is its own: it drops out with the reason. */
async function tryCandidate(
  run: Run,
  candidate: CandidateSource,
  dataReady: Promise<DatasetSummary>,
): Promise<CandidateOutcome> {
  const { id } = candidate;
  const { intendedUse, selection, deploy } = run.pipeline;
  // Some licences ask for a name: the model's is known from the beginning.
  const named = { ...intendedUse, derivedName: intendedUse.derivedName ?? deploy.model };
  const { policy } = run.input;
  const outcome: { -readonly [K in keyof CandidateOutcome]: CandidateOutcome[K] } = { id };
  const drop = (error: ErrorRecord): CandidateOutcome => {
    run.engine.close(
      CANDIDATE_STEPS.map((step) => `${step}:${id}`),
      'dropped',
      error,
    );
    return { ...outcome, error };
  };
  const parking = run.parking(candidate);
  try {
    const fetch = candidate.optional ? 'fetchOnce' : 'fetch';
    const resolved = await run.step(
      fetch,
      `resolve:${id}`,
      'resolveModel',
      () => ({ candidate, intendedUse: named, ...(policy === undefined ? {} : { policy }) }),
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
    const { model } = (outcome.imported = await run.step(
      fetch,
      `import:${id}`,
      'importModel',
      () => ({ resolved }),
      parking,
    ));
    const { maxLength, neighbours, seed } = selection;
    const { encoder } = (outcome.exported = await run.step(
      'cpu',
      `export:${id}`,
      'exportEncoder',
      () => encoderInput(candidate, model, { selection }),
      parking,
    ));
    const { dataset } = await dataReady;
    outcome.profile = await run.step(
      'cpu',
      `profile:${id}`,
      'profileEncoder',
      () => ({ encoder, dataset, maxLength }),
      parking,
    );
    outcome.probe = await run.step(
      'cpu',
      `probe:${id}`,
      'probeEncoder',
      () => ({ encoder, dataset, neighbours, seed }),
      parking,
    );
    return outcome;
  } catch (error) {
    if (error instanceof StepLeftOut) return drop(error.record);
    throw error;
  }
}

function winnerOf(run: Run, outcomes: readonly CandidateOutcome[], id: string): Winner {
  const candidate = run.input.candidates.find((one) => one.id === id);
  const outcome = outcomes.find((one) => one.id === id);
  if (
    !candidate ||
    !outcome?.resolved ||
    !outcome.imported ||
    !outcome.exported ||
    !outcome.profile ||
    !outcome.probe
  ) {
    throw new Error(`the selection names ${id}, which has no complete outcome`);
  }
  const { resolved, imported, exported, profile, probe } = outcome;
  return { id, candidate, resolved, imported, exported, profile, probe };
}
