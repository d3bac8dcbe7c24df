/** Step `retrieval.gates`: the pure rule that judges every gate. A failed gate is a verdict, not an error. */
import { RETRIEVAL_GATE_NAMES, RETRIEVAL_GATE_TABLE } from '../../pipelines/retrieval-gate-table.ts';
import type { Score } from '../contract/measures.ts';
import type { JudgeRetrievalInput } from '../contract/retrieval.ts';
import type { GatesVerdict } from '../contract/validation.ts';
import type { StepDefinition } from '../step.ts';
import { judgeBehaviour } from '../validation/behaviour-gates.ts';
import { keepsVerdict, withCustomGates } from '../validation/custom-gates/judge.ts';
import { judgeGate, worstOf } from '../validation/gates.ts';
import { NO_SCORE } from '../validation/scores.ts';

export const judgeRetrieval: StepDefinition<JudgeRetrievalInput, GatesVerdict> = {
  type: 'retrieval.gates',
  version: 2,
  keeps: keepsVerdict,
  run: (input, context) => withCustomGates(retrievalVerdict(input), input.custom, context),
};

/** Of the model by itself: what it is beside the one in production another step says. */
export function retrievalVerdict({ measures, gates: limits, behaviour }: JudgeRetrievalInput): GatesVerdict {
  const measured: Readonly<Partial<Record<string, Score>>> = measures;
  const ofTable = RETRIEVAL_GATE_NAMES.filter((name) => RETRIEVAL_GATE_TABLE[name].step === 'evaluate').map((name) =>
    judgeGate(name, RETRIEVAL_GATE_TABLE[name], measured[name] ?? NO_SCORE, limits[name]),
  );
  const gates = [...ofTable, ...(behaviour === undefined ? [] : judgeBehaviour(behaviour.gates, behaviour.measured))];
  return { verdict: worstOf(gates), gates };
}
