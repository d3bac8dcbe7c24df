/** Whether some part of the test pictures finds worse than the rest. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { GateExample } from '../contract/examples.ts';
import type { Score } from '../contract/measures.ts';
import type { QueryOutcome, QuerySlice } from '../contract/retrieval.ts';
import { pictureRows, type PictureRow } from '../data/images/pictures.ts';
import type { StepContext } from '../step.ts';
import { exampleOf, MOST_EXAMPLES } from '../validation/gate-examples.ts';
import { rowsAt } from '../validation/seen-pictures.ts';
import { notMeasured } from '../validation/scores.ts';
import { groupSlices, LEAST_SLICE_ROWS, listedSlices, pictureSlices, worstSlice } from '../validation/slices.ts';
import { precisionLost, type RankedPictures } from './precision-lost.ts';

const LISTED = 20;

export interface SlicedQueries {
  readonly score: Score;
  /** Up to 20, the one that is judged first. */
  readonly slices: readonly QuerySlice[];
  /** Pictures of the slice that is judged which the gallery is ranked worst for. */
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
 * By pixels and brightness, a third each, where data preparation saw every picture, and by declared groups. What a slice loses is
 * average precision against all others of the same labels; each interval holds for all slices at once (Bonferroni). A picture finds
 * its label where one of it is among the first k; of ties that reach over k, where that is at least as likely as not. Pure.
 */
export function precisionBySlice(
  outcomes: readonly QueryOutcome[],
  rows: readonly Pick<PictureRow, 'seen' | 'groups'>[],
  { labels, luck }: { readonly labels: readonly string[]; readonly luck: ArrayLike<number> },
): SlicedQueries {
  const seen = rows.flatMap((row) => row.seen ?? []);
  const classes = Int32Array.from(outcomes, ({ label }) => labels.indexOf(label));
  const sides = [
    ...(seen.length === rows.length ? pictureSlices(seen) : []),
    ...groupSlices(rows.map(({ groups }) => groups ?? {})),
  ].flatMap(({ name, rows: members }) => comparable({ name, members, classes }));
  const some = (places: readonly number[]): RankedPictures => ({
    averagePrecision: places.map((place) => outcomes[place]!.averagePrecision),
    classes: Int32Array.from(places, (place) => classes[place]!),
  });
  const confidence = 1 - 0.05 / sides.length;
  const results = sides
    .map(({ name, members, others, kept }) => ({
      name,
      members,
      rows: members.length,
      accuracy: meanOver(members, (place) => Number(outcomes[place]!.recallAtK >= 0.5)),
      averagePrecision: meanOver(members, (place) => outcomes[place]!.averagePrecision),
      gap: precisionLost(some(others), some(kept), { luck, confidence }),
    }))
    .toSorted((a, b) => b.gap.value! - a.gap.value!);
  const worst = worstSlice(results);
  const members = results.find((one) => one === worst)?.members ?? [];
  return {
    score:
      worst?.gap ??
      notMeasured(`no slice has ${LEAST_SLICE_ROWS} pictures beside ${LEAST_SLICE_ROWS} others of the same labels`),
    slices: listedSlices(results, LISTED).map(({ name, rows: count, accuracy, averagePrecision, gap }) => {
      return { name, rows: count, recallAtK: accuracy, averagePrecision, gap };
    }),
    examples: members
      .toSorted((a, b) => outcomes[a]!.averagePrecision - outcomes[b]!.averagePrecision)
      .filter((row) => outcomes[row]!.averagePrecision < 1)
      .slice(0, MOST_EXAMPLES)
      .map((row) => exampleOf(outcomes[row]!.rowId, `${outcomes[row]!.label}; ${worst?.name}`)),
  };
}

interface Sides {
  readonly name: string;
  /** Of the slice: all, and those that others share the label of. */
  readonly members: readonly number[];
  readonly kept: readonly number[];
  readonly others: readonly number[];
}

/** A slice beside all others of its labels; none where either side has too few. */
function comparable({
  name,
  members,
  classes,
}: {
  readonly name: string;
  readonly members: readonly number[];
  readonly classes: Int32Array;
}): readonly Sides[] {
  const inside = new Set(members);
  const rest = [...classes.keys()].filter((place) => !inside.has(place));
  const [here, there] = [members, rest].map((places) => new Set(places.map((place) => classes[place]!)));
  const kept = members.filter((place) => there!.has(classes[place]!));
  const others = rest.filter((place) => here!.has(classes[place]!));
  return Math.min(kept.length, others.length) < LEAST_SLICE_ROWS ? [] : [{ name, members, kept, others }];
}

function meanOver(places: readonly number[], of: (place: number) => number): number {
  return places.reduce((sum, place) => sum + of(place), 0) / places.length;
}
