/** What attacks cost a classifier, from its answers picture by picture. Pure. */
import { z } from 'zod';
import type { AttackMeasures } from '../contract/validation.ts';
import { shareScore } from './scores.ts';

/** Labels: the true one, and those predicted without an attack and under each. */
export const AttackedSchema = z.object({
  label: z.string(),
  clean: z.string(),
  fgsm: z.string(),
  pgd: z.string(),
  /** Whether any pixel changes the loss. */
  gradient: z.boolean(),
});
export type Attacked = z.output<typeof AttackedSchema>;

/**
 * Of the pictures that are rightly answered without an attack: an answer that was wrong before is nothing that an attack can
 * take. One whose loss no pixel changes was not attacked at all and counts as lost: gradients that vanish hide an attack's way
 * and do not bar it (Athalye, Carlini and Wagner, ICML 2018). Where no answer is right there is no share, and the gate fails.
 */
export function measureAttack(
  rows: readonly Attacked[],
): Pick<AttackMeasures, 'measures' | 'accuracy' | 'withoutGradient'> {
  const right = rows.filter(({ label, clean }) => clean === label);
  const attacked = right.filter(({ gradient }) => gradient);
  const stands = (under: 'fgsm' | 'pgd') =>
    shareScore(attacked.filter((row) => row[under] === row.label).length, right.length);
  return {
    measures: { fgsmRobustness: stands('fgsm'), pgdRobustness: stands('pgd') },
    accuracy: shareScore(right.length, rows.length),
    withoutGradient: right.length - attacked.length,
  };
}
