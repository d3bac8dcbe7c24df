import { z } from 'zod';
import { GENERATION_GATE_TABLE, type GenerationGateName } from '../gates/generation.ts';
import { atLeast, atMost } from './gates.ts';

type Shape = {
  [Name in GenerationGateName]: (typeof GENERATION_GATE_TABLE)[Name]['direction'] extends 'min'
    ? ReturnType<typeof atLeast>
    : ReturnType<typeof atMost>;
};

/** One entry a gate of the table (docs/generation.md). `min`/`max` bound the measure; `off` records it only. */
export const GenerationGatesSchema = z.strictObject(
  Object.fromEntries(
    Object.entries(GENERATION_GATE_TABLE).map(([name, row]) => [
      name,
      row.direction === 'min' ? atLeast(row) : atMost(row),
    ]),
  ) as Shape,
);
export type GenerationGatesSpec = z.output<typeof GenerationGatesSchema>;
