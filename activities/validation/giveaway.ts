/**
 * A word that gives a label away: where it stands in nearly every row of a label and in no other row, the label may have been
 * written into the text (an export's status field, a template), and the model learns that instead of the task. Words of
 * the subject do it, too ("spell"): people tell the two apart. Pure.
 */
import type { Score } from '../contract/measures.ts';
import { wilsonInterval } from './statistics.ts';
import { words } from './tfidf.ts';

/** Rows that a word and a label must have: below it anything is perfect by chance. */
const LEAST_ROWS = 10;

export interface Giveaway {
  readonly word: string;
  readonly label: number;
  /** Rows with the word; of them those with the label; rows with the label. */
  readonly rows: number;
  readonly both: number;
  readonly labelled: number;
}

/**
 * The rule "this word, this label" with the highest F1 over all rows, and its F1 as a score. The interval is made of Wilson's of
 * precision and recall, each at a confidence that holds for all words and labels tried at once (Bonferroni).
 */
export function worstGiveaway(
  texts: readonly string[],
  classes: Int32Array,
  count: number,
): { readonly found: Giveaway | null; readonly score: Score } {
  const labelled = new Uint32Array(count);
  const holders = new Map<string, Map<number, number>>();
  for (const [row, text] of texts.entries()) {
    const label = classes[row]!;
    labelled[label]!++;
    for (const word of new Set(words(text))) {
      let byLabel = holders.get(word);
      if (byLabel === undefined) holders.set(word, (byLabel = new Map()));
      byLabel.set(label, (byLabel.get(label) ?? 0) + 1);
    }
  }
  let found: Giveaway | null = null;
  let [highest, tried] = [-1, 0];
  for (const [word, byLabel] of holders) {
    const rows = [...byLabel.values()].reduce((sum, one) => sum + one, 0);
    if (rows < LEAST_ROWS) continue;
    for (const [label, both] of byLabel) {
      if (labelled[label]! < LEAST_ROWS) continue;
      tried++;
      const f1 = (2 * both) / (rows + labelled[label]!);
      if (f1 > highest) [highest, found] = [f1, { word, label, rows, both, labelled: labelled[label]! }];
    }
  }
  if (found === null) {
    return { found, score: { value: null, interval: null, rows: 0, notApplicable: 'no word stands in enough rows' } };
  }
  const confidence = 1 - 0.05 / (2 * tried);
  const precision = wilsonInterval(found.both, found.rows, confidence);
  const recall = wilsonInterval(found.both, found.labelled, confidence);
  const f1 = (p: number, r: number): number => (p + r === 0 ? 0 : (2 * p * r) / (p + r));
  const interval = { low: f1(precision.low, recall.low), high: f1(precision.high, recall.high), confidence: 0.95 };
  return { found, score: { value: highest, interval, rows: found.labelled } };
}
