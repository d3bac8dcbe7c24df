/** Student's t. Pure. */
import { normalQuantile } from './statistics.ts';

const STEPS = 2000;
/** From here on the first term of its expansion about the normal quantile is exact to a thousandth. */
const NEARLY_NORMAL = 100;

/**
 * Inverse of the distribution function of Student's t with `freedom` ≥ 1 degrees of freedom, whole or not. With
 * t = √freedom · tan θ its density in θ is proportional to cos^(freedom − 1) θ, which is summed up by trapezoids: exact to
 * a thousandth of the value where the probability is within 0.001 and 0.999.
 */
export function studentQuantile(probability: number, freedom: number): number {
  if (probability < 0.5) return -studentQuantile(1 - probability, freedom);
  const z = normalQuantile(probability);
  if (freedom >= NEARLY_NORMAL) return z + (z ** 3 + z) / (4 * freedom);
  const width = Math.PI / 2 / STEPS;
  const density = (step: number): number => Math.cos(step * width) ** (freedom - 1);
  const areas = Float64Array.from({ length: STEPS }, (_, step) => (density(step) + density(step + 1)) / 2);
  const wanted = (2 * probability - 1) * areas.reduce((sum, area) => sum + area, 0);
  let step = 0;
  let sum = 0;
  for (; step < STEPS - 1 && sum + areas[step]! < wanted; step++) sum += areas[step]!;
  return Math.sqrt(freedom) * Math.tan((step + (wanted - sum) / areas[step]!) * width);
}
