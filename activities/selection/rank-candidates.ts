import type { RankCandidatesInput, Selection } from '../contract/selection.ts';
import { slotPrice, type SlotPrice } from '../../pipelines/inference-cost.ts';
import type { StepDefinition } from '../step.ts';
import { rankOutcomes } from './ranking.ts';

export const rankCandidates: StepDefinition<RankCandidatesInput, Selection> = {
  type: 'selection.rank',
  version: 15,
  // Prices are the organisation's: with others, costs are others, and so may be who is within their limit.
  environment: (_, { prices }) => Promise.resolve(slotPrice(prices)),
  run: (input, { environment }) =>
    Promise.resolve(input).then((asked) => rankOutcomes(asked, environment as SlotPrice | null)),
};
