/** What attacks cost a classifier, from its answers picture by picture. Pure. */
import { z } from 'zod';
import type { ExampleIds } from '../contract/examples.ts';
import type { AttackMeasures, SquareAttackMeasures } from '../contract/validation.ts';
import { MOST_EXAMPLES } from './gate-examples.ts';
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

/** Pictures whose right answer is lost, up to five of each attack; as measureAttack counts, so that a gate shows what it is about. */
export function lostPictures(rows: readonly (Attacked & { readonly rowId: string })[]): ExampleIds {
  const lost = (under: 'fgsm' | 'pgd'): readonly string[] =>
    rows
      .filter((row) => row.clean === row.label && (!row.gradient || row[under] !== row.label))
      .slice(0, MOST_EXAMPLES)
      .map(({ rowId }) => rowId);
  return { fgsmRobustness: lost('fgsm'), pgdRobustness: lost('pgd') };
}

/** One picture under the square attack. */
export interface Searched {
  readonly rowId: string;
  /** Whether it is answered rightly as it is. */
  readonly right: boolean;
  /** Of a right one: whether a picture within ε was found that is not. */
  readonly lost: boolean;
  /** Pictures that were tried in its place. */
  readonly queries: number;
}

/** Of the pictures that are rightly answered as they are; how many questions it took to lose the others, at the median. */
export function measureSquares(
  rows: readonly Searched[],
): Pick<SquareAttackMeasures, 'measures' | 'accuracy' | 'queriesToLose' | 'examples'> {
  const right = rows.filter((row) => row.right);
  const lost = right.filter((row) => row.lost).toSorted((a, b) => a.queries - b.queries);
  return {
    measures: { squareRobustness: shareScore(right.length - lost.length, right.length) },
    accuracy: shareScore(right.length, rows.length),
    queriesToLose: lost[Math.floor((lost.length - 1) / 2)]?.queries ?? null,
    examples: { squareRobustness: lost.slice(0, MOST_EXAMPLES).map(({ rowId }) => rowId) },
  };
}
