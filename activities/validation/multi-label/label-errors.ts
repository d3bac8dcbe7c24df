/**
 * How many labels of training rows of several labels are wrong, and which: confident learning (label-quality.ts) of each label by
 * itself, with it against without it; and which would be seen, by planting some. Pure.
 */
import type { Score } from '../../contract/measures.ts';
import { LEAST_ROWS_PER_LABEL, MOST_CELLS, outOfFold, plantings, rowsOf, suspiciousLabels } from '../label-quality.ts';
import { plantErrors, type PlantedScore } from '../planted-errors.ts';
import { sampleIndices, seededRandom, shuffleStart, type Random } from '../random.ts';
import { notMeasured } from '../scores.ts';
import { creditsOf, type Decisions } from './decisions.ts';
import type { EmbeddedSets } from './label-signal.ts';
import { meanScore } from './scores.ts';

export interface SetErrors {
  /** Mean over the rows that have a label, given or suggested, of the share of those that are contradicted. */
  readonly score: Score;
  /** Rows with a label too many or one too few, the surest first; `row` counts the rows that were given. */
  readonly suspicions: readonly SetSuspicion[];
  /**
   * How likely each label is of each row that was given, row-major [rows, labels]: as a probe has it that did not see the row;
   * NaN where none was asked: of rows that were not sampled, and of labels with too few rows.
   */
  readonly chances: Float64Array;
  readonly coverage: Coverage;
}
/** What a probe was asked of all there is: with many labels it learns from a sample, and rare ones it cannot learn. */
export interface Coverage {
  readonly rows: number;
  readonly allRows: number;
  readonly labels: number;
  readonly allLabels: number;
}
export interface SetSuspicion {
  readonly row: number;
  /** What the probe would have it be: 0 or 1 a label. */
  readonly suggested: Uint8Array;
  /** Probability of the suggested side minus that of the given one, of the label where it is largest. */
  readonly margin: number;
}

/**
 * Labels that few rows have, or have not, say nothing: of `LEAST_ROWS_PER_LABEL` rows on each side the probe can learn. What it
 * suggests must be likelier to it than what is given: of a rare label no row may be likely to have it, and then none is
 * accused of lacking it.
 */
export async function findSetErrors(
  known: EmbeddedSets,
  settings: {
    readonly dimension: number;
    readonly labels: number;
    readonly l2: number;
    readonly seed: number;
    readonly signal?: AbortSignal;
  },
  mostCells = MOST_CELLS,
): Promise<SetErrors> {
  const { dimension, labels, seed } = settings;
  const all = known.targets.length / labels;
  const places = sampleIndices(all, Math.floor(mostCells / (2 * labels * dimension)), seededRandom(seed, 23));
  const chances = new Float64Array(known.targets.length).fill(Number.NaN);
  const own = places.map((row) => known.targets.subarray(row * labels, (row + 1) * labels));
  const columns = Array.from({ length: labels }, (_, label) => label).filter((label) => {
    const having = own.reduce((sum, set) => sum + set[label]!, 0);
    return Math.min(having, own.length - having) >= LEAST_ROWS_PER_LABEL;
  });
  const coverage = { rows: places.length, allRows: all, labels: columns.length, allLabels: labels };
  if (columns.length === 0) return { score: notMeasured(whyNone(coverage)), suspicions: [], chances, coverage };
  const { embeddings } = rowsOf({ embeddings: known.embeddings, classes: new Int32Array(all) }, places, dimension);
  const asked = { embeddings, columns, settings };
  const found = await contradict(own, asked);
  for (const [row, place] of places.entries()) {
    for (const [at, label] of columns.entries()) {
      chances[place * labels + label] = found.chances[row * columns.length + at]!;
    }
  }
  const suspicions = [...found.suggested]
    .map(([row, { set, margin }]) => ({ row: places[row]!, suggested: set, margin }))
    .toSorted((a, b) => b.margin - a.margin || a.row - b.row);
  const planted = await plantErrors(
    'into the sets of training rows',
    [
      async (share, random): Promise<PlantedScore> => {
        const { sets, wrong } = exchangeSets(own, columns, { share, random });
        return { ...(await contradict(sets, asked)).score, wrong };
      },
    ],
    plantings(2 * columns.length * places.length * dimension, seed),
  );
  return { score: { ...withCoverage(found.score, coverage), planted: [planted] }, suspicions, chances, coverage };
}

interface AskedSets {
  /** Row-major [rows, dimension]. */
  readonly embeddings: Float32Array;
  /** Labels that have rows enough. */
  readonly columns: readonly number[];
  readonly settings: Parameters<typeof findSetErrors>[1];
}

/** What a probe a label has against the sets of rows. */
async function contradict(sets: readonly Uint8Array[], { embeddings, columns, settings }: AskedSets) {
  const [rows, asked] = [sets.length, columns.length];
  const targets = new Uint8Array(rows * asked);
  const chances = new Float64Array(rows * asked);
  const suggested = new Map<number, { readonly set: Uint8Array; margin: number }>();
  for (const [at, label] of columns.entries()) {
    const given = Int32Array.from(sets, (set) => set[label]!);
    for (const [row, one] of given.entries()) targets[row * asked + at] = one;
    const probabilities = await outOfFold({ embeddings, classes: given }, { ...settings, classes: 2 });
    for (let row = 0; row < rows; row++) chances[row * asked + at] = probabilities[row * 2 + 1]!;
    for (const { row, margin } of suspiciousLabels(probabilities, given, 2)) {
      if (margin <= 0) continue;
      const own = suggested.get(row) ?? { set: sets[row]!.slice(), margin: 0 };
      own.set[label] = 1 - given[row]!;
      own.margin = Math.max(own.margin, margin);
      suggested.set(row, own);
    }
  }
  const predicted = Uint8Array.from(targets);
  for (const [row, { set }] of suggested) {
    for (const [at, label] of columns.entries()) predicted[row * asked + at] = set[label]!;
  }
  const score = contradicted(creditsOf(withLabels({ labels: asked, targets, predicted })));
  return { score, chances, suggested };
}

/**
 * Pairs of rows by lot exchange their sets where these differ in the labels that are asked, each row once at most, until `share` of
 * their labels is wrong: sets stay as common as they were. `wrong`: the share that is, reckoned as the measure does what is
 * contradicted; it stays below `share` where most rows have the same set.
 */
export function exchangeSets(
  own: readonly Uint8Array[],
  columns: readonly number[],
  { share, random }: { readonly share: number; readonly random: Random },
): { readonly sets: readonly Uint8Array[]; readonly wrong: number } {
  const of = (set: Uint8Array): Uint8Array => Uint8Array.from(columns, (label) => set[label]!);
  const sets = [...own];
  const order = Array.from(own, (_, row) => row);
  shuffleStart(order, order.length, random);
  let labelled = own.filter((set) => of(set).includes(1)).length;
  let lost = 0;
  for (let at = 0; at + 1 < order.length && lost < share * labelled; at += 2) {
    const [one, other] = [order[at]!, order[at + 1]!];
    const [first, second] = [of(own[one]!), of(own[other]!)];
    const credit = creditsOf({ labels: columns.length, targets: first, predicted: second })[0]!;
    if (credit === 1) continue;
    [sets[one], sets[other]] = [own[other]!, own[one]!];
    lost += 2 * (1 - credit);
    // Of two that differ one has a label at least, and both count now.
    labelled += Number(!first.includes(1)) + Number(!second.includes(1));
  }
  return { sets, wrong: labelled === 0 ? 0 : lost / labelled };
}

/** Why a probe was asked about no label. */
export function whyNone({ rows, allRows, allLabels }: Coverage): string {
  const why = `no label has ${LEAST_ROWS_PER_LABEL} training rows with it and as many without it`;
  return rows < allRows
    ? `${why} among the ${rows} of ${allRows} rows that ${allLabels} labels let a probe learn from`
    : why;
}

/** Says with the score what was asked, where it was not all. */
export function withCoverage(score: Score, { rows, allRows, labels, allLabels }: Coverage): Score {
  const asked = [
    ...(labels < allLabels ? [`${labels} of ${allLabels} labels`] : []),
    ...(rows < allRows ? [`${rows} of ${allRows} training rows`] : []),
  ];
  return asked.length === 0 ? score : { ...score, of: `a probe was asked about ${asked.join(' and ')}` };
}

/** A row without a label on either side tells nothing, and of sparse labels most rows are such: they would hide every mistake. */
function withLabels({ labels, targets, predicted }: Decisions): Decisions {
  const labelled = Array.from({ length: targets.length / labels }, (_, row) => row * labels).filter((start) => {
    const own = (set: Uint8Array): boolean => set.subarray(start, start + labels).includes(1);
    return own(targets) || own(predicted);
  });
  const kept = (sets: Uint8Array): Uint8Array =>
    Uint8Array.from(labelled.flatMap((start) => [...sets.subarray(start, start + labels)]));
  return { labels, targets: kept(targets), predicted: kept(predicted) };
}

/** What is left of the accuracy that the given labels have by the suggested ones. */
function contradicted(credits: Float64Array): Score {
  const { value, interval, rows } = meanScore(credits);
  if (value === null || interval === null) return { value: null, interval: null, rows };
  return { value: 1 - value, interval: { ...interval, low: 1 - interval.high, high: 1 - interval.low }, rows };
}
