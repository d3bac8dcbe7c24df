/**
 * How many labels of a gallery and of its test pictures are wrong, and which: confident learning (Northcutt, Jiang & Chuang, Confident
 * Learning: Estimating Uncertainty in Dataset Labels, JAIR 70, 2021), whose out-of-sample probabilities are here the shares of labels
 * among a picture's nearest ten, itself left out. Pure.
 */
import type { GateExample } from '../contract/examples.ts';
import type { Score } from '../contract/measures.ts';
import { exampleOf, MOST_EXAMPLES } from '../validation/gate-examples.ts';
import { confidentLabels, offDiagonal } from '../validation/label-quality.ts';
import { notMeasured } from '../validation/scores.ts';
import { wilsonInterval } from '../validation/statistics.ts';
import type { AroundPictures, Neighbourhoods } from './neighbourhoods.ts';
import { NEIGHBOURS } from './witnesses.ts';

/** Below it neighbours are no witness: where features hardly tell labels apart, few reach it, and those that do not accuse nobody. */
const WITNESSES = 0.7;
/** Pictures whose neighbours agree; a share of fewer says nothing. */
const LEAST_CONFIDENT = 10;

/** Neighbourhoods of one kind of pictures. */
export interface Labelled {
  /** As a report calls them. */
  readonly of: string;
  readonly asked: Neighbourhoods;
}

export interface NeighbourLabelErrors {
  readonly score: Score;
  /** Of both sides, the surest first. */
  readonly examples: readonly GateExample[];
}

/**
 * Of the pictures that at least seven of ten neighbours give one label (and no fewer than on average give it to pictures of it) the
 * share whose own label is another: the confident joint's part off its diagonal. Judged is the side for which more of it is shown; both
 * intervals hold at once. Where test pictures have another mix of labels than the gallery, their neighbours are weighted to it
 * (`mixWeights`). Pictures of a label that the gallery has fewer than ten others of are not asked. `inGallery`: pictures of each label.
 */
export function neighbourLabelErrors(
  sides: readonly Labelled[],
  inGallery: Uint32Array,
  labels: readonly string[],
): NeighbourLabelErrors {
  const told = sides.map((side) => accusedOf(side, inGallery, labels));
  const scores = told
    .flatMap(({ score }) => (score.value === null ? [] : [score]))
    .toSorted((a, b) => b.interval!.low - a.interval!.low);
  const examples = told
    .flatMap(({ accused }) => accused)
    .toSorted((a, b) => b.margin - a.margin)
    .slice(0, MOST_EXAMPLES)
    .map(({ example }) => example);
  return { score: scores[0] ?? told[0]!.score, examples };
}

/** Of the gallery's pictures and of the test pictures. */
export function labelErrorsAround(
  { gallery, test, inGallery }: AroundPictures,
  labels: readonly string[],
): NeighbourLabelErrors {
  const sides = [
    { of: 'gallery pictures', asked: gallery },
    { of: 'test pictures', asked: test },
  ];
  return neighbourLabelErrors(sides, inGallery, labels);
}

interface Accused {
  readonly margin: number;
  readonly example: GateExample;
}

function accusedOf(
  { of, asked }: Labelled,
  inGallery: Uint32Array,
  labels: readonly string[],
): { readonly score: Score; readonly accused: readonly Accused[] } {
  const classes = labels.length;
  const rows = [...asked.ids.keys()].filter((row) => inGallery[asked.classes[row]!]! > NEIGHBOURS);
  const given = Int32Array.from(rows, (row) => asked.classes[row]!);
  const shares = new Float64Array(rows.length * classes);
  for (const [at, row] of rows.entries()) {
    shares.set(asked.shares.subarray(row * classes, (row + 1) * classes), at * classes);
  }
  // What only rounding keeps below is there.
  const confident = confidentLabels(shares, given, classes, WITNESSES - 1e-9);
  const known = confident.reduce((count, label) => count + Number(label !== -1), 0);
  if (known < LEAST_CONFIDENT) {
    const why = `of ${rows.length} ${of} with ten others of their label only ${known} have neighbours that agree on one: labels so hard to tell accuse nobody`;
    return { score: notMeasured(why), accused: [] };
  }
  const found = offDiagonal(confident, shares, given, classes);
  const interval = wilsonInterval(found.length, known, BOTH_SIDES);
  return {
    score: { value: found.length / known, interval, rows: known, of },
    accused: found.map(({ row, suggested, margin }) => {
      const share = shares[row * classes + suggested]!;
      const note = `${labels[given[row]!]!}; about ${Math.round(NEIGHBOURS * share)} in ${NEIGHBOURS} of its nearest are ${labels[suggested]!} (of the ${of})`;
      return { margin, example: exampleOf(asked.ids[rows[row]!]!, note) };
    }),
  };
}

/** Each of two intervals, so that 95 % hold both. */
const BOTH_SIDES = 0.975;
