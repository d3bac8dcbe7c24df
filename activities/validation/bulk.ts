/** What of an evaluation a step's result can hold, which is kept in a history and carried to every report. */
import type { Diagnosis, Evaluation } from '../contract/validation.ts';

/** 10,000 cells. */
const MAX_LABELS_OF_MATRIX = 100;
const MAX_LABELS_LISTED = 500;

/**
 * The same without a matrix that nobody can read and without words of people's texts, and with the labels that go worst
 * where there are very many. All of it is in the `details` artifact.
 */
export function withoutBulk<Some extends Pick<Evaluation, 'perLabel' | 'confusion' | 'diagnosis'>>(
  evaluation: Some,
): Some {
  const { perLabel, confusion, diagnosis } = evaluation;
  const worstFirst = perLabel.toSorted((a, b) => (a.f1 ?? 2) - (b.f1 ?? 2)); // one that does not occur is not bad
  const worst = new Set(worstFirst.slice(0, MAX_LABELS_LISTED));
  return {
    ...evaluation,
    perLabel: perLabel.filter((row) => worst.has(row)),
    confusion: perLabel.length > MAX_LABELS_OF_MATRIX ? [] : confusion,
    ...(diagnosis?.swaps === undefined
      ? {}
      : { diagnosis: { ...diagnosis, swaps: diagnosis.swaps.map(withoutWords) } }),
  };
}

type Swapped = NonNullable<Diagnosis['swaps']>[number];

/** Whose name or religion stands in which row is nothing for a history. */
function withoutWords(group: Swapped): Swapped {
  const { examples: _, ...counts } = group;
  return counts;
}
