/**
 * Which wrong labels a gate can see on the very rows that it judges: of these a known share is made wrong by lot, and the gate's own
 * measure is taken again. Where features hardly tell the labels apart, or rows are few, what it says then is no more than before. Pure.
 */
import type { PlantedErrors, PlantedShare, Score } from '../contract/measures.ts';
import type { GateResult } from '../contract/validation.ts';
import { seededRandom, type Random } from './random.ts';
import { normalQuantile } from './statistics.ts';

/** Of a hundred plantings all but five: what a gate claims to see. */
const SEEN = 0.95;
/** What a gate must see to say anything by passing: the usual power of a test (J. Cohen, Statistical Power Analysis for the Behavioral Sciences, 2nd ed., 1988). */
const MOSTLY = 0.8;
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
 * Of each share what the lower end of the measure is at least in 95, and in 80, of 100 plantings, as those that are made tell. Of several
 * ways to plant the one that is seen least. A share is called what it is by the measure's own count, on average, where a planting says so
 * (`wrong`).
 */
export async function plantErrors(
  into: string,
  ways: readonly ((share: number, random: Random) => PlantedScore | Promise<PlantedScore>)[],
  { shares, repeats, seed, stream }: { shares: readonly number[]; repeats: number; seed: number; stream: number },
): Promise<PlantedErrors> {
  const random = seededRandom(seed, stream);
  const seen: PlantedShare[] = [];
  for (const share of shares) {
    const planted: Required<PlantedShare>[] = [];
    for (const plant of ways) {
      const scores: PlantedScore[] = [];
      for (let one = 0; one < repeats; one++) scores.push(await plant(share, random));
      const wrong = scores.reduce((sum, score) => sum + (score.wrong ?? share), 0) / repeats;
      planted.push({ share: wrong, judged: reachedIn(SEEN, scores), mostly: reachedIn(MOSTLY, scores) });
    }
    seen.push({
      share: Math.max(...planted.map((one) => one.share)),
      judged: Math.min(...planted.map((one) => one.judged)),
      mostly: Math.min(...planted.map((one) => one.mostly)),
    });
  }
  return { into, seen: seen.toSorted((a, b) => a.share - b.share) };
}

/**
 * The lower end that one planting more reaches with this probability; what measures nothing shows nothing. Of many plantings it is one of
 * theirs, whatever they are like: a further one falls below the kth smallest of n with probability k / (n + 1). Of few it is their mean
 * less as many standard errors, of one more planting beside so few, and the measure's own interval tells, too, how they vary.
 */
function reachedIn(probability: number, scores: readonly Score[]): number {
  const count = scores.length;
  const lows = scores.map(({ interval }) => interval?.low ?? 0);
  const below = Math.floor((1 - probability) * (count + 1) + ROUNDING);
  if (below > 0) return lows.toSorted((a, b) => a - b)[below - 1]!;
  const mean = lows.reduce((sum, low) => sum + low, 0) / count;
  const between = lows.reduce((sum, low) => sum + (low - mean) ** 2, 0);
  const within = scores.reduce((sum, score) => sum + deviation(score) ** 2, 0) / count;
  const variance = (between + AS_MANY * within) / (count - 1 + AS_MANY);
  return Math.max(0, mean - normalQuantile(probability) * Math.sqrt(variance * (1 + 1 / count)));
}

/** Of a measure, by its interval. */
function deviation({ value, interval }: Score): number {
  if (value === null || interval === null) return 0;
  return (value - interval.low) / normalQuantile((1 + interval.confidence) / 2);
}

/** Of wrong labels, from this share on, and up to the other where more of them are seen less; null where all more that was planted is. */
export interface SharesSeen {
  readonly from: number;
  readonly to: number | null;
}

/** Between those that were planted as if the measure rose and fell evenly; null where none is seen. `often`: in 95 of 100 plantings, or in 80. */
export function sharesSeen(
  { seen }: PlantedErrors,
  threshold: number,
  often: 'judged' | 'mostly' = 'judged',
): SharesSeen | null {
  let before = { share: 0, judged: 0 };
  let from: number | null = null;
  for (const { share, ...one } of seen) {
    const judged = one[often] ?? one.judged;
    const crossing = (): number => {
      const part = (threshold - before.judged) / (judged - before.judged);
      return before.share + Math.min(1, Math.max(0, part)) * (share - before.share);
    };
    if (from === null && judged > threshold) from = crossing();
    else if (from !== null && judged <= threshold) return { from, to: crossing() };
    before = { share, judged };
  }
  return from === null ? null : { from, to: null };
}

/**
 * A gate that passed says which wrong labels it would have passed as well. Where the first kind would mostly have been so even of a share
 * that breaks the limit plainly it has not judged, and says that. Of shares that were not planted (nothing is above one half) it claims
 * nothing: where the limit is so high it passes, and says what was planted and is not seen.
 */
export function withPlantedErrors<Name extends string>(
  gate: GateResult<Name>,
  planted: readonly PlantedErrors[],
): GateResult<Name> {
  const [first] = planted;
  if (gate.verdict !== 'pass' || first === undefined) return gate;
  const { name, threshold } = gate;
  const plainly = threshold + PLAINLY;
  const mostly = sharesSeen(first, threshold, 'mostly');
  if (mostPlanted(first) > plainly - ROUNDING && !holds(mostly, plainly)) {
    const where = mostly === null ? '' : `, only ${asRange(mostly)}`;
    const reason = `${name} could not judge these labels: with wrong ones planted by lot ${first.into}, a share of ${roundedUp(plainly)} would not be seen four times in five${where}; it ${gate.reason.replace(`${name} `, '')}, which shows nothing`;
    return { ...gate, verdict: 'off', reason };
  }
  const told = planted.map((one) => unseenErrors(one, threshold));
  return { ...gate, reason: `${gate.reason}; of wrong labels planted by lot ${told.join(', and ')} may not be seen` };
}

/** Which of one kind. */
function unseenErrors(planted: PlantedErrors, threshold: number): string {
  const { into } = planted;
  const surely = sharesSeen(planted, threshold);
  if (surely !== null) {
    const above = surely.to === null ? '' : ` or above ${roundedDown(surely.to)}`;
    return `those below about ${roundedUp(surely.from)}${above} ${into}`;
  }
  const mostly = sharesSeen(planted, threshold, 'mostly');
  return mostly === null
    ? `even a share of ${roundedDown(mostPlanted(planted))} ${into}, the most that was planted,`
    : `any share ${into} (seen four times in five ${asRange(mostly)})`;
}

function asRange({ from, to }: SharesSeen): string {
  return `from about ${roundedUp(from)} ${to === null ? 'on' : `to ${roundedDown(to)}`}`;
}

function holds(seen: SharesSeen | null, share: number): boolean {
  return seen !== null && seen.from <= share + ROUNDING && (seen.to ?? Infinity) >= share - ROUNDING;
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
