/** The rule that judges tables of behaviour tests. Pure. */
import type { BehaviourSpec } from '../../pipelines/definition/behaviour.ts';
import type { BehaviourResult, GateResult } from '../contract/validation.ts';
import { judgeGate } from './gates.ts';
import { NO_SCORE } from './scores.ts';

/** One result a table that the definition names, in its order; one that was not measured fails. */
export function judgeBehaviour(
  spec: BehaviourSpec,
  measured: readonly BehaviourResult[],
): readonly GateResult<string>[] {
  return Object.entries(spec).map(([name, { min, severity }]) => {
    const found = measured.find((one) => one.name === name);
    const gate = { direction: 'min', judged: 'value', unit: 'share', meaning: name } as const;
    const result = judgeGate(name, gate, found?.score ?? NO_SCORE, { min, severity }, 'behaviour');
    const [first] = found?.failures ?? [];
    if (first === undefined) return result;
    return { ...result, reason: `${result.reason}; ${first.file}:${first.line} ${first.problem}` };
  });
}
