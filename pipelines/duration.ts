/** Durations as definitions write them. */
const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

/** '30s' | '15m' | '6h' | '7d' (checked by the definition's schema) in seconds. */
export function durationSeconds(duration: string): number {
  return Number(duration.slice(0, -1)) * SECONDS[duration.slice(-1) as keyof typeof SECONDS];
}
