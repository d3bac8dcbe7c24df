/** What thresholds are possible at all. No I/O: the run's own validator checks a changed threshold by the same rule. */
import type { z } from 'zod';
import type { Problem } from './check.ts';
import { GatesSchema } from './definition/gates.ts';
import { GATE_NAMES, GATE_TABLE } from './gate-table.ts';

/** Thresholds outside of what their measure can be. */
export function gateProblems(gates: unknown): readonly Problem[] {
  if (typeof gates !== 'object' || gates === null) return [];
  return GATE_NAMES.flatMap((name): readonly Problem[] => {
    const [low, high] = GATE_TABLE[name].range;
    const gate: z.ZodType = GatesSchema.shape[name];
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
