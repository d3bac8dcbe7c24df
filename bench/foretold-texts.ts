/**
 * Whether what a prototype's two rungs foretell of all rows comes true: a small encoder tuned on 60 and on 200 training rows (measured on
 * 200), and on all 2,000 (measured on test rows), of four sets of texts; several draws of the 200. What was trained is kept between runs.
 * Draws after the first are trained in one process, and have no times of their own.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/foretold-texts.ts [draws = 1] [ENCODER = tiny-l4] [SET…]
 */
import { join } from 'node:path';
import { subsetData } from '../activities/data/subset-data.ts';
import { predictAccuracy, predictSeconds, type CurvePoint } from '../activities/selection/learning-curve.ts';
import { exportEncoder } from '../activities/training/export-encoder.ts';
import type { ArtifactRef } from '../artifacts/reference.ts';
import { temporaryFolder } from '../test/training/fixtures.ts';
import { pythonForTests } from '../test/support/python.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';
import { CANDIDATES, MAX_LENGTH } from './selection/candidates.ts';
import { remembered } from './selection/remember.ts';
import { prepare, type DataSet, type Prepared } from './selection/sets.ts';
import { tuneAll } from './selection/tuning.ts';
import { trainerDigest } from './support.ts';

const data = process.env['ESPALIER_TEST_DATA'];
if (data === undefined) throw new Error('set ESPALIER_TEST_DATA');
const DRAWS = Number(process.argv[2] ?? 1);
const [encoder = 'tiny-l4', ...asked] = process.argv.slice(3);
const SETS: readonly DataSet[] = [
  { name: 'TREC-6', folder: 'trec6', trainRows: 2000, measuredRows: 400, testRows: 500 },
  { name: 'CLINC150, 60 labels', folder: 'clinc150', labels: 60, trainRows: 2000, measuredRows: 400, testRows: 1000 },
  { name: 'SST-2', folder: 'sst2', trainRows: 2000, measuredRows: 400, testRows: 1000 },
  { name: 'banking77', folder: 'banking77', trainRows: 2000, measuredRows: 400, testRows: 1000 },
];
/** As `--prototype` climbs them: three tenths of its 200 rows, and all of them. */
const RUNGS = [60, 200] as const;
const MEASURED = 200;
const candidate = CANDIDATES.find(({ id }) => id === encoder);
if (candidate === undefined) throw new Error(`no encoder ${encoder}: ${CANDIDATES.map(({ id }) => id).join(', ')}`);

const storage = await withStore();
const services = { store: storage.store, pointers: storage.pointers, python: pythonForTests() };
const trainer = await trainerDigest();
const percent = (share: number): string => (100 * share).toFixed(1);

let prepared: Promise<string> | undefined;
/** With as many layers as it is to have. */
function encoderFolder({ folder, layers }: (typeof CANDIDATES)[number]): Promise<string> {
  prepared ??= (async () => {
    if (layers === null) return join(data!, folder);
    const model = await storage.store.putTree(join(data!, folder), encoder);
    const input = { model, layers, pooling: 'mean', maxLength: MAX_LENGTH } as const;
    const { weights } = await runStep(exportEncoder, input, services);
    const made = join(await temporaryFolder(), 'encoder');
    await storage.store.checkout(weights, made);
    return made;
  })();
  return prepared;
}

type Timed = CurvePoint & { readonly seconds: number };

async function rung(set: Prepared, trainRows: number, draw: number): Promise<Timed> {
  const key = ['foretold', 1, trainer, encoder, set.dataset.digest, trainRows, MEASURED, draw];
  return remembered(key, async () => {
    const part = await partOf(set, trainRows, draw);
    const { accuracy, seconds } = await tuned(set, part.dataset, draw, false);
    return { rows: part.rows.train, accuracy, measuredRows: part.rows.validation, seconds };
  });
}

async function partOf(set: Prepared, trainRows: number, draw: number) {
  const rows = { train: { most: trainRows }, validation: { most: MEASURED }, test: {} };
  return runStep(subsetData, { dataset: set.dataset, rows, seed: draw }, services);
}

/** Of the second draw on: for each both rungs. */
async function furtherDraws(set: Prepared): Promise<readonly (readonly CurvePoint[])[]> {
  if (DRAWS < 2) return [];
  const key = ['foretold-draws', 1, trainer, encoder, set.dataset.digest, RUNGS, MEASURED, DRAWS];
  return remembered(key, async () => {
    const trials: { id: string; settings: object; part: ArtifactRef; rows: number; measuredRows: number }[] = [];
    for (let draw = 2; draw <= DRAWS; draw++) {
      for (const trainRows of RUNGS) {
        const { dataset, rows } = await partOf(set, trainRows, draw);
        const about = { rows: rows.train, measuredRows: rows.validation };
        trials.push({ id: `draw-${draw}-${trainRows}`, settings: { seed: draw }, part: dataset, ...about });
      }
    }
    const about = { part: set.dataset, set, facts: factsOf(set), seed: 1, tested: false };
    const found = await tuneAll(storage.store, await encoderFolder(candidate!), about, trials);
    const points = found.map(({ accuracy }, at): CurvePoint => {
      const { rows, measuredRows } = trials[at]!;
      return { rows, accuracy, measuredRows };
    });
    return Array.from({ length: DRAWS - 1 }, (_, at) => points.slice(at * 2, at * 2 + 2));
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
  const about = { part, set, facts: factsOf(set), seed, tested };
  const [one] = await tuneAll(storage.store, await encoderFolder(candidate!), about, [{ id: 'one', settings: {} }]);
  return one!;
}

function factsOf(set: Prepared) {
  return {
    input: 'text',
    method: 'full',
    family: 'bert',
    parameters: 1.9e6,
    labels: set.labels.length,
    trainRows: set.rows.train,
  } as const;
}

const chosen = SETS.filter(({ name }) => asked.length === 0 || asked.includes(name));
for (const about of chosen) {
  const set = await prepare(data, about, storage.store);
  const timed = [await rung(set, RUNGS[0], 1), await rung(set, RUNGS[1], 1)];
  const truth = await achieved(set);
  const seconds = `; seconds foretold ${predictSeconds(timed, set.rows.train)?.toFixed(0)}, taken ${truth.seconds.toFixed(0)}`;
  for (const [at, points] of [timed, ...(await furtherDraws(set))].entries()) {
    const said = predictAccuracy(points, set.rows.train, at + 1);
    if (said === null) throw new Error('two rungs are no curve');
    const { value, interval } = said.prediction;
    const held = interval.low <= truth.accuracy && truth.accuracy <= interval.high;
    console.log(
      `${about.name}, ${encoder}, draw ${at + 1}: ${points.map(({ rows, accuracy }) => `${rows} rows ${percent(accuracy)}`).join(', ')}; foretold at ${set.rows.train} ` +
        `${percent(value)} (${percent(interval.low)} to ${percent(interval.high)}), achieved ${percent(truth.accuracy)}: ${held ? 'held' : 'not held'}${at === 0 ? seconds : ''}`,
    );
  }
}
storage.close();
process.exit(0);
