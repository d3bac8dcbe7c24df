/** How much an answer has in common with a good one, by its letters or its words. Pure. */

const ORDER = 6;
const BETA = 2;

/**
 * chrF: the F₂ score of character n-grams up to six, white space left out (Popović, chrF: character n-gram F-score for
 * automatic MT evaluation, WMT 2015), 0–1, as sacreBLEU computes it: over orders that both texts have.
 */
export function chrF(answer: string, reference: string): number {
  const [own, wanted] = [answer, reference].map((text) => Array.from(text.replaceAll(/\s/gu, '')));
  let [precision, recall, orders] = [0, 0, 0];
  for (let order = 1; order <= ORDER; order += 1) {
    const [ours, theirs] = [grams(own!, order), grams(wanted!, order)];
    const [inAnswer, inReference] = [sum(ours), sum(theirs)];
    if (inAnswer === 0 || inReference === 0) continue;
    let common = 0;
    for (const [gram, count] of ours) common += Math.min(count, theirs.get(gram) ?? 0);
    precision += common / inAnswer;
    recall += common / inReference;
    orders += 1;
  }
  if (orders === 0) return 0;
  return fScore(precision / orders, recall / orders, BETA);
}

/**
 * ROUGE-L: the F₁ score of the longest common subsequence of words (Lin, ROUGE: A Package for Automatic Evaluation of
 * Summaries, ACL 2004), 0–1; words are runs of letters and digits in lower case.
 */
export function rougeL(answer: string, reference: string): number {
  const [own, wanted] = [answer, reference].map((text) => text.toLowerCase().match(/[\p{L}\p{M}\p{N}]+/gu) ?? []);
  const common = longestCommon(own!.slice(0, MAX_WORDS), wanted!.slice(0, MAX_WORDS));
  if (common === 0) return 0;
  return fScore(common / own!.length, common / wanted!.length, 1);
}

/** Time grows with the product of both: of longer texts the beginnings are compared. */
const MAX_WORDS = 5000;

function longestCommon(left: readonly string[], right: readonly string[]): number {
  let before = new Uint32Array(right.length + 1);
  let row = new Uint32Array(right.length + 1);
  for (const word of left) {
    for (let at = 0; at < right.length; at += 1) {
      row[at + 1] = word === right[at] ? before[at]! + 1 : Math.max(before[at + 1]!, row[at]!);
    }
    [before, row] = [row, before];
  }
  return before[right.length]!;
}

function fScore(precision: number, recall: number, beta: number): number {
  const weight = beta * beta;
  const below = weight * precision + recall;
  return below === 0 ? 0 : ((1 + weight) * precision * recall) / below;
}

function grams(characters: readonly string[], order: number): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (let start = 0; start + order <= characters.length; start += 1) {
    const gram = characters.slice(start, start + order).join('');
    counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  return counts;
}

function sum(counts: ReadonlyMap<string, number>): number {
  let all = 0;
  for (const count of counts.values()) all += count;
  return all;
}
