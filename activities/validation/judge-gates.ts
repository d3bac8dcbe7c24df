import type { GatesVerdict, JudgeGatesInput } from '../contract/validation.ts';
import type { StepDefinition } from '../step.ts';
import { judgeGates } from './gates.ts';

/** Step `validation.gates`: the pure rule of gates.ts on the evaluation's measures. A failed gate is a verdict, not an error. */
export const judgeGatesStep: StepDefinition<JudgeGatesInput, GatesVerdict> = {
  type: 'validation.gates',
  version: 2,
  run: async ({ measures, gates, method }) => judgeGates(measures, gates, method),
};
