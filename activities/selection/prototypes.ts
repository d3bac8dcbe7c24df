/** The steps between rank and review that judge prototypes. */
import type {
  ChooseCandidateInput,
  ChosenCandidate,
  HalveCandidatesInput,
  HalvedCandidates,
} from '../contract/prototype.ts';
import type { StepDefinition } from '../step.ts';
import { choosePrototyped } from './choosing.ts';
import { halveCandidates } from './halving.ts';

export const halveCandidatesStep: StepDefinition<HalveCandidatesInput, HalvedCandidates> = {
  type: 'selection.halve',
  version: 3,
  run: (input) => Promise.resolve(input).then(halveCandidates),
};

export const chooseCandidate: StepDefinition<ChooseCandidateInput, ChosenCandidate> = {
  type: 'selection.choose',
  version: 7,
  run: (input) => Promise.resolve(input).then(choosePrototyped),
};
