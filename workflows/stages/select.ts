import type { DataFile, DatasetSummary } from '../../activities/contract/data.ts';
import type { CandidateOutcome, CandidateSource } from '../../activities/contract/selection.ts';
import type { Classification } from '../../pipelines/definition.ts';
import type { Run } from '../run.ts';
import {
  dataInput,
  encoderInput,
  candidateTimes,
  measuredOn,
  picturesInput,
  recipeFacts,
  severalLabels,
} from '../step-inputs.ts';
import { encoderMayWin, gather, type Candidacy } from './candidates.ts';
import { prototype, prototypesDecide } from './prototype.ts';
import { searchSettings } from './search.ts';

/** The winner, with everything training and evaluation need of it. */
export type Winner = Required<
  Pick<CandidateOutcome, 'id' | 'resolved' | 'imported' | 'exported' | 'profile' | 'probe'>
> & {
  readonly candidate: CandidateSource;
};

export interface Selected {
  readonly dataset: DatasetSummary;
  readonly winner: Winner;
}

/** Data, then every candidate in parallel, then the best few on small parts of the data, then the choice, and its settings. */
export async function select(run: Run): Promise<Selected> {
  const { dataset, outcomes } = await gather(run, encoders(run));
  run.facts.candidates = outcomes;
  const selection = await run.step('light', 'rank', 'rankCandidates', () => ({
    candidates: outcomes,
    selection: run.classification().selection,
    ...(run.classification().training.method === 'head' ? { by: 'head' } : {}),
  }));
  const chosen = await prototype(run, { dataset, outcomes, selection });
  run.facts.selection = chosen;
  const winner = winnerOf(run, outcomes, chosen.winner);
  const { task, training } = run.classification();
  run.settle(training, recipeFacts({ task, method: training.method }, winner.exported, dataset));
  await searchSettings(run, { dataset, winner });
  return { dataset, winner };
}

function prepared(run: Run, files: readonly DataFile[]): Promise<DatasetSummary> {
  const { pipeline } = run;
  return pipeline.task === 'image-classification'
    ? run.step('pictures', 'data', 'preparePictures', () =>
        picturesInput(files, run.definition('image-classification')),
      )
    : run.step('light', 'data', 'prepareData', () => dataInput(files, run.definition('text-classification')));
}

/** A text is measured at its length in tokens, a picture has none. */
function lengthOf(definition: Classification): { readonly maxLength?: number } {
  return definition.task === 'image-classification' ? {} : { maxLength: definition.selection.maxLength };
}

/** A candidate is measured by its frozen embeddings. */
function encoders(run: Run): Candidacy {
  const definition = () => run.classification();
  return {
    prepare: (files) => prepared(run, files),
    mayWin: (outcome, price) => encoderMayWin(outcome, definition().selection, price),
    async measure({ candidate, outcome, model, dataReady, parking, price, begin }) {
      const { id } = candidate;
      const { neighbours, seed } = definition().selection;
      await begin();
      const { encoder } = (outcome.exported = await run.step(
        'cpu',
        `export:${id}`,
        'exportEncoder',
        () => encoderInput(candidate, model, definition()),
        parking,
      ));
      const { dataset } = await dataReady;
      const profile = () => ({
        encoder,
        dataset,
        ...lengthOf(definition()),
        ...measuredOn(definition()),
        ...candidateTimes(definition(), price),
      });
      await begin();
      outcome.profile = await run.step('timed', `profile:${id}`, 'profileEncoder', profile, parking);
      const probe = () => ({
        encoder,
        dataset,
        neighbours,
        seed,
        ...severalLabels(definition()),
        ...(prototypesDecide(run) ? { draw: true as const } : {}),
      });
      await begin();
      outcome.probe = await run.step('cpu', `probe:${id}`, 'probeEncoder', probe, parking);
    },
  };
}

export function winnerOf(run: Run, outcomes: readonly CandidateOutcome[], id: string): Winner {
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
