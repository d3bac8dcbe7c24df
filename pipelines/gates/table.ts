/** The gates of a classifier, one row each, in the order in which they are judged and shown. */
import { DATA_GATES } from './data.ts';
import { DEVICE_GATES } from './device.ts';
import { QUALITY_GATES } from './quality.ts';
import { ROBUSTNESS_GATES } from './robustness.ts';
import type { GateRows } from './row.ts';

export const GATE_TABLE = {
  ...QUALITY_GATES,
  ...DATA_GATES,
  ...ROBUSTNESS_GATES,
  ...DEVICE_GATES,
} as const satisfies GateRows;

export type GateName = keyof typeof GATE_TABLE;
export const GATE_NAMES = Object.keys(GATE_TABLE) as readonly GateName[];
/** Those that judge the tuned model by itself. */
export type EvaluatedGate = {
  [Name in GateName]: (typeof GATE_TABLE)[Name]['step'] extends 'evaluate' ? Name : never;
}[GateName];
/** Of these the gates that have rows to look at. */
export type ExampledGate = {
  [Name in EvaluatedGate]: (typeof GATE_TABLE)[Name]['examples'] extends { readonly rows: string } ? Name : never;
}[EvaluatedGate];
