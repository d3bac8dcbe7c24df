/**
 * What looking for 20,000 test texts among so many training texts takes (`leakedTestRows`): processor seconds, the highest memory of the process
 * (RSS), and how many of 200 repeats, put anywhere among them and changed at one place, are found. Texts are two real ones of clinc150
 * and banking77, put together anew.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/seen-texts.ts [training rows = 1000000]
 */
import { jaccard, shingles } from '../activities/data/near-duplicates.ts';
import { sampleIndices, seededRandom } from '../activities/validation/random.ts';
import { findTwins, NEAR } from '../activities/validation/seen-texts.ts';
import { rowsOf } from './gates/real-rows.ts';

const ROWS = Number(process.argv[2] ?? 1_000_000);
const [TEST, REPEATS, BLOCK] = [20_000, 200, 1000];
const texts = (await Promise.all(['clinc150', 'banking77'].map((name) => rowsOf(name, 'all')))).flat();
const random = seededRandom(2026, 8);
const made = (): string => `${texts[random.below(texts.length)]!.text} ${texts[random.below(texts.length)]!.text}`;

const test = Array.from({ length: TEST }, made);
const places = sampleIndices(ROWS, REPEATS, seededRandom(2026, 9));
const edited = (text: string): string => `${text.slice(0, 7)}#${text.slice(8)}`;
const repeats = new Map(places.map((place, at) => [place, edited(test[at]!)]));
const near = [...repeats.values()].map((text, at) => jaccard(shingles(text), shingles(test[at]!)) >= NEAR);

async function* allTrain() {
  for (let from = 0; from < ROWS; from += BLOCK) {
    const rows = Array.from({ length: Math.min(BLOCK, ROWS - from) }, (_, at) => from + at);
    yield await Promise.resolve({ ids: rows.map(String), texts: rows.map((row) => repeats.get(row) ?? made()) });
  }
}
const before = { memory: process.memoryUsage().rss, cpu: process.cpuUsage() };
const { twins: found, compared } = await findTwins({ test, allTrain }, new AbortController().signal);
const { user, system } = process.cpuUsage(before.cpu);
const expected = near.flatMap((is, at) => (is ? [at] : []));
const seen = expected.filter((at) => found.has(at)).length;
const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MB`;
console.log(
  `${ROWS} rows of ${(test.join('').length / TEST).toFixed(0)} characters: ${((user + system) / 1e6).toFixed(0)} s of processor, ` +
    `${megabytes(before.memory)} before, ${megabytes(process.resourceUsage().maxRSS * 1024)} at most; ` +
    `${seen} of ${expected.length} repeats found, and ${found.size - seen} others; ${compared.partly} rows compared with only part of the test texts`,
);
