import type { GeneratorSelection, RankGeneratorsInput } from '../contract/prompting.ts';
import type { StepDefinition } from '../step.ts';
import { rankGenerators } from './ranking.ts';

/** Step `generation.rank`: the pure rule of ranking.ts. */
export const rankGeneratorsStep: StepDefinition<RankGeneratorsInput, GeneratorSelection> = {
  type: 'generation.rank',
  version: 2,
  run: (input) => Promise.resolve(input).then(rankGenerators),
};
