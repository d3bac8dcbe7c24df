/** Durations as definitions write them. */
import { z } from 'zod';

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
const MAX_DAYS = 365;

const FORM = "write a duration like '30s', '15m', '6h' or '7d'";

/** A timer of the orchestrator holds no more than some decades, and nobody waits for years on purpose. */
export const duration = z
  .string({ error: FORM })
  .regex(/^[1-9][0-9]*(s|m|h|d)$/, { error: FORM, abort: true })
  .refine(
    (text) => durationSeconds(text) <= durationSeconds(`${MAX_DAYS}d`),
    `is longer than a year: write at most '${MAX_DAYS}d'`,
  );

/** '30s' | '15m' | '6h' | '7d' (checked by the definition's schema) in seconds. */
export function durationSeconds(duration: string): number {
  return Number(duration.slice(0, -1)) * SECONDS[duration.slice(-1) as keyof typeof SECONDS];
}
