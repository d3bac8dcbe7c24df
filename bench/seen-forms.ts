/**
 * What a training row costs that shares a form with 20,000 test texts (`leakedTestRows`): texts are a form of real questions, one of so many, and questions of each one's
 * own. And how many of 200 test texts are found that were changed in one character.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/seen-forms.ts [characters = 510] [share of the form = 0.8] [forms = 1]
 */
import { jaccard, shingles } from '../activities/data/near-duplicates.ts';
import { NearIndex } from '../activities/data/near-index.ts';
import { seededRandom } from '../activities/validation/random.ts';
import { rowsOf } from './gates/real-rows.ts';

const CHARACTERS = Number(process.argv[2] ?? 510);
const SHARE = Number(process.argv[3] ?? 0.8);
const FORMS = Number(process.argv[4] ?? 1);
const [TEST, EDITED, ROWS, PAIRS] = [20_000, 200, 60, 50];
const questions = (await Promise.all(['clinc150', 'banking77'].map((name) => rowsOf(name, 'all')))).flat();
const random = seededRandom(2026, 8);
function written(characters: number): string {
  let text = '';
  while (text.length < characters) text += `${questions[random.below(questions.length)]!.text}. `;
  return text.slice(0, Math.round(characters));
}
const forms = Array.from({ length: FORMS }, () => written(CHARACTERS * SHARE));
const made = (): string => forms[random.below(FORMS)]! + written(CHARACTERS * (1 - SHARE));

const test = Array.from({ length: TEST }, made);
const alike = Array.from({ length: PAIRS }, (_, at) =>
  jaccard(shingles(test[at]!), shingles(test[at + PAIRS]!)),
).toSorted((one, other) => one - other);
const index = await NearIndex.of(test, 0.8);
const edited = Array.from({ length: EDITED }, (_, at) => at * 7).filter((row) =>
  index.matches(`${test[row]!.slice(0, 30)}#${test[row]!.slice(31)}`).includes(row),
);
const rows = Array.from({ length: ROWS }, made);
const before = { cpu: process.cpuUsage(), work: index.work };
const found = rows.reduce((sum, text) => sum + index.matches(text).length, 0);
const { user, system } = process.cpuUsage(before.cpu);
console.log(
  `two are alike to ${alike[PAIRS / 2]!.toFixed(3)} at the median, ${alike.at(-1)!.toFixed(3)} at the most; ` +
    `${((user + system) / 1000 / ROWS).toFixed(2)} ms and ${((index.work - before.work) / ROWS).toFixed(0)} steps a row, ` +
    `${found} near twins; ${edited.length} of ${EDITED} edited texts found; ${index.cut} questions cut short`,
);
