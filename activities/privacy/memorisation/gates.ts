/** The gates of a generative model's memory, judged as all gates are: by the interval's worse end; a missing number fails. Pure. */
import { MEMORISATION_GATE_TABLE } from '../../../pipelines/memorisation-gate-table.ts';
import {
  MEMORISATION_GATE_NAMES,
  type MemorisationGateName,
  type MemorisationGatesSpec,
} from '../../../pipelines/memorisation.ts';
import type { Score } from '../../contract/measures.ts';
import { judgeGate, worstOf } from '../../validation/gates.ts';
import type { MemorisationVerdict } from './types.ts';

export function judgeMemorisation(
  measures: Readonly<Partial<Record<MemorisationGateName, Score | null>>>,
  spec: MemorisationGatesSpec,
): MemorisationVerdict {
  const gates = MEMORISATION_GATE_NAMES.map((name) =>
    judgeGate(name, MEMORISATION_GATE_TABLE[name], measures[name] ?? MISSING, spec[name]),
  );
  return { verdict: worstOf(gates), gates };
}

const MISSING: Score = { value: null, interval: null, rows: 0 };
