import { z } from 'zod';
import { GATE_TABLE, type GateName, type GateRow } from '../gate-table.ts';

const severity = (by: 'fail' | 'warn') => z.enum(['fail', 'warn', 'off']).default(by);
const atLeast = ({ threshold, severity: by }: GateRow) =>
  z.strictObject({ min: z.number().default(threshold), severity: severity(by) }).prefault({});
const atMost = ({ threshold, severity: by }: GateRow) =>
  z.strictObject({ max: z.number().default(threshold), severity: severity(by) }).prefault({});

type Shape = {
  [Name in GateName]: (typeof GATE_TABLE)[Name]['direction'] extends 'min'
    ? ReturnType<typeof atLeast>
    : ReturnType<typeof atMost>;
};

/** One entry a gate of the table (docs/gates.md). `min`/`max` bound the measure; `off` records it only. */
export const GatesSchema = z.strictObject(
  Object.fromEntries(
    Object.entries(GATE_TABLE).map(([name, row]) => [name, row.direction === 'min' ? atLeast(row) : atMost(row)]),
  ) as Shape,
);
