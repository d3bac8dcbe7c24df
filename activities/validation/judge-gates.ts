import type { GatesVerdict, JudgeGatesInput } from '../contract/validation.ts';
import type { StepDefinition } from '../step.ts';
import { judgeBehaviour } from './behaviour-gates.ts';
import { keepsVerdict, withCustomGates } from './custom-gates/judge.ts';
import { withExamples } from './gate-examples.ts';
import { judgeGates, worstOf } from './gates.ts';

/** Step `validation.gates`: the pure rule of gates.ts on the evaluation's measures. A failed gate is a verdict, not an error. */
export const judgeGatesStep: StepDefinition<JudgeGatesInput, GatesVerdict> = {
  type: 'validation.gates',
  version: 8,
  keeps: keepsVerdict,
  run({ measures, gates, method, behaviour, custom, evidence }, context) {
    const judged = judgeGates(measures, gates, method).gates;
    const tables = behaviour === undefined ? [] : judgeBehaviour(behaviour.gates, behaviour.measured);
    const all = withExamples([...judged, ...tables], evidence, behaviour?.measured);
    return withCustomGates({ verdict: worstOf(all), gates: all }, custom, context);
  },
};
