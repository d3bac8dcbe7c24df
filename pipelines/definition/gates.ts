import { z } from 'zod';

const severity = (by: 'fail' | 'warn') => z.enum(['fail', 'warn', 'off']).default(by);
const atLeast = (min: number, by: 'fail' | 'warn' = 'fail') =>
  z.strictObject({ min: z.number().default(min), severity: severity(by) }).prefault({});
const atMost = (max: number, by: 'fail' | 'warn' = 'fail') =>
  z.strictObject({ max: z.number().default(max), severity: severity(by) }).prefault({});

/** One entry a gate (activities/validation/gates.ts has what each measures). `min`/`max` bound the measure; `off` records it only. */
export const GatesSchema = z.strictObject({
  /** Test accuracy; judged on the lower end of its 95 % interval. */
  accuracy: atLeast(0.8),
  macroF1: atLeast(0.75),
  /** Worst label's F1. */
  worstLabelF1: atLeast(0.5, 'warn'),
  /**
   * Tuned minus frozen probe, paired on the test rows; judged on the lower end: by default tuning must beat the probe
   * beyond chance. With few test rows that cannot be shown; a small negative `min` then rules out a real loss.
   */
  gainOverProbe: atLeast(0),
  /** Training accuracy minus validation accuracy. */
  trainValidationGap: atMost(0.15),
  latencyP95Ms: atMost(100),
  sizeMb: atMost(500),
  /** Share of edge inputs (empty, very long, emoji, other scripts, control characters…) answered with finite probabilities. */
  edgeInputs: atLeast(1),
  /** Share of test rows whose label changes under harmless edits (case, white space, punctuation). */
  flipRate: atMost(0.1, 'warn'),
  /** Largest |Δ probability| between PyTorch and onnxruntime. */
  exportParity: atMost(1e-3),
});
