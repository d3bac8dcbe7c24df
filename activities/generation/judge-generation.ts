/** Step `generation.gates`: the pure rule that judges every gate. A failed gate is a verdict, not an error. */
import { GENERATION_GATE_NAMES, GENERATION_GATE_TABLE } from '../../pipelines/generation-gate-table.ts';
import type { JudgeGenerationInput } from '../contract/prompting.ts';
import type { GatesVerdict } from '../contract/validation.ts';
import { judgeMemorisation } from '../privacy/memorisation/gates.ts';
import type { StepDefinition } from '../step.ts';
import { judgeGate, worstOf } from '../validation/gates.ts';
import { NO_SCORE } from '../validation/scores.ts';

export const judgeGeneration: StepDefinition<JudgeGenerationInput, GatesVerdict> = {
  type: 'generation.gates',
  version: 2,
  run: (input) => Promise.resolve(generationVerdict(input)),
};

/** What is learnt by heart is judged of a tuned model: a prompted one has seen nothing of the data. */
export function generationVerdict({
  measures,
  gates: limits,
  memorisation,
  memorisationGates,
}: JudgeGenerationInput): GatesVerdict {
  const own = GENERATION_GATE_NAMES.map((name) =>
    judgeGate(name, GENERATION_GATE_TABLE[name], measures[name] ?? NO_SCORE, limits[name]),
  );
  const learnt = memorisation === null ? [] : judgeMemorisation(memorisation, memorisationGates).gates;
  const gates = [...own, ...learnt];
  return { verdict: worstOf(gates), gates };
}
