/** The gates that hold a classifier against the one in production, with the rows that only production has right. Pure. */
import type { Digest } from '../../artifacts/reference.ts';
import { GATE_TABLE } from '../../pipelines/gates/table.ts';
import type { Score } from '../contract/measures.ts';
import type { ComparedRow, CompareModelsInput, GateResult } from '../contract/validation.ts';
import { withLostRows } from './gate-examples.ts';
import { judgeGate } from './gates.ts';

interface Difference {
  readonly difference: Score;
  /** Which rows show it, the first ones first. */
  readonly lost: readonly Pick<ComparedRow, 'rowId'>[];
}

/** What the run asks for; `details`: where the rows stand. */
export function judgeComparison(
  { gate, macroF1Gate }: Pick<CompareModelsInput, 'gate' | 'macroF1Gate'>,
  details: Digest,
  { accuracy, macroF1 }: { readonly accuracy: Difference; readonly macroF1: Difference },
): { readonly gate?: GateResult; readonly macroF1Gate?: GateResult } {
  const judged = (name: 'gainOverProduction' | 'macroF1OverProduction', limit: typeof gate, of: Difference) =>
    limit === undefined
      ? undefined
      : withLostRows(judgeGate(name, GATE_TABLE[name], of.difference, limit), details, 'rows', of.lost);
  const [own, ofF1] = [
    judged('gainOverProduction', gate, accuracy),
    judged('macroF1OverProduction', macroF1Gate, macroF1),
  ];
  return { ...(own === undefined ? {} : { gate: own }), ...(ofF1 === undefined ? {} : { macroF1Gate: ofF1 }) };
}
