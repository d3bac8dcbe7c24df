/** Step `generation.gates`: the pure rule that judges every gate. A failed gate is a verdict, not an error. */
import type { GenerationGatesSpec } from '../../pipelines/definition/generation-gates.ts';
import {
  GENERATION_GATE_NAMES,
  GENERATION_GATE_TABLE,
  type GenerationGateRow,
} from '../../pipelines/gates/generation.ts';
import { presentLimit } from '../../pipelines/gates/row.ts';
import type { JudgeGenerationInput } from '../contract/prompting.ts';
import type { Score } from '../contract/measures.ts';
import type { GateResult, GatesVerdict } from '../contract/validation.ts';
import { judgeMemorisation } from '../privacy/memorisation/gates.ts';
import type { StepDefinition } from '../step.ts';
import { judgeBehaviour } from '../validation/behaviour-gates.ts';
import { keepsVerdict, withCustomGates } from '../validation/custom-gates/judge.ts';
import { withExamples } from '../validation/gate-examples.ts';
import { judgeGate, worstOf } from '../validation/gates.ts';
import { NO_SCORE, notMeasured } from '../validation/scores.ts';

/** The measure of a gate that was off when the evaluation was made. */
export const WAS_OFF: Score = notMeasured('the gate is off, and no answers were made for it');

export const judgeGeneration: StepDefinition<JudgeGenerationInput, GatesVerdict> = {
  type: 'generation.gates',
  version: 11,
  keeps: keepsVerdict,
  run: (input, context) => withCustomGates(generationVerdict(input), input.custom, context),
};

const TURNED_ON_LATE = 'it was off when the evaluation was made, and no answers were made for it: start another run';

/** What was unlearnt is so by the training, and there is a choice about it. */
function withWayOut<Name extends string>(gate: GateResult<Name>): GateResult<Name> {
  if (gate.name !== 'forgetting' || gate.measured === null || !['fail', 'warn'].includes(gate.verdict)) return gate;
  const wayOut =
    "training.method 'lora', a lower training.learningRate or fewer epochs unlearn less, and teach less; where the model " +
    'is to do nothing but this task, let the gate warn';
  return { ...gate, reason: `${gate.reason}; ${wayOut}` };
}

/** What is learnt by heart is judged of a tuned model: a prompted one has seen nothing of the data. */
export function generationVerdict({
  measures,
  gates: limits,
  memorisation,
  memorisationGates,
  behaviour,
  evidence,
}: JudgeGenerationInput): GatesVerdict {
  const known: Partial<GenerationGatesSpec> = limits;
  const own = GENERATION_GATE_NAMES.flatMap((name) => {
    const row: GenerationGateRow = GENERATION_GATE_TABLE[name];
    const named = row.step === 'compare' ? undefined : known[name];
    // A run that began before there was the gate has no limit of it.
    if (named === undefined) return [];
    const limit = presentLimit(row, named);
    const score = measures[name] ?? NO_SCORE;
    // Who turns a gate on after the evaluation is told: what was not asked does not pass.
    const late = score.notApplicable === WAS_OFF.notApplicable && limit.severity !== 'off';
    const gate = withWayOut(judgeGate(name, row, late ? NO_SCORE : score, limit));
    return [late ? { ...gate, reason: `${gate.reason}; ${TURNED_ON_LATE}` } : gate];
  });
  const learnt = memorisation === null ? [] : judgeMemorisation(memorisation, memorisationGates).gates;
  const tables = behaviour === undefined ? [] : judgeBehaviour(behaviour.gates, behaviour.measured);
  const gates = withExamples<string>([...own, ...learnt, ...tables], evidence, behaviour?.measured);
  return { verdict: worstOf(gates), gates };
}
