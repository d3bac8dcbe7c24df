import { z } from 'zod';
import { GATE_NAMES, GATE_TABLE, type GateName } from '../gates/table.ts';
import type { GateRow } from '../gates/row.ts';

const severity = (by: 'fail' | 'warn') => z.enum(['fail', 'warn', 'off']).default(by);
type Limit = Pick<GateRow, 'threshold' | 'severity'> & { readonly step?: string };
export const atLeast = (row: Limit) =>
  z.strictObject({ min: z.number().default(row.threshold), severity: severity(row.severity) }).prefault(unnamed(row));
export const atMost = (row: Limit) =>
  z.strictObject({ max: z.number().default(row.threshold), severity: severity(row.severity) }).prefault(unnamed(row));

/** A gate that a definition does not name. An attack takes many passes through the model and back: it is made where it is asked for. */
function unnamed({ step }: Limit): { readonly severity?: 'off' } {
  return step === 'attack' ? { severity: 'off' } : {};
}

type Shape = {
  [Name in GateName]: (typeof GATE_TABLE)[Name]['direction'] extends 'min'
    ? ReturnType<typeof atLeast>
    : ReturnType<typeof atMost>;
};

const shape = Object.fromEntries(
  Object.entries(GATE_TABLE).map(([name, row]) => [name, row.direction === 'min' ? atLeast(row) : atMost(row)]),
) as Shape;

/** One entry a gate of the table (docs/gates.md). `min`/`max` bound the measure; `off` records it only, and of an attack makes none. */
export const GatesSchema = z.strictObject(shape);

/** Gates that can be measured on what a model takes. */
type GateOf<Input extends GateRow['inputs']> = {
  [Name in GateName]: (typeof GATE_TABLE)[Name]['inputs'] extends 'any' | Input ? Name : never;
}[GateName];

function gatesOf<Input extends GateRow['inputs']>(input: Input): Pick<Shape, GateOf<Input>> {
  const names = GATE_NAMES.filter((name) => ['any', input].includes(GATE_TABLE[name].inputs));
  return Object.fromEntries(names.map((name) => [name, shape[name]])) as Pick<Shape, GateOf<Input>>;
}

export const TextGatesSchema = z.strictObject(gatesOf('text'));
/** A gate of words is none of these: whoever sets one is told so. */
export const ImageGatesSchema = z.strictObject(gatesOf('image'));

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
