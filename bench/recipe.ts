/**
 * Whether the recommended rates of a small encoder suit sets of few and of many labels: test accuracy at the table's rates by size alone,
 * and at multiples of them, on the same test rows. The encoder is tuned whole by the product's trainer; what was trained is kept between runs.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/recipe.ts [seeds = 1] [SET…]
 */
import { join } from 'node:path';
import { pairedShareInterval } from '../activities/validation/paired.ts';
import { withStore } from '../test/support/store.ts';
import { CANDIDATES } from './selection/candidates.ts';
import { remembered } from './selection/remember.ts';
import { prepare, type DataSet } from './selection/sets.ts';
import { tuneAll, type Tuned } from './selection/tuning.ts';
import { trainerDigest } from './support.ts';

const data = process.env['ESPALIER_TEST_DATA'];
if (data === undefined) throw new Error('set ESPALIER_TEST_DATA');
const SEEDS = Number(process.argv[2] ?? 1);
const asked = process.argv.slice(3);
const SETS: readonly DataSet[] = [
  { name: 'banking77', folder: 'banking77', trainRows: 1200, measuredRows: 400, testRows: 1000 },
  { name: 'CLINC150', folder: 'clinc150', trainRows: 1200, measuredRows: 400, testRows: 1000 },
  { name: 'TREC-6', folder: 'trec6', trainRows: 1200, measuredRows: 400, testRows: 500 },
  { name: 'SST-2', folder: 'sst2', trainRows: 1200, measuredRows: 400, testRows: 1000 },
];
/** Encoder's and head's rate at 1,900,000 parameters, by size alone; and how many times each. */
const RATES = { learningRate: 2e-4, headLearningRate: 1e-3 };
const MULTIPLES = [
  [1, 1],
  [4, 3],
] as const;
const { id: encoder, folder } = CANDIDATES[1];

const storage = await withStore();
const trainer = await trainerDigest();
const points = (share: number): string => `${share < 0 ? '−' : ''}${Math.abs(100 * share).toFixed(1)}`;
const shareOf = (right: readonly boolean[]): number => right.filter(Boolean).length / right.length;

for (const about of SETS.filter(({ name }) => asked.length === 0 || asked.includes(name))) {
  const set = await prepare(data, about, storage.store);
  const rowsALabel = set.rows.train / set.labels.length;
  console.log(
    `\n${about.name}: ${set.rows.train} training rows, ${set.labels.length} labels, ${rowsALabel.toFixed(0)} rows a label`,
  );
  const facts = { input: 'text', method: 'full', parameters: 1.9e6, trainRows: set.rows.train } as const;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const found: Tuned[] = [];
    for (const [encoderTimes, headTimes] of MULTIPLES) {
      const settings = {
        learningRate: RATES.learningRate * encoderTimes,
        headLearningRate: RATES.headLearningRate * headTimes,
      };
      const key = ['recipe', 1, trainer, encoder, set.dataset.digest, set.tested.digest, settings, seed];
      const [tuned] = await remembered(key, () =>
        tuneAll(storage.store, join(data, folder), { part: set.dataset, set, facts, seed, tested: true }, [
          { id: 'one', settings },
        ]),
      );
      found.push(tuned!);
      const [before, after] = [found[0]!.right!, tuned!.right!];
      const won = after.filter((is, row) => is && !before[row]).length;
      const lost = before.filter((was, row) => was && !after[row]).length;
      const { low, high } = pairedShareInterval({ won, lost }, before.length);
      console.log(
        `  seed ${seed}, ${encoderTimes} and ${headTimes} times: test ${points(shareOf(after))} %, validation ${points(tuned!.accuracy)} %, gain ${points((won - lost) / before.length)} (${points(low)} to ${points(high)}); ${tuned!.seconds.toFixed(0)} s`,
      );
    }
  }
}
storage.close();
process.exit(0);
