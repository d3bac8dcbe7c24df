/** Step `generation.gates`: the pure rule that judges every gate. A failed gate is a verdict, not an error. */
import type { GenerationGatesSpec } from '../../pipelines/definition/generation-gates.ts';
import { GENERATION_GATE_NAMES, GENERATION_GATE_TABLE } from '../../pipelines/generation-gate-table.ts';
import type { JudgeGenerationInput } from '../contract/prompting.ts';
import type { GateResult, GatesVerdict } from '../contract/validation.ts';
import { judgeMemorisation } from '../privacy/memorisation/gates.ts';
import type { StepDefinition } from '../step.ts';
import { judgeBehaviour } from '../validation/behaviour-gates.ts';
import { keepsVerdict, withCustomGates } from '../validation/custom-gates/judge.ts';
import { withExamples } from '../validation/gate-examples.ts';
import { judgeGate, worstOf } from '../validation/gates.ts';
import { NO_SCORE } from '../validation/scores.ts';

export const judgeGeneration: StepDefinition<JudgeGenerationInput, GatesVerdict> = {
  type: 'generation.gates',
  version: 9,
  keeps: keepsVerdict,
  run: (input, context) => withCustomGates(generationVerdict(input), input.custom, context),
};

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
    const limit = known[name];
    // A run that began before there was the gate has no limit of it.
    if (limit === undefined) return [];
    return [withWayOut(judgeGate(name, GENERATION_GATE_TABLE[name], measures[name] ?? NO_SCORE, limit))];
  });
  const learnt = memorisation === null ? [] : judgeMemorisation(memorisation, memorisationGates).gates;
  const tables = behaviour === undefined ? [] : judgeBehaviour(behaviour.gates, behaviour.measured);
  const gates = withExamples<string>([...own, ...learnt, ...tables], evidence, behaviour?.measured);
  return { verdict: worstOf(gates), gates };
}
