import { z } from 'zod';
import { duration } from '../duration.ts';

export const MonitorSchema = z.strictObject({
  every: duration.default('1h'),
  /** Predictions a check needs; below it the check says so and decides nothing. */
  minRows: z.int().min(30).default(100),
  /** The newest rows that make up a window. */
  windowRows: z.int().min(30).max(100_000).default(500),
  /** Chance that one check on undrifted traffic raises an alarm. */
  falseAlarmRate: z.number().min(0.0001).max(0.2).default(0.01),
  onDrift: z.enum(['report', 'start-run']).default('report'),
});
