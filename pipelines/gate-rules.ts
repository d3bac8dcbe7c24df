/** What thresholds are possible at all. No I/O: the run's own validator checks a changed threshold by the same rule. */
import type { z } from 'zod';
import type { Problem } from './check.ts';
import { GatesSchema } from './definition/gates.ts';
import { RetrievalGatesSchema } from './definition/retrieval.ts';
import { GATE_NAMES, GATE_TABLE, type GateRow } from './gate-table.ts';
import { RETRIEVAL_GATE_NAMES, RETRIEVAL_GATE_TABLE } from './retrieval-gate-table.ts';

/** Thresholds outside of what their measure can be; of a task whose gates have a table of their own by that one. */
export function gateProblems(gates: unknown, task?: unknown): readonly Problem[] {
  return task === 'image-retrieval'
    ? outOfRange(gates, RETRIEVAL_GATE_NAMES, RETRIEVAL_GATE_TABLE, RetrievalGatesSchema.shape)
    : outOfRange(gates, GATE_NAMES, GATE_TABLE, GatesSchema.shape);
}

function outOfRange<Name extends string>(
  gates: unknown,
  names: readonly Name[],
  table: Readonly<Record<Name, Pick<GateRow, 'range'>>>,
  shape: Readonly<Record<Name, z.ZodType>>,
): readonly Problem[] {
  if (typeof gates !== 'object' || gates === null) return [];
  return names.flatMap((name): readonly Problem[] => {
    const [low, high] = table[name].range;
    const gate = shape[name];
    const parsed = gate.safeParse((gates as Record<string, unknown>)[name]);
    if (!parsed.success) return [];
    const [bound, threshold] =
      Object.entries(parsed.data as Record<string, unknown>).find(([key]) => key !== 'severity') ?? [];
    if (typeof threshold !== 'number' || (threshold >= low && threshold <= high)) return [];
    const range = high === Number.MAX_VALUE ? `not below ${low}` : `from ${low} to ${high}`;
    return [
      {
        path: `gates.${name}.${bound}`,
        message: `is ${threshold}, but what it bounds lies ${range}`,
        fix: 'shares are written 0–1, not in percent',
      },
    ];
  });
}
