import type { GatesVerdict, JudgeGatesInput } from '../contract/validation.ts';
import type { StepDefinition } from '../step.ts';
import { judgeBehaviour } from './behaviour-gates.ts';
import { judgeCustomGates, type CustomEvidence } from './custom-gates.ts';
import { judgeGates, worstOf } from './gates.ts';

/** Step `validation.gates`: the pure rule of gates.ts on the evaluation's measures. A failed gate is a verdict, not an error. */
export const judgeGatesStep: StepDefinition<JudgeGatesInput, GatesVerdict> = {
  type: 'validation.gates',
  version: 3,
  // Another module of gates is another verdict.
  environment: ({ custom }, { customGates }) =>
    Promise.resolve(custom === undefined ? null : { gates: customGates?.digest ?? null }),
  async run({ measures, gates, method, behaviour, custom }, { store, customGates }) {
    const judged = judgeGates(measures, gates, method);
    if (custom === undefined && behaviour === undefined) return judged;
    const tables = behaviour === undefined ? [] : judgeBehaviour(behaviour.gates, behaviour.measured);
    const own = custom === undefined ? [] : await ofModule(custom);
    const all = [...judged.gates, ...tables, ...own];
    return { verdict: worstOf(all), gates: all };

    async function ofModule({ gates: asked, details }: NonNullable<typeof custom>) {
      return judgeCustomGates(customGates, asked, await store.getJson<CustomEvidence>(details));
    }
  },
};
