/** Step `retrieval.gates`: the pure rule that judges every gate. A failed gate is a verdict, not an error. */
import { RETRIEVAL_GATE_NAMES, RETRIEVAL_GATE_TABLE } from '../../pipelines/gates/retrieval.ts';
import type { Score } from '../contract/measures.ts';
import type { JudgeRetrievalInput } from '../contract/retrieval.ts';
import type { GatesVerdict } from '../contract/validation.ts';
import type { StepDefinition } from '../step.ts';
import { judgeBehaviour } from '../validation/behaviour-gates.ts';
import { keepsVerdict, withCustomGates } from '../validation/custom-gates/judge.ts';
import { withExamples } from '../validation/gate-examples.ts';
import { judgeGate, NOT_ATTACKED, worstOf } from '../validation/gates.ts';
import { NO_SCORE } from '../validation/scores.ts';
import { withSmallestSeen } from './smallest-seen.ts';

export const judgeRetrieval: StepDefinition<JudgeRetrievalInput, GatesVerdict> = {
  type: 'retrieval.gates',
  version: 8,
  keeps: keepsVerdict,
  run: (input, context) => withCustomGates(retrievalVerdict(input), input.custom, context),
};

/** Of the model by itself: what it is beside the one in production another step says. */
export function retrievalVerdict({ measures, gates: limits, behaviour, evidence }: JudgeRetrievalInput): GatesVerdict {
  const measured: Readonly<Partial<Record<string, Score>>> = measures;
  const ofTable = RETRIEVAL_GATE_NAMES.filter((name) => RETRIEVAL_GATE_TABLE[name].step !== 'compare').flatMap(
    (name) => {
      const limit: JudgeRetrievalInput['gates'][typeof name] | undefined = limits[name];
      // A run that began before there was the gate has no limit for it.
      if (limit === undefined) return [];
      const unasked = RETRIEVAL_GATE_TABLE[name].step === 'attack' && limit.severity === 'off';
      const missing = unasked ? NOT_ATTACKED : NO_SCORE;
      const score = measured[name] ?? missing;
      return [withSmallestSeen(judgeGate(name, RETRIEVAL_GATE_TABLE[name], score, limit), score)];
    },
  );
  const tables = behaviour === undefined ? [] : judgeBehaviour(behaviour.gates, behaviour.measured);
  const gates = withExamples<string>([...ofTable, ...tables], evidence, behaviour?.measured);
  return { verdict: worstOf(gates), gates };
}
