import type { GatesVerdict, JudgeGatesInput } from '../contract/validation.ts';
import type { StepDefinition } from '../step.ts';
import { judgeCustomGates, type CustomEvidence } from './custom-gates.ts';
import { judgeGates, worstOf } from './gates.ts';

/** Step `validation.gates`: the pure rule of gates.ts on the evaluation's measures. A failed gate is a verdict, not an error. */
export const judgeGatesStep: StepDefinition<JudgeGatesInput, GatesVerdict> = {
  type: 'validation.gates',
  version: 3,
  // Another module of gates is another verdict.
  environment: ({ custom }, { customGates }) =>
    Promise.resolve(custom === undefined ? null : { gates: customGates?.digest ?? null }),
  async run({ measures, gates, method, custom }, { store, customGates }) {
    const judged = judgeGates(measures, gates, method);
    if (custom === undefined) return judged;
    const evidence = await store.getJson<CustomEvidence>(custom.details);
    const all = [...judged.gates, ...(await judgeCustomGates(customGates, custom.gates, evidence))];
    return { verdict: worstOf(all), gates: all };
  },
};
