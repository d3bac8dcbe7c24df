import type { GeneratorSelection, RankGeneratorsInput } from '../contract/prompting.ts';
import { slotPrice, type SlotPrice } from '../../pipelines/inference-cost.ts';
import type { StepDefinition } from '../step.ts';
import { rankGenerators } from './ranking.ts';

/** Step `generation.rank`: the pure rule of ranking.ts. */
export const rankGeneratorsStep: StepDefinition<RankGeneratorsInput, GeneratorSelection> = {
  type: 'generation.rank',
  version: 8,
  // As of other candidates: prices are the organisation's.
  environment: (_, { prices }) => Promise.resolve(slotPrice(prices)),
  run: (input, { environment }) =>
    Promise.resolve(input).then((asked) => rankGenerators(asked, environment as SlotPrice | null)),
};
