import type { StepDefinition } from '../../step.ts';
import { judgeMemorisation } from './gates.ts';
import type { JudgeMemorisationInput, MemorisationVerdict } from './types.ts';

/** Step `privacy.judge-memorisation`: the pure rule of gates.ts. A failed gate is a verdict, not an error. */
export const judgeMemorisationStep: StepDefinition<JudgeMemorisationInput, MemorisationVerdict> = {
  type: 'privacy.judge-memorisation',
  version: 2,
  run: async ({ measures, gates }) => judgeMemorisation(measures, gates),
};
