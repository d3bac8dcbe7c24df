/** The pictures that show what the gates of a model that finds pictures mean. Pure. */
import type { ExampledRetrievalGate } from '../../pipelines/gates/retrieval.ts';
import type { GateExample } from '../contract/examples.ts';
import type { LabelFindings, QueryOutcome, RetrievalEvaluation } from '../contract/retrieval.ts';
import type { Evaluation } from '../contract/validation.ts';
import type { AnsweredPictures } from '../selection/embed-pictures.ts';
import { exampleOf, MOST_EXAMPLES } from '../validation/gate-examples.ts';
import { corruptedExamples, edgeExamples } from '../validation/label-examples.ts';
import type { Corrupted } from '../validation/picture-robustness.ts';
import type { TwoSampleTest } from '../validation/shift.ts';
import type { Asked } from './ask-index.ts';
import type { NeighbourLabelErrors } from './neighbour-labels.ts';
import { worstLabel } from './per-label.ts';
import type { QueryFlips } from './query-behaviour.ts';
import type { SlicedQueries } from './query-slices.ts';

type Pictures = Pick<AnsweredPictures, 'ids' | 'classes'>;
/** By query, as the gallery is ranked by something else. */
type Precisions = Float64Array;

interface Found {
  readonly labels: readonly string[];
  readonly queries: Pictures;
  readonly asked: Pick<Asked, 'answered'>;
  readonly outcomes: readonly QueryOutcome[];
  readonly perLabel: readonly LabelFindings[];
  readonly misses: RetrievalEvaluation['misses'];
  readonly pixels: Precisions;
  /** null where nothing was tuned. */
  readonly frozen: Precisions | null;
  readonly shift: Pick<TwoSampleTest, 'surest'>;
  /** Declared pictures from elsewhere; null where there are none. */
  readonly elsewhere: readonly QueryOutcome[] | null;
  readonly corrupted: Pick<Corrupted, 'lost'>;
  readonly flips: Pick<QueryFlips, 'changed'>;
  readonly labelErrors: Pick<NeighbourLabelErrors, 'examples'>;
  readonly sliced: Pick<SlicedQueries, 'examples'>;
  readonly edgeInputs: Evaluation['edgeInputs'];
  readonly galleryIds: readonly string[];
}

export function findingExamples({
  labels,
  queries: { ids, classes },
  asked: { answered },
  outcomes,
  perLabel,
  misses,
  pixels,
  frozen,
  shift,
  elsewhere,
  corrupted,
  edgeInputs,
  flips,
  labelErrors,
  sliced,
  galleryIds,
}: Found): Readonly<Record<ExampledRetrievalGate, readonly GateExample[]>> {
  const worstBy = (rows: readonly QueryOutcome[], figure: Figure): readonly GateExample[] =>
    rows
      .filter((row) => row[figure] < 1)
      .toSorted((a, b) => a[figure] - b[figure])
      .slice(0, MOST_EXAMPLES)
      .map((row) => exampleOf(row.rowId, `${row.label}; ${WORDS[figure]} ${percent(row[figure])}`));
  const behind = (other: Precisions | null, who: string): readonly GateExample[] => {
    if (other === null) return [];
    const losses = outcomes.map(({ averagePrecision }, row) => other[answered[row]!]! - averagePrecision);
    return [...losses.keys()]
      .filter((row) => losses[row]! > 0)
      .toSorted((a, b) => losses[b]! - losses[a]!)
      .slice(0, MOST_EXAMPLES)
      .map((row) => {
        const { rowId, label, averagePrecision } = outcomes[row]!;
        const theirs = percent(averagePrecision + losses[row]!);
        return exampleOf(rowId, `${label}; average precision ${percent(averagePrecision)}, by ${who} ${theirs}`);
      });
  };
  const hasAnswer = new Set(answered);
  const inGallery = new Set(galleryIds);
  const worst = worstLabel(perLabel)?.label;
  const some = (rows: Iterable<number>, note: string): readonly GateExample[] =>
    [...rows].slice(0, MOST_EXAMPLES).map((row) => exampleOf(ids[row]!, `${labels[classes[row]!]!}; ${note}`));
  const all = [...ids.keys()];
  return {
    recallAtK: misses
      .slice(0, MOST_EXAMPLES)
      .map(({ rowId, expected, found }) => exampleOf(rowId, `${expected}; found first: ${found}`)),
    precisionAtK: worstBy(outcomes, 'precisionAtK'),
    meanAveragePrecision: worstBy(outcomes, 'averagePrecision'),
    worstLabelPrecision: worstBy(
      outcomes.filter(({ label }) => label === worst),
      'averagePrecision',
    ),
    gainOverPixels: behind(pixels, 'pixels'),
    gainOverFrozen: behind(frozen, 'the frozen encoder'),
    domainShift: some(shift.surest, 'told from the gallery'),
    shiftedDrop: elsewhere === null ? [] : worstBy(elsewhere, 'averagePrecision'),
    validationTestGap: worstBy(outcomes, 'recallAtK'),
    galleryTestGap: worstBy(outcomes, 'averagePrecision'),
    labelErrors: labelErrors.examples,
    corruptionDrop: corruptedExamples(corrupted),
    edgeInputs: edgeExamples(edgeInputs),
    flipRate: flips.changed.map(({ id, edit }) =>
      exampleOf(id, `the first neighbour is lost to one of another label: ${edit}`),
    ),
    sliceGap: sliced.examples,
    queriesInGallery: some(
      all.filter((row) => inGallery.has(ids[row]!)),
      'in the gallery itself',
    ),
    queriesWithoutRelevant: some(
      all.filter((row) => !hasAnswer.has(row)),
      'the gallery has none of this label',
    ),
  };
}

type Figure = 'recallAtK' | 'precisionAtK' | 'averagePrecision';
const WORDS: Readonly<Record<Figure, string>> = {
  recallAtK: 'recall@k',
  precisionAtK: 'precision@k',
  averagePrecision: 'average precision',
};

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}
