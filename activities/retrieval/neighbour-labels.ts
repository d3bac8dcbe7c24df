/**
 * How many labels of a finder's pictures are wrong, and which: confident learning (Northcutt, Jiang & Chuang, Confident
 * Learning: Estimating Uncertainty in Dataset Labels, JAIR 70, 2021), whose out-of-sample probabilities are here the shares of labels
 * among a picture's nearest ten, itself left out; and which wrong labels would be seen, by planting some. Pure.
 */
import type { GateExample } from '../contract/examples.ts';
import type { PlantedErrors, Score } from '../contract/measures.ts';
import { exampleOf, MOST_EXAMPLES } from '../validation/gate-examples.ts';
import { mislabellings, plantErrors } from '../validation/planted-errors.ts';
import { notMeasured } from '../validation/scores.ts';
import { wilsonInterval } from '../validation/statistics.ts';
import { timeSlice } from '../validation/time-slice.ts';
import type { AroundPictures } from './neighbourhoods.ts';
import { countLabels, mixWeights, NEIGHBOURS, voteAround } from './witnesses.ts';

/** Below it neighbours are no witness: where features hardly tell labels apart, few reach it, and those that do not accuse nobody. */
const WITNESSES = 0.7;
/** Pictures whose neighbours agree; a share of fewer says nothing. */
const LEAST_CONFIDENT = 10;
/**
 * Of wrong labels that are planted, and how often each: a planting asks neighbours that are known already. The second smallest of 39 is
 * what 95 of 100 reach, the eighth what 80 do.
 */
const PLANTED = { shares: [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5], repeats: 39 } as const;

export interface NeighbourLabelErrors {
  readonly score: Score;
  /** Of both sides, the surest first. */
  readonly examples: readonly GateExample[];
}

/** What the pictures are said to be: of the whole gallery, and of the test pictures that are asked. */
interface Labelling {
  readonly gallery: Int32Array;
  readonly test: Int32Array;
}

/**
 * Of the pictures that at least seven of ten neighbours give one label (and no fewer than on average give it to pictures of it) the
 * share whose own label is another: the confident joint's part off its diagonal. Judged is the side for which more of it is shown; both
 * intervals hold at once. Where test pictures have another mix of labels than the gallery, their neighbours are weighted to it
 * (`mixWeights`). Pictures of a label that the gallery has fewer than ten others of are not asked.
 */
export function labelErrorsAround(around: AroundPictures, labels: readonly string[]): NeighbourLabelErrors {
  const told = sidesOf(around, asGiven(around), labels.length);
  const suspected = told.flatMap(({ of, ids, suspicions }) =>
    suspicions.map((one) => ({ ...one, of, id: ids[one.row]! })),
  );
  const examples = suspected
    .toSorted((a, b) => b.margin - a.margin)
    .slice(0, MOST_EXAMPLES)
    .map(({ id, of, given, suggested, share }) => {
      const near = `about ${Math.round(NEIGHBOURS * share)} in ${NEIGHBOURS} of its nearest are ${labels[suggested]!}`;
      return exampleOf(id, `${labels[given]!}; ${near} (of the ${of})`);
    });
  return { score: judgedOf(told), examples };
}

/**
 * Which wrong labels the measure would show here: planted by lot into both sides, and into the test pictures alone. Neighbours stay who
 * they are; what they are called, the mixes and the weights are made anew.
 */
export async function plantedAround(
  around: AroundPictures,
  labels: number,
  { seed, signal }: { readonly seed: number; readonly signal?: AbortSignal },
): Promise<readonly PlantedErrors[]> {
  const given = asGiven(around);
  const [gallery, test] = [mislabellings(given.gallery), mislabellings(given.test)];
  const pause = timeSlice(signal);
  const planting = { ...PLANTED, seed };
  const measured = async (labelling: Labelling): Promise<Score> => {
    await pause();
    return judgedOf(sidesOf(around, labelling, labels));
  };
  return [
    await plantErrors(
      'into gallery and test pictures',
      test.map(
        (wrong, way) => (share, random) =>
          measured({ gallery: gallery[way]!(share, random), test: wrong(share, random) }),
      ),
      { ...planting, stream: 24 },
    ),
    await plantErrors(
      'into test pictures alone',
      test.map((wrong) => (share, random) => measured({ ...given, test: wrong(share, random) })),
      { ...planting, stream: 25 },
    ),
  ];
}

function asGiven({ galleryClasses, test }: AroundPictures): Labelling {
  return { gallery: galleryClasses, test: test.classes };
}

interface Side {
  /** As a report calls them. */
  readonly of: string;
  readonly ids: readonly string[];
  readonly score: Score;
  readonly suspicions: readonly Suspicion[];
}
interface Suspicion {
  /** Among the side's pictures. */
  readonly row: number;
  readonly given: number;
  readonly suggested: number;
  /** Of the suggested label around it. */
  readonly share: number;
  /** That, less the share of the given one. */
  readonly margin: number;
}

function sidesOf({ gallery, test }: AroundPictures, given: Labelling, labels: number): readonly Side[] {
  const inGallery = countLabels(given.gallery, labels);
  const ask = (
    of: string,
    { ids, nearest }: AroundPictures['test'],
    classes: Int32Array,
    weights: Float64Array,
  ): Side => ({
    of,
    ids,
    ...contradicted({ of, nearest, classes, weights, galleryClasses: given.gallery, inGallery }),
  });
  const own = Int32Array.from(gallery.rows, (row) => given.gallery[row]!);
  return [
    // What is around them is mixed as they are.
    ask('gallery pictures', gallery, own, new Float64Array(labels).fill(1)),
    ask('test pictures', test, given.test, mixWeights(given.test, inGallery)),
  ];
}

/** The side for which more is shown; why there is nothing to judge where neither says anything. */
function judgedOf(sides: readonly Side[]): Score {
  const scores = sides.flatMap(({ score }) => (score.value === null ? [] : [score]));
  return scores.toSorted((a, b) => b.interval!.low - a.interval!.low)[0] ?? sides[0]!.score;
}

function contradicted({
  of,
  nearest,
  classes,
  weights,
  galleryClasses,
  inGallery,
}: {
  readonly of: string;
  readonly nearest: readonly Uint32Array[];
  readonly classes: Int32Array;
  readonly weights: Float64Array;
  readonly galleryClasses: Int32Array;
  readonly inGallery: Uint32Array;
}): Pick<Side, 'score' | 'suspicions'> {
  const labels = weights.length;
  const classOf = (row: number): number => galleryClasses[row]!;
  const room = new Float64Array(labels);
  const [sums, counts] = [new Float64Array(labels), new Uint32Array(labels)];
  const votes = [...classes.entries()].flatMap(([row, label]) => {
    if (inGallery[label]! <= NEIGHBOURS) return [];
    const vote = voteAround(nearest[row]!, classOf, weights, { label, room });
    sums[label]! += vote.own;
    counts[label]!++;
    return [{ row, label, ...vote }];
  });
  // What only rounding keeps below is there.
  const known = votes.filter(
    ({ top, share }) => share >= WITNESSES - 1e-9 && counts[top]! > 0 && share >= sums[top]! / counts[top]!,
  );
  if (known.length < LEAST_CONFIDENT) {
    const why = `of ${votes.length} ${of} with ten others of their label only ${known.length} have neighbours that agree on one: labels so hard to tell accuse nobody`;
    return { score: notMeasured(why), suspicions: [] };
  }
  const suspicions = known
    .filter(({ label, top }) => top !== label)
    .map(({ row, label, top, share, own }) => ({ row, given: label, suggested: top, share, margin: share - own }));
  const value = suspicions.length / known.length;
  const interval = wilsonInterval(suspicions.length, known.length, BOTH_SIDES);
  return { score: { value, interval, rows: known.length, of }, suspicions };
}

/** Each of two intervals, so that 95 % hold both. */
const BOTH_SIDES = 0.975;
