import type { DatasetSummary } from '../../../activities/contract/data.ts';
import type { Run } from '../../run.ts';
import { backboneInput, rankRetrieversInput } from '../../retrieval-inputs.ts';
import { candidateTimes, measuredOn, picturesInput, recipeFacts } from '../../step-inputs.ts';
import { encoderMayWin, gather, type Candidacy } from '../candidates.ts';
import { winnerOf, type Winner } from '../select.ts';

export interface SelectedRetriever {
  readonly dataset: DatasetSummary;
  readonly winner: Winner;
}

/** Data, then every candidate by what its frozen features have for neighbours, then the choice. */
export async function selectRetriever(run: Run): Promise<SelectedRetriever> {
  const { dataset, outcomes } = await gather(run, encoders(run));
  run.facts.candidates = outcomes;
  const selection = await run.step('light', 'rank', 'rankCandidates', () =>
    rankRetrieversInput(outcomes, run.definition('image-retrieval')),
  );
  run.facts.selection = selection;
  const winner = winnerOf(run, outcomes, selection.winner);
  const { task, training } = run.definition('image-retrieval');
  if (training !== null) {
    run.settle(training, recipeFacts({ task, method: training.method }, winner.exported, dataset));
  }
  return { dataset, winner };
}

/** A candidate is measured by its frozen embeddings. */
function encoders(run: Run): Candidacy {
  const definition = () => run.definition('image-retrieval');
  return {
    prepare: (files) => run.step('pictures', 'data', 'preparePictures', () => picturesInput(files, definition())),
    mayWin: (outcome, price) => encoderMayWin(outcome, definition().selection, price),
    async measure({ candidate: { id }, outcome, model, dataReady, parking, price, begin }) {
      const export_ = () => backboneInput(model, definition());
      await begin();
      const { encoder } = (outcome.exported = await run.step('cpu', `export:${id}`, 'exportEncoder', export_, parking));
      const { dataset } = await dataReady;
      const profile = () => ({ encoder, dataset, ...measuredOn(definition()), ...candidateTimes(definition(), price) });
      await begin();
      outcome.profile = await run.step('timed', `profile:${id}`, 'profileEncoder', profile, parking);
      const { neighbours, seed } = definition().selection;
      // A tuned one is ranked by its probe.
      const leaveOneOut = definition().training === null ? { leaveOneOut: true as const } : {};
      const probe = () => ({ encoder, dataset, neighbours, seed, ...leaveOneOut });
      await begin();
      outcome.probe = await run.step('cpu', `probe:${id}`, 'probeEncoder', probe, parking);
    },
  };
}
