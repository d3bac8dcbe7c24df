import { z } from 'zod';
import { GATE_TABLE, type GateName, type GateRow } from '../gate-table.ts';

const severity = (by: 'fail' | 'warn') => z.enum(['fail', 'warn', 'off']).default(by);
type Limit = Pick<GateRow, 'threshold' | 'severity'>;
export const atLeast = ({ threshold, severity: by }: Limit) =>
  z.strictObject({ min: z.number().default(threshold), severity: severity(by) }).prefault({});
export const atMost = ({ threshold, severity: by }: Limit) =>
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

const customSeverity = z.enum(['fail', 'warn', 'off']).default('fail');

/**
 * Gates of your own by the name that a module of the workers exports them by (docs/gates.md). Judged on the worse end of the
 * interval where the function gives one, else on its value.
 */
export const CustomGatesSchema = z.record(
  z
    .string()
    .regex(/^[a-z][a-zA-Z0-9]{0,62}$/, 'write a name like ownGate: letters and digits, beginning with a small one'),
  z.union([
    z.strictObject({ min: z.number(), severity: customSeverity }),
    z.strictObject({ max: z.number(), severity: customSeverity }),
  ]),
);
export type CustomGatesSpec = z.output<typeof CustomGatesSchema>;
