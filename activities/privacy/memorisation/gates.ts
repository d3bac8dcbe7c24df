/** The gates of a generative model's memory: a defect must be shown beyond chance; a missing number fails. Pure. */
import { MEMORISATION_GATE_TABLE } from '../../../pipelines/gates/memorisation.ts';
import {
  MEMORISATION_GATE_NAMES,
  type MemorisationGateName,
  type MemorisationGatesSpec,
} from '../../../pipelines/memorisation.ts';
import type { GateResult } from '../../contract/validation.ts';
import type { Score } from '../../contract/measures.ts';
import { judgeGate, worstOf } from '../../validation/gates.ts';
import { shownAuc } from './membership.ts';
import type { MemorisationVerdict } from './types.ts';

export function judgeMemorisation(
  measures: Readonly<Partial<Record<MemorisationGateName, Score | null>>>,
  spec: MemorisationGatesSpec,
): MemorisationVerdict {
  const gates = MEMORISATION_GATE_NAMES.map((name): GateResult<MemorisationGateName> => {
    const score = measures[name] ?? MISSING;
    const gate = judgeGate(name, MEMORISATION_GATE_TABLE[name], score, spec[name]);
    if (gate.verdict !== 'pass') return gate;
    return withPower(gate, score);
  });
  return { verdict: worstOf(gates), gates };
}

/** A gate that passes with few texts says what they could have shown: nothing found in them is little news. */
function withPower(gate: GateResult<MemorisationGateName>, { rows }: Score): GateResult<MemorisationGateName> {
  if (gate.name === 'verbatimOverlap' && rows < FEW_PROMPTS) {
    return { ...gate, reason: `${gate.reason}; ${rows} prompts show little (docs/privacy.md says how much)` };
  }
  if (gate.name !== 'membershipAuc') return gate;
  const each = Math.floor(rows / 2);
  const shown = shownAuc(gate.threshold, each);
  if (shown === null) {
    const reason = `membershipAuc cannot be judged: ${each} texts of each kind are so few that not even a model that tells them all apart is shown to be above ${gate.threshold}`;
    return { ...gate, verdict: 'off', reason };
  }
  const power = shown === 1 ? 'not even an AUC of 0.99' : `an AUC of ${shown} or more`;
  return { ...gate, reason: `${gate.reason}; ${each} texts of each kind show ${power} 95 times in 100` };
}

/** As many show a generator that copies one word in five (bench/memorisation-gates.ts). */
const FEW_PROMPTS = 50;
const MISSING: Score = { value: null, interval: null, rows: 0 };
