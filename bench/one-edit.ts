/**
 * Short texts that are the same but for a slip of the pen (activities/data/one-edit.ts):
 *
 * - of real texts as they are, the pairs that are taken for one, those that 5-grams or the letters alone do not join already, and how many of these have one label;
 *   of 2,000 of them with a slip of a random kind at a random letter, how many are found by 5-grams alone and with slips;
 * - what asking so many made texts about 20,000 others takes, and grouping as many: processor time, the highest memory (RSS).
 *   Texts are the beginning of a real one and the end of another;
 * - the same of a tenth as many texts that all are one edit from one another: a Korean and a Chinese sentence with a syllable or character of
 *   each one's own, and how long others had to wait meanwhile, at most.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/one-edit.ts [texts = 1000000] ['show' the pairs]
 */
import { DisjointSets } from '../activities/data/disjoint-sets.ts';
import { jaccard, nearGroups, shingles } from '../activities/data/near-duplicates.ts';
import { nearKey, normaliseText } from '../activities/data/normalise.ts';
import { isShort, LONGEST } from '../activities/data/one-edit.ts';
import { OneEditIndex, oneEditIndexes } from '../activities/data/one-edit-index.ts';
import { WordCounts } from '../activities/data/word-counts.ts';
import { sampleIndices, seededRandom } from '../activities/validation/random.ts';
import { NEAR } from '../activities/validation/seen-texts.ts';
import { rowsOf } from './gates/real-rows.ts';
import { withSlip } from './gates/slip.ts';

const MADE = Number(process.argv[2] ?? 1_000_000);
const SHOWN = process.argv[3] === 'show';
const [KNOWN, EDITED] = [20_000, 2000];
const random = seededRandom(2026, 11);
const isNear = (one: string, other: string): boolean => jaccard(shingles(one), shingles(other)) >= NEAR;
const percent = (part: number, of: number): string => `${((100 * part) / of).toFixed(1)} %`;

const sets = ['clinc150', 'banking77', 'sst2', 'trec6'] as const;
const short: string[] = [];
for (const name of sets) {
  const rows = await rowsOf(name, 'all');
  const labels = new Map(rows.map(({ text, label }) => [normaliseText(text), label]));
  const texts = [...labels.keys()];
  short.push(...texts.filter(isShort));
  const index = await OneEditIndex.of(texts, await WordCounts.of([texts]));
  const pairs = texts.flatMap((text, row) =>
    index.matches(text).flatMap((other) => (other > row ? [[text, texts[other]!] as const] : [])),
  );
  const fresh = pairs.filter(([one, other]) => !isNear(one, other) && nearKey(one) !== nearKey(other));
  const alike = fresh.filter(([one, other]) => labels.get(one) === labels.get(other));
  if (SHOWN) for (const [one, other] of fresh) console.log(`${one} / ${other}`);
  const known = sampleIndices(texts.length, EDITED, random);
  const asked = [...known].map((row) => texts[row]!);
  const slips = asked.map((text, row) => ({ text, row, slip: withSlip(text, random) }));
  // As a gate sees them: the slips are of the other side, whose words are counted too.
  const among = await OneEditIndex.of(asked, await WordCounts.of([texts, slips.map(({ slip }) => slip)]));
  const byGrams = slips.filter(({ text, slip }) => isNear(text, slip));
  const found = slips.filter(({ text, row, slip }) => isNear(text, slip) || among.matches(slip).includes(row));
  console.log(
    `${name}: ${texts.length} texts, ${percent(texts.filter(isShort).length, texts.length)} of them short: ${pairs.length} pairs, ${fresh.length} of them new, ` +
      `${alike.length} of these with one label; of ${EDITED} slips ${percent(byGrams.length, EDITED)} found by 5-grams, ${percent(found.length, EDITED)} with slips`,
  );
}

function made(): string {
  const [one, other] = [short[random.below(short.length)]!, short[random.below(short.length)]!];
  return `${one.slice(0, one.indexOf(' ', one.length / 2))} ${other.slice(other.lastIndexOf(' ', other.length / 2) + 1)}`.slice(
    0,
    LONGEST,
  );
}
const texts = Array.from({ length: MADE }, made);
const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MB`;
const characters = (texts.reduce((sum, { length }) => sum + length, 0) / MADE).toFixed(0);
let before = process.cpuUsage();
function tell(what: string, memory: number): void {
  const { user, system } = process.cpuUsage(before);
  console.log(
    `${what}: ${((user + system) / 1e6).toFixed(1)} s of processor, ${megabytes(memory)} before, ${megabytes(process.resourceUsage().maxRSS * 1024)} at most`,
  );
}

const start = process.memoryUsage().rss;
before = process.cpuUsage();
const known = texts.slice(0, KNOWN);
const index = await OneEditIndex.of(known, await WordCounts.of([texts]));
const seen = texts.reduce((sum, text) => sum + index.matches(text).length, 0);
tell(`${MADE} texts of ${characters} characters asked about ${KNOWN}: ${seen} slips`, start);

before = process.cpuUsage();
const groups = new DisjointSets(MADE);
const words = await WordCounts.of([texts]);
let joined = 0;
for await (const { from, index: part } of oneEditIndexes(texts, words)) {
  for (let row = from; row < MADE; row += 1) {
    for (const found of part.firstMatches(texts[row]!, (other) => groups.areTogether(row, from + other))) {
      if (!groups.areTogether(row, from + found)) joined += 1;
      groups.join(row, from + found);
    }
  }
}
tell(`${MADE} texts grouped: ${joined} joined`, start);

const forms: Readonly<Record<string, (at: number) => string>> = {
  Korean: (at) =>
    `이 글자는 ${String.fromCharCode(0xac00 + (at % 11_172))} 인데 ${String.fromCharCode(0xac00 + Math.floor(at / 11_172))} 어떻게 읽나요`,
  Chinese: (at) =>
    `汉字${String.fromCharCode(0x4e00 + (at % 20_000))}的拼音${String.fromCharCode(0x4e00 + Math.floor(at / 20_000))}怎么写怎么念`,
};
for (const [name, form] of Object.entries(forms)) {
  const alike = Array.from({ length: MADE / 10 }, (_, at) => form(at));
  let [waited, last] = [0, process.cpuUsage().user];
  const watch = setInterval(() => {
    const { user } = process.cpuUsage();
    [waited, last] = [Math.max(waited, user - last), user];
  }, 1);
  before = process.cpuUsage();
  await nearGroups(alike, alike, NEAR);
  clearInterval(watch);
  tell(
    `${alike.length} ${name} texts all one edit apart grouped (others waited ${(waited / 1e6).toFixed(2)} s of processor at most)`,
    start,
  );
}
