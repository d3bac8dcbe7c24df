/**
 * A word that gives a label away: an export's status field, a template's first word, a signature. It stands at the same place
 * in nearly every row of a label and at that place in hardly another, and the model learns that instead of the task. Words of
 * the subject are as regular ("PIN" in every question about PINs) but stand where the sentence wants them: a word is
 * judged at its place, counted from either end of the text, and the best word at any place is evidence beside it. Pure.
 */
import type { Interval, Score } from '../contract/measures.ts';
import { wilsonInterval } from './statistics.ts';
import { words } from './tfidf.ts';
import { timeSlice } from './time-slice.ts';

/** Rows that a rule must have, and a label, with it and without it: below it anything is perfect by chance. */
const LEAST_ROWS = 10;
/** Words from either end that are places: templates write there. */
const PLACES = ['first', 'second', 'third'] as const;
/**
 * A rule counts as tried only where its rows and its label's are so near in number that its F1 could be as high as this:
 * both numbers are known without looking at what stands with what. Any other rule is shown where it is the best, and
 * nothing is claimed of it.
 */
const LEAST_F1 = 0.8;

export interface Giveaway {
  readonly word: string;
  /** "first word", "last word but one"; null where any place will do. */
  readonly place: string | null;
  readonly label: number;
  /** Rows that the rule holds of; of them those with the label; rows with the label. */
  readonly rows: number;
  readonly both: number;
  readonly labelled: number;
  /** Where F1 is that of the rows without the word as a rule for those without the label; else it is that of the counts above. */
  readonly counted?: 'without';
}
type Found = Giveaway & { readonly score: Score };

export interface Giveaways {
  /** The best rule "this word at this place, this label", and its F1. */
  readonly placed: Found | null;
  /** The best rule of a word wherever it stands: people look at it, nothing is judged by it. */
  readonly anywhere: Found | null;
  readonly score: Score;
}

/** The labels of a row: one, or none to several, each once. */
export type RowLabels = (row: number) => readonly number[];
export const oneLabel =
  (classes: Int32Array): RowLabels =>
  (row) => [classes[row]!];

/** Of `count` labels, each by itself. */
export async function findGiveaways(
  texts: readonly string[],
  labelsOf: RowLabels,
  count: number,
  signal?: AbortSignal,
): Promise<Giveaways> {
  const placed = await bestRule(texts, labelsOf, count, placesOf, signal);
  const wordsOf = (text: string): Rule[] => words(text).map((word) => ({ word, place: null }));
  const anywhere = await bestRule(texts, labelsOf, count, wordsOf, signal);
  const score = placed?.score ?? noRule(texts.length, labelsOf, count);
  return { placed, anywhere, score };
}

/** Up to `most` rows of the label that the rule holds of. */
export function rowsOfRule(
  { word, place, label }: Giveaway,
  texts: readonly string[],
  labelsOf: RowLabels,
  most: number,
): readonly number[] {
  const found: number[] = [];
  for (const [row, text] of texts.entries()) {
    if (found.length === most) break;
    const holds = placesOf(text).some((rule) => rule.word === word && rule.place === place);
    if (holds && labelsOf(row).includes(label)) found.push(row);
  }
  return found;
}

/** Where a label has rows enough and no word the rows to give it away, that is the answer and no lack of one. */
export function noRule(rows: number, labelsOf: RowLabels, count: number): Score {
  const labelled = new Uint32Array(count);
  for (let row = 0; row < rows; row++) for (const label of labelsOf(row)) labelled[label]!++;
  if (labelled.some((having) => Math.min(having, rows - having) >= LEAST_ROWS)) {
    return { value: 0, interval: { low: 0, high: LEAST_F1, confidence: 0.95 }, rows };
  }
  const why = `no label has ${LEAST_ROWS} rows with it and ${LEAST_ROWS} without it`;
  return { value: null, interval: null, rows: 0, notApplicable: why };
}

export type Rule = Pick<Giveaway, 'word' | 'place'>;

function placesOf(text: string): Rule[] {
  const all = words(text);
  return PLACES.flatMap((ordinal, at) => {
    const [fromStart, fromEnd] = [all.at(at), all.at(-1 - at)];
    if (fromStart === undefined || fromEnd === undefined) return [];
    const last = at === 0 ? 'last word' : `${ordinal} word from the end`;
    return [
      { word: fromStart, place: `${ordinal} word` },
      { word: fromEnd, place: last },
    ];
  });
}

/**
 * The rule with the highest F1. Its interval holds for all rules tried at once: Bonferroni over those whose numbers of rows
 * allow a high F1 at all (Tarone, A Modified Bonferroni Method for Discrete Data, Biometrics 46(2), 1990). The low end is
 * that of the best of them, since no rule is better than the best; the high end of one that is none of them is over all.
 * Shares its process and ends with the signal: of many texts and labels it takes seconds.
 */
export async function bestRule<Row>(
  all: readonly Row[],
  labelsOf: RowLabels,
  count: number,
  rulesOf: (row: Row) => readonly Rule[],
  signal?: AbortSignal,
): Promise<Found | null> {
  const pause = timeSlice(signal);
  const labelled = new Uint32Array(count);
  const holders = new Map<string, Holders>();
  for (const [row, one] of all.entries()) {
    await pause();
    const own = labelsOf(row);
    for (const label of own) labelled[label]!++;
    const rules = new Map(rulesOf(one).map((rule) => [`${rule.place} ${rule.word}`, rule]));
    for (const [key, rule] of rules) {
      const known = holders.get(key) ?? { rule, rows: 0, byLabel: new Map<number, number>() };
      known.rows++;
      for (const label of own) known.byLabel.set(label, (known.byLabel.get(label) ?? 0) + 1);
      holders.set(key, known);
    }
  }
  const [any, good] = [new Best(all.length), new Best(all.length)];
  for (const { rows, byLabel } of holders.values()) {
    await pause();
    for (const label of byLabel.keys()) {
      for (const without of sidesOf(labelled[label]!, all.length)) {
        const [holding, having] = without
          ? [all.length - rows, all.length - labelled[label]!]
          : [rows, labelled[label]!];
        if (!isTried(holding, having)) continue;
        any.count++;
        if (couldBeGood(holding, having)) good.count++;
      }
    }
  }
  for (const { rule, rows, byLabel } of holders.values()) {
    await pause();
    for (const [label, both] of byLabel) {
      for (const without of sidesOf(labelled[label]!, all.length)) {
        const as = { rows, both, labelled: labelled[label]! };
        const counts = without ? missing(as, all.length) : as;
        if (!isTried(counts.rows, counts.labelled)) continue;
        const f1 = f1Of(counts);
        // Nearly all end here.
        if (f1 <= any.f1 && f1 <= good.f1) continue;
        const one = { rule: { ...rule, label, ...as, ...(without && { counted: 'without' as const }) }, counts };
        any.add(one);
        if (couldBeGood(counts.rows, counts.labelled)) good.add(one);
      }
    }
  }
  // Where the two are as good, the one that was tried.
  const best = good.f1 >= any.f1 ? good : any;
  if (best.rule === null) return null;
  const low = good.interval()?.low ?? 0;
  const interval = { low, high: best.interval()!.high, confidence: 0.95 };
  return { ...best.rule, score: { value: best.f1, interval, rows: best.rule.labelled } };
}

interface Holders {
  readonly rule: Rule;
  rows: number;
  readonly byLabel: Map<number, number>;
}
type Counts = Pick<Giveaway, 'rows' | 'both' | 'labelled'>;
/** A rule with the counts that its F1 is of. */
interface Tried {
  readonly rule: Giveaway;
  readonly counts: Counts;
}

const [NO_SIDE, AS_IT_IS, BOTH_SIDES]: readonly (readonly boolean[])[] = [[], [false], [false, true]];
/**
 * Whether a rule is counted by the rows without the word. One of a label that more than half of all rows have is counted twice:
 * as it is, and the rows without the word as a rule for those without the label. Which holds is `standsOut`'s to say.
 */
function sidesOf(labelled: number, all: number): readonly boolean[] {
  if (all - labelled < LEAST_ROWS) return NO_SIDE!;
  return 2 * labelled <= all ? AS_IT_IS! : BOTH_SIDES!;
}

const missing = ({ rows, both, labelled }: Counts, all: number): Counts => ({
  rows: all - rows,
  both: all - rows - labelled + both,
  labelled: all - labelled,
});
const f1Of = ({ rows, both, labelled }: Counts): number => (2 * both) / (rows + labelled);
const isTried = (rows: number, labelled: number): boolean => Math.min(rows, labelled) >= LEAST_ROWS;
const couldBeGood = (rows: number, labelled: number): boolean =>
  (2 * Math.min(rows, labelled)) / (rows + labelled) >= LEAST_F1;

/**
 * In nearly every text a word stands with a label of most rows by chance, and has a high F1. Such a word gives it away only where
 * its rows lack the label less than half as often as all rows do, with confidence; else what it gives away shows where both are missing.
 */
function standsOut({ rule, counts: { rows, both, labelled } }: Tried, all: number, confidence: number): boolean {
  if (rule.counted === 'without' || 2 * labelled <= all) return true;
  return wilsonInterval(rows - both, rows, confidence).high < (all - labelled) / all / 2;
}

/** The best of some rules, the first where several are. */
class Best {
  /** How many there are: all are counted before the first is added. */
  count = 0;
  rule: Giveaway | null = null;
  f1 = -1;
  #counts: Counts | null = null;
  readonly #rows: number;

  constructor(rows: number) {
    this.#rows = rows;
  }

  add(one: Tried): void {
    const f1 = f1Of(one.counts);
    if (f1 <= this.f1 || !standsOut(one, this.#rows, this.#confidence())) return;
    [this.f1, this.rule, this.#counts] = [f1, one.rule, one.counts];
  }

  /** For all of them at once; null of none. */
  interval(): Interval | null {
    return this.#counts === null ? null : f1Interval(this.#counts, this.#confidence());
  }

  #confidence(): number {
    return 1 - 0.05 / this.count;
  }
}

/**
 * F1 is 2J / (1 + J) of Jaccard's J = both / either, a share of the rows that have the word, the label or both: one
 * interval of a share (Wilson's) is its interval. One each for precision and recall would be wider without being surer.
 */
function f1Interval({ rows, both, labelled }: Counts, confidence: number): Interval {
  const { low, high } = wilsonInterval(both, rows + labelled - both, confidence);
  const f1 = (jaccard: number): number => (2 * jaccard) / (1 + jaccard);
  return { low: f1(low), high: f1(high), confidence: 0.95 };
}
