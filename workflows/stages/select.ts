import type { CandidateOutcome, CandidateSource, DatasetSummary } from '../../activities/contract.ts';
import { CancellationScope, isCancellation } from '@temporalio/workflow';
import type { ErrorRecord } from '../../artifacts/errors.ts';
import { errorRecord } from '../engine.ts';
import { CANDIDATE_STEPS } from '../plan.ts';
import type { Run } from '../run.ts';

/** The winner, with everything training and evaluation need of it. */
export type Winner = Required<Omit<CandidateOutcome, 'error'>> & { readonly candidate: CandidateSource };

export interface Selected {
  readonly dataset: DatasetSummary;
  readonly winner: Winner;
}

/** Data, then every candidate in parallel, then the choice. */
export async function select(run: Run): Promise<Selected> {
  const dataReady = prepareData(run);
  const candidates = new CancellationScope();
  const tried = candidates.run(() =>
    Promise.all(run.input.candidates.map((candidate) => tryCandidate(run, candidate, dataReady))),
  );
  // Awaited below; a cancellation that reaches a candidate first must not count as unhandled meanwhile.
  tried.catch(() => undefined);
  let dataset: DatasetSummary;
  try {
    dataset = await dataReady;
  } catch (error) {
    // Bad data ends the run at once; no candidate is left running unobserved.
    candidates.cancel();
    await tried.catch(() => undefined);
    throw error;
  }
  const outcomes = await tried;
  run.facts.candidates = outcomes;
  const selection = await run.step('light', 'rank', 'rankCandidates', {
    candidates: outcomes,
    selection: run.input.pipeline.selection,
  });
  run.facts.selection = selection;
  return { dataset, winner: winnerOf(run, outcomes, selection.winner) };
}

async function prepareData(run: Run): Promise<DatasetSummary> {
  const { files } = await run.engine.step('snapshot', () =>
    run.activities('fetch', 'snapshot').snapshotData(run.call('snapshot', { files: run.input.dataFiles })),
  );
  const dataset = await run.step('light', 'data', 'prepareData', { files, data: run.input.pipeline.data });
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
  const { intendedUse, selection } = run.input.pipeline;
  const outcome: { -readonly [K in keyof CandidateOutcome]: CandidateOutcome[K] } = { id };
  const drop = (error: ErrorRecord): CandidateOutcome => {
    run.engine.close(
      CANDIDATE_STEPS.map((step) => `${step}:${id}`),
      'dropped',
      error,
    );
    return { ...outcome, error };
  };
  try {
    const fetch = candidate.optional ? 'fetchOnce' : 'fetch';
    outcome.resolved = await run.step(fetch, `resolve:${id}`, 'resolveModel', { candidate, intendedUse });
    const { licence } = outcome.resolved;
    if (licence.verdict === 'deny') {
      return drop({
        kind: 'LicenceDenied',
        message: licence.reasons.join(' '),
        where: `candidates.${id}`,
        fix: licence.howToFix.join(' '),
        retryable: false,
      });
    }
    outcome.imported = await run.step(fetch, `import:${id}`, 'importModel', { resolved: outcome.resolved });
    outcome.exported = await run.step('cpu', `export:${id}`, 'exportEncoder', {
      model: outcome.imported.model,
      layers: candidate.layers ?? null,
      pooling: candidate.pooling,
      maxLength: selection.maxLength,
    });
    const { dataset } = await dataReady;
    const encoder = outcome.exported.encoder;
    outcome.profile = await run.step('cpu', `profile:${id}`, 'profileEncoder', {
      encoder,
      dataset,
      maxLength: selection.maxLength,
    });
    outcome.probe = await run.step('cpu', `probe:${id}`, 'probeEncoder', {
      encoder,
      dataset,
      neighbours: selection.neighbours,
      seed: selection.seed,
    });
    return outcome;
  } catch (error) {
    if (isCancellation(error)) throw error;
    return drop(errorRecord(error, `candidates.${id}`));
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
