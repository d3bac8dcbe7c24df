/**
 * Whether what a prototype's two rungs foretell of all rows comes true: a small encoder tuned on 60 and on 200 training rows (measured on
 * 200), and on all 2,000 (measured on test rows), of four sets of texts; several draws of the 200. What was trained is kept between runs.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/foretold-texts.ts [draws = 1] [SET…]
 */
import { join } from 'node:path';
import { subsetData } from '../activities/data/subset-data.ts';
import { predictAccuracy, predictSeconds, type CurvePoint } from '../activities/selection/learning-curve.ts';
import { pythonForTests } from '../test/support/python.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';
import { CANDIDATES } from './selection/candidates.ts';
import { remembered } from './selection/remember.ts';
import { prepare, type DataSet, type Prepared } from './selection/sets.ts';
import { tuneAll } from './selection/tuning.ts';
import { trainerDigest } from './support.ts';

const data = process.env['ESPALIER_TEST_DATA'];
if (data === undefined) throw new Error('set ESPALIER_TEST_DATA');
const DRAWS = Number(process.argv[2] ?? 1);
const asked = process.argv.slice(3);
const SETS: readonly DataSet[] = [
  { name: 'TREC-6', folder: 'trec6', trainRows: 2000, measuredRows: 400, testRows: 500 },
  { name: 'CLINC150, 60 labels', folder: 'clinc150', labels: 60, trainRows: 2000, measuredRows: 400, testRows: 1000 },
  { name: 'SST-2', folder: 'sst2', trainRows: 2000, measuredRows: 400, testRows: 1000 },
  { name: 'banking77', folder: 'banking77', trainRows: 2000, measuredRows: 400, testRows: 1000 },
];
/** As `--prototype` climbs them: three tenths of its 200 rows, and all of them. */
const RUNGS = [60, 200] as const;
const MEASURED = 200;
const { id: encoder, folder } = CANDIDATES[1];

const storage = await withStore();
const services = { store: storage.store, pointers: storage.pointers, python: pythonForTests() };
const trainer = await trainerDigest();
const percent = (share: number): string => (100 * share).toFixed(1);

async function rung(
  set: Prepared,
  trainRows: number,
  draw: number,
): Promise<CurvePoint & { readonly seconds: number }> {
  const key = ['foretold', 1, trainer, encoder, set.dataset.digest, trainRows, MEASURED, draw];
  return remembered(key, async () => {
    const rows = { train: { most: trainRows }, validation: { most: MEASURED }, test: {} };
    const part = await runStep(subsetData, { dataset: set.dataset, rows, seed: draw }, services);
    const { accuracy, seconds } = await tuned(set, part.dataset, draw, false);
    return { rows: part.rows.train, accuracy, measuredRows: part.rows.validation, seconds };
  });
}

async function achieved(set: Prepared): Promise<{ readonly accuracy: number; readonly seconds: number }> {
  const key = ['foretold', 1, trainer, encoder, set.dataset.digest, set.tested.digest, 'all'];
  return remembered(key, async () => {
    const { right = [], seconds } = await tuned(set, set.dataset, 1, true);
    return { accuracy: right.filter(Boolean).length / right.length, seconds };
  });
}

/** At the settings that the table names for all rows, as a prototype's are. */
async function tuned(set: Prepared, part: Prepared['dataset'], seed: number, tested: boolean) {
  const facts = {
    input: 'text',
    method: 'full',
    family: 'bert',
    parameters: 1.9e6,
    labels: set.labels.length,
    trainRows: set.rows.train,
  } as const;
  const [one] = await tuneAll(storage.store, join(data!, folder), { part, set, facts, seed, tested }, [
    { id: 'one', settings: {} },
  ]);
  return one!;
}

const chosen = SETS.filter(({ name }) => asked.length === 0 || asked.includes(name));
for (let draw = 1; draw <= DRAWS; draw++) {
  for (const about of chosen) {
    const set = await prepare(data, about, storage.store);
    const points = [await rung(set, RUNGS[0], draw), await rung(set, RUNGS[1], draw)];
    const truth = await achieved(set);
    const said = predictAccuracy(points, set.rows.train, draw);
    if (said === null) throw new Error('two rungs are no curve');
    const { value, interval } = said.prediction;
    const held = interval.low <= truth.accuracy && truth.accuracy <= interval.high;
    console.log(
      `${about.name}, draw ${draw}: ${points.map(({ rows, accuracy }) => `${rows} rows ${percent(accuracy)}`).join(', ')}; foretold at ${set.rows.train} ` +
        `${percent(value)} (${percent(interval.low)} to ${percent(interval.high)}), achieved ${percent(truth.accuracy)}: ${held ? 'held' : 'not held'}; ` +
        `seconds foretold ${predictSeconds(points, set.rows.train)?.toFixed(0)}, taken ${truth.seconds.toFixed(0)}`,
    );
  }
}
storage.close();
process.exit(0);
