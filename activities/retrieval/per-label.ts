/** Who is served badly: figures by label, and the queries that find nothing. Pure. */
import type { Score } from '../contract/measures.ts';
import type { LabelFindings, QueryOutcome, RetrievalEvaluation } from '../contract/retrieval.ts';
import type { AnsweredPictures } from '../selection/embed-pictures.ts';
import { notMeasured } from '../validation/scores.ts';
import type { Asked } from './ask-index.ts';

/** Of fewer the mean is chance. */
const LEAST_QUERIES = 10;
const MISSES = 20;

/** Of the queries that there is something to find for, as `asked.answered` has them. */
export function outcomeRows(
  { ids, classes }: Pick<AnsweredPictures, 'ids' | 'classes'>,
  labels: readonly string[],
  asked: Asked,
): readonly QueryOutcome[] {
  return asked.answered.map((place) => ({
    rowId: ids[place]!,
    label: labels[classes[place]!]!,
    recallAtK: asked.recallAtK[place]!,
    precisionAtK: asked.precisionAtK[place]!,
    averagePrecision: asked.averagePrecision[place]!,
  }));
}

/** In label order. */
export function perLabelOf(outcomes: readonly QueryOutcome[], labels: readonly string[]): readonly LabelFindings[] {
  const byLabel = new Map(labels.map((label) => [label, [] as QueryOutcome[]]));
  for (const outcome of outcomes) byLabel.get(outcome.label)?.push(outcome);
  return labels.map((label) => {
    const own = byLabel.get(label) ?? [];
    const mean = (of: (one: QueryOutcome) => number): number | null =>
      own.length === 0 ? null : own.reduce((sum, one) => sum + of(one), 0) / own.length;
    return {
      label,
      queries: own.length,
      recallAtK: mean((one) => one.recallAtK),
      averagePrecision: mean((one) => one.averagePrecision),
    };
  });
}

/** The one with the lowest mAP of the labels that are asked for often enough. */
export function worstLabel(perLabel: readonly LabelFindings[]): LabelFindings | undefined {
  return perLabel
    .filter(({ queries }) => queries >= LEAST_QUERIES)
    .toSorted((a, b) => (a.averagePrecision ?? 0) - (b.averagePrecision ?? 0))[0];
}

export function worstLabelScore(perLabel: readonly LabelFindings[]): Score {
  const worst = worstLabel(perLabel);
  if (worst === undefined) {
    return notMeasured(`no label has ${LEAST_QUERIES} test pictures to find something for`);
  }
  return { value: worst.averagePrecision, interval: null, rows: worst.queries };
}

/** The surest of what is wrong. */
export function missesOf(
  outcomes: readonly QueryOutcome[],
  { answered, found }: Pick<Asked, 'answered' | 'found'>,
): RetrievalEvaluation['misses'] {
  return outcomes
    .flatMap(({ rowId, label, recallAtK }, row) => {
      const first = found[answered[row]!]?.[0];
      if (recallAtK > 0 || first === undefined) return [];
      return [{ rowId, expected: label, found: first.label, similarity: first.similarity }];
    })
    .toSorted((a, b) => b.similarity - a.similarity)
    .slice(0, MISSES);
}
