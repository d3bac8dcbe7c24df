/** Whether some part of the test pictures finds worse than the rest. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { GateExample } from '../contract/examples.ts';
import type { Score } from '../contract/measures.ts';
import type { QueryOutcome, QuerySlice } from '../contract/retrieval.ts';
import { pictureRows, type PictureRow } from '../data/images/pictures.ts';
import type { StepContext } from '../step.ts';
import { exampleOf, MOST_EXAMPLES } from '../validation/gate-examples.ts';
import { rowsAt } from '../validation/seen-pictures.ts';
import { groupSlices, listedSlices, pictureSlices, sliceGaps, worstGap, worstSlice } from '../validation/slices.ts';

const LISTED = 20;

export interface SlicedQueries {
  readonly score: Score;
  /** Up to 20, the one that is judged first. */
  readonly slices: readonly QuerySlice[];
  /** Pictures of the slice that is judged which find nothing of their label. */
  readonly examples: readonly GateExample[];
}

/** What the dataset says of the test pictures that ask, of which `answered` have something to find; `places` as `AskedModel` has them. */
export async function answeredRows(
  dataset: ArtifactRef,
  { places, answered }: { readonly places: readonly number[] | undefined; readonly answered: readonly number[] },
  { store, signal }: Pick<StepContext, 'store' | 'signal'>,
): Promise<readonly PictureRow[]> {
  const wanted = places === undefined ? answered : answered.map((query) => places[query]!);
  return rowsAt(pictureRows(store, dataset, 'test', signal), wanted);
}

/**
 * By pixels and brightness, a third each, where data preparation saw every picture, and by declared groups. A picture finds its
 * label where one of it is among the first k; of ties that reach over k, where that is at least as likely as not. Pure.
 */
export function recallBySlice(
  outcomes: readonly QueryOutcome[],
  rows: readonly Pick<PictureRow, 'seen' | 'groups'>[],
): SlicedQueries {
  const seen = rows.flatMap((row) => row.seen ?? []);
  const slices = [
    ...(seen.length === rows.length ? pictureSlices(seen) : []),
    ...groupSlices(rows.map(({ groups }) => groups ?? {})),
  ];
  const finds = outcomes.map(({ recallAtK }) => recallAtK >= 0.5);
  const gaps = sliceGaps(finds, slices);
  const worst = worstSlice(gaps)?.name;
  const members = slices.find(({ name }) => name === worst)?.rows ?? [];
  return {
    score: worstGap(gaps),
    slices: listedSlices(gaps, LISTED).map(({ name, rows: count, accuracy, gap }) => {
      return { name, rows: count, recallAtK: accuracy, gap };
    }),
    examples: members
      .filter((row) => finds[row] === false)
      .slice(0, MOST_EXAMPLES)
      .map((row) => exampleOf(outcomes[row]!.rowId, `${outcomes[row]!.label}; ${worst}`)),
  };
}
