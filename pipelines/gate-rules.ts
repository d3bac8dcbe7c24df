/** What thresholds are possible at all. No I/O: the run's own validator checks a changed threshold by the same rule. */
import type { z } from 'zod';
import type { Problem } from './check.ts';
import { GatesSchema } from './definition/gates.ts';
import type { GateName } from './definition.ts';

/** What a gate's measure can be: a threshold outside would always pass or never. */
const GATE_RANGES: Readonly<Record<GateName, readonly [low: number, high: number]>> = {
  accuracy: [0, 1],
  macroF1: [0, 1],
  worstLabelF1: [0, 1],
  gainOverProbe: [-1, 1],
  trainValidationGap: [-1, 1],
  latencyP95Ms: [0, Number.MAX_VALUE],
  sizeMb: [0, Number.MAX_VALUE],
  edgeInputs: [0, 1],
  flipRate: [0, 1],
  exportParity: [0, 1],
};

/** Thresholds outside of what their measure can be. */
export function gateProblems(gates: unknown): readonly Problem[] {
  if (typeof gates !== 'object' || gates === null) return [];
  return Object.entries(GATE_RANGES).flatMap(([name, [low, high]]): readonly Problem[] => {
    const gate: z.ZodType = GatesSchema.shape[name as GateName];
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
