import type { RankCandidatesInput, Selection } from '../contract/selection.ts';
import type { StepDefinition } from '../step.ts';
import { rankOutcomes } from './ranking.ts';

export const rankCandidates: StepDefinition<RankCandidatesInput, Selection> = {
  type: 'selection.rank',
  version: 6,
  run: (input) => Promise.resolve(input).then(rankOutcomes),
};
