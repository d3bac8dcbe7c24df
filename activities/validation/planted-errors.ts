/**
 * Which wrong labels a gate can see on the very rows that it judges: of these a known share is made wrong by lot, and the gate's own
 * measure is taken again. Where features hardly tell the labels apart, or rows are few, what it says then is no more than before. Pure.
 */
import type { PlantedErrors, PlantedShare, Score } from '../contract/measures.ts';
import type { GateResult } from '../contract/validation.ts';
import { seededRandom, type Random } from './random.ts';
import { normalQuantile } from './statistics.ts';

/** Of a hundred plantings all but five. */
const SEEN = 0.95;
/** Plantings that an interval counts as beside those that were made. */
const AS_MANY = 2;
/** A share this far above a gate's limit breaks it plainly: a gate that would not even see that says nothing. Of few rows an interval alone takes seven points. */
const PLAINLY = 0.15;
const ROUNDING = 1e-9;

/** Gives labels of which a share, by lot, are another one. */
export type Mislabelling = (share: number, random: Random) => Int32Array;

/**
 * Two ways of being wrong: with the label of a row by lot among those that have another, so that common labels stay common, and with any
 * other label that there is, each as likely, so that rare ones fill up. Labels stay as they are where all are one.
 */
export function mislabellings(classes: Int32Array): readonly Mislabelling[] {
  const byLabel = Int32Array.from(classes).sort();
  const distinct = Int32Array.from(new Set(byLabel));
  return [byLabel, distinct].map((lots) => {
    const first = new Map<number, number>();
    const count = new Map<number, number>();
    for (const [place, label] of lots.entries()) {
      if (!first.has(label)) first.set(label, place);
      count.set(label, (count.get(label) ?? 0) + 1);
    }
    return (share, random) =>
      classes.map((label) => {
        const [start, own] = [first.get(label)!, count.get(label)!];
        if (own === lots.length || random.uniform() >= share) return label;
        const other = random.below(lots.length - own);
        return lots[other < start ? other : other + own]!;
      });
  });
}

/** Of labels of which some were made wrong. */
export interface PlantedScore extends Score {
  /** The share that is wrong, in the measure's own count, where that is not the share that was asked for. */
  readonly wrong?: number;
}

/**
 * Of each share what the lower end of the measure is at least in 95 of 100 plantings, as a few of them tell: their mean less as many
 * standard errors, of one more planting beside so few. Of several ways to plant the one that is seen least. A share is called what it is by the measure's own
 * count, on average, where a planting says so (`wrong`).
 */
export async function plantErrors(
  into: string,
  ways: readonly ((share: number, random: Random) => PlantedScore | Promise<PlantedScore>)[],
  { shares, repeats, seed, stream }: { shares: readonly number[]; repeats: number; seed: number; stream: number },
): Promise<PlantedErrors> {
  const random = seededRandom(seed, stream);
  const seen: PlantedShare[] = [];
  for (const share of shares) {
    const planted: PlantedShare[] = [];
    for (const plant of ways) {
      const scores: PlantedScore[] = [];
      for (let one = 0; one < repeats; one++) scores.push(await plant(share, random));
      const wrong = scores.reduce((sum, score) => sum + (score.wrong ?? share), 0) / repeats;
      planted.push({ share: wrong, judged: leastOf(scores) });
    }
    seen.push({
      share: Math.max(...planted.map((one) => one.share)),
      judged: Math.min(...planted.map((one) => one.judged)),
    });
  }
  return { into, seen: seen.toSorted((a, b) => a.share - b.share) };
}

/** What measures nothing shows nothing. Of few plantings the measure's own interval tells how they vary, of many they do themselves. */
function leastOf(scores: readonly Score[]): number {
  const count = scores.length;
  const lows = scores.map(({ interval }) => interval?.low ?? 0);
  const mean = lows.reduce((sum, low) => sum + low, 0) / count;
  const between = lows.reduce((sum, low) => sum + (low - mean) ** 2, 0);
  const within = scores.reduce((sum, score) => sum + deviation(score) ** 2, 0) / count;
  const variance = (between + AS_MANY * within) / (count - 1 + AS_MANY);
  return Math.max(0, mean - normalQuantile(SEEN) * Math.sqrt(variance * (1 + 1 / count)));
}

/** Of a measure, by its interval. */
function deviation({ value, interval }: Score): number {
  if (value === null || interval === null) return 0;
  return (value - interval.low) / normalQuantile((1 + interval.confidence) / 2);
}

/** The smallest share that is seen, between those that were planted as if the measure rose evenly; null where none is. */
export function smallestShareSeen({ seen }: PlantedErrors, threshold: number): number | null {
  let before: PlantedShare = { share: 0, judged: 0 };
  for (const one of seen) {
    if (one.judged > threshold) {
      const part = (threshold - before.judged) / (one.judged - before.judged);
      return before.share + Math.min(1, Math.max(0, part)) * (one.share - before.share);
    }
    before = one;
  }
  return null;
}

/**
 * A gate that passed says which wrong labels it would have passed as well; where the first kind would have been so even of a share that
 * breaks the limit plainly it has not judged, and says that. Of shares that were not planted (nothing is above one half) it claims
 * nothing: where the limit is so high it passes, and says what was planted and is not seen.
 */
export function withPlantedErrors<Name extends string>(
  gate: GateResult<Name>,
  planted: readonly PlantedErrors[],
): GateResult<Name> {
  const [first] = planted;
  if (gate.verdict !== 'pass' || first === undefined) return gate;
  const { name, threshold } = gate;
  const least = planted.map((one) => smallestShareSeen(one, threshold));
  const plainly = threshold + PLAINLY;
  const from = least[0] ?? null;
  if (from === null ? mostPlanted(first) > plainly - ROUNDING : from > plainly) {
    const only = from === null ? '' : `, only from about ${roundedUp(from)} on`;
    const reason = `${name} could not judge these labels: with wrong ones planted by lot ${first.into}, a share of ${roundedUp(plainly)} would not be seen${only}; it ${gate.reason.replace(`${name} `, '')}, which shows nothing`;
    return { ...gate, verdict: 'off', reason };
  }
  const told = planted.map((one, at) => {
    const share = least[at]!;
    return share === null
      ? `even a share of ${roundedDown(mostPlanted(one))} ${one.into}, the most that was planted,`
      : `${at === 0 ? 'those ' : ''}below about ${roundedUp(share)} ${one.into}`;
  });
  return { ...gate, reason: `${gate.reason}; of wrong labels planted by lot ${told.join(', and ')} may not be seen` };
}

function mostPlanted({ seen }: PlantedErrors): number {
  return seen.at(-1)?.share ?? 0;
}

/** To two digits. */
function roundedUp(share: number): number {
  return Math.ceil(100 * share - ROUNDING) / 100;
}
function roundedDown(share: number): number {
  return Math.floor(100 * share + ROUNDING) / 100;
}
