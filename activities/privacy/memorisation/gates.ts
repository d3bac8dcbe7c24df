/** The gates of a generative model's memory, judged as all gates are: by the interval's worse end; a missing number fails. Pure. */
import {
  MEMORISATION_GATE_NAMES,
  type MemorisationGateName,
  type MemorisationGatesSpec,
} from '../../../pipelines/memorisation.ts';
import type { Score } from '../../contract/measures.ts';
import { judgeGate, worstOf, type GateDefinition } from '../../validation/gates.ts';
import type { MemorisationVerdict } from './types.ts';

export const MEMORISATION_GATES: Readonly<Record<MemorisationGateName, GateDefinition>> = {
  canaryExposure: {
    direction: 'max',
    judged: 'interval',
    unit: 'bits',
    meaning:
      'How far the most exposed secret of the training data is ahead of secrets of its make that were never seen.',
  },
  membershipAuc: {
    direction: 'max',
    judged: 'interval',
    unit: 'share',
    meaning:
      "Chance that a training text's loss is below a held-out text's: 0.5 where the model does not tell them apart.",
  },
  verbatimOverlap: {
    direction: 'max',
    judged: 'interval',
    unit: 'share',
    meaning:
      'Share of what the model writes that stands word for word in the training texts, and not in held-out ones.',
  },
};

export function judgeMemorisation(
  measures: Readonly<Partial<Record<MemorisationGateName, Score | null>>>,
  spec: MemorisationGatesSpec,
): MemorisationVerdict {
  const gates = MEMORISATION_GATE_NAMES.map((name) =>
    judgeGate(name, MEMORISATION_GATES[name], measures[name] ?? MISSING, spec[name]),
  );
  return { verdict: worstOf(gates), gates };
}

const MISSING: Score = { value: null, interval: null, rows: 0 };
