/**
 * How far the seed alone moves a try, by the training rows that there are, and what choosing by the mean of several is worth:
 * each candidate is trained from many seeds, at its recommended settings, on the rung of a tenth that so many rows have; a
 * choice by K of them is held against the mean of the rest. What was trained is kept between runs.
 * Run: `ESPALIER_TEST_DATA=… npx tsx bench/prototype-seeds.ts [ROWS = 900] [SET…]`.
 */
import { join } from 'node:path';
import { subsetData } from '../activities/data/subset-data.ts';
import { exportEncoder } from '../activities/training/export-encoder.ts';
import { trainModel } from '../activities/training/train-model.ts';
import { seededRandom } from '../activities/validation/random.ts';
import { SelectionSchema } from '../pipelines/definition/selection.ts';
import { pythonForTests } from '../test/support/python.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';
import { temporaryFolder } from '../test/training/fixtures.ts';
import { rungInput } from '../workflows/step-inputs.ts';
import { CANDIDATES, MAX_LENGTH, type Tried } from './selection/candidates.ts';
import { remembered } from './selection/remember.ts';
import { prepare, type DataSet } from './selection/sets.ts';
import { tuneAll } from './selection/tuning.ts';

const data = process.env['ESPALIER_TEST_DATA'] ?? '';
if (data === '') throw new Error('ESPALIER_TEST_DATA names no folder: there is nothing real to train on');
const [rowsAsked = '900', ...asked] = process.argv.slice(2);
const ROWS = Number(rowsAsked);
/** As many as the rung can use: of few rows what tells the hopeless (workflows/rungs.ts). */
const MEASURED = Math.max(200, Math.ceil(ROWS / 10));
const SEEDS = 6;
const DRAWS = 20_000;
const SETS: readonly DataSet[] = [
  { name: 'TREC-6', folder: 'trec6', trainRows: ROWS, measuredRows: MEASURED },
  { name: 'SST-2', folder: 'sst2', trainRows: ROWS, measuredRows: MEASURED },
  { name: 'CLINC150, 20 labels', folder: 'clinc150', labels: 20, trainRows: ROWS, measuredRows: MEASURED },
];
const { store, pointers } = await withStore();
const services = { store, pointers, python: pythonForTests() };
const selection = SelectionSchema.parse({ maxLength: MAX_LENGTH });

/** Validation accuracy on the rung, by seed. */
async function accuracies(set: DataSet, candidate: Tried): Promise<readonly number[]> {
  return remembered(['prototype-seeds', trainModel.version, set, candidate, SEEDS], async () => {
    const prepared = await prepare(data, set, store);
    const { dataset, rows } = prepared;
    const part = await runStep(subsetData, rungInput({ selection }, { dataset, rows }, 0.1), services);
    const model = await store.putTree(join(data, candidate.folder), candidate.id);
    const input = { model, layers: candidate.layers, pooling: 'mean', maxLength: MAX_LENGTH } as const;
    const { weights, parameters } = await runStep(exportEncoder, input, services);
    const encoder = join(await temporaryFolder(), 'encoder');
    await store.checkout(weights, encoder);
    const facts = {
      input: 'text',
      method: 'full',
      family: 'bert',
      parameters,
      trainRows: rows.train,
      labels: prepared.labels.length,
    } as const;
    const seeds = Array.from({ length: SEEDS }, (_, at) => ({ id: `seed-${at}`, settings: { seed: at } }));
    const about = { part: part.dataset, set: prepared, facts, seed: 0, tested: false };
    return (await tuneAll(store, encoder, about, seeds)).map(({ accuracy }) => accuracy);
  });
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const points = (share: number): string => (share * 100).toFixed(1);

/** Mean loss of accuracy, by the seeds that were not asked, of choosing by `k` seeds each. */
function lossOf(tried: readonly (readonly number[])[], k: number): number {
  const random = seededRandom(5);
  let lost = 0;
  for (let draw = 0; draw < DRAWS; draw++) {
    const judged = tried.map((all) => {
      const order = all.map((value) => ({ value, at: random.below(2 ** 30) })).toSorted((a, b) => a.at - b.at);
      const values = order.map(({ value }) => value);
      return { seen: mean(values.slice(0, k)), unseen: mean(values.slice(k)) };
    });
    const chosen = judged.reduce((best, one) => (one.seen > best.seen ? one : best));
    lost += Math.max(...tried.map(mean)) - chosen.unseen;
  }
  return lost / DRAWS;
}

for (const set of SETS.filter(({ name }) => asked.length === 0 || asked.includes(name))) {
  const name = `${set.name}, ${ROWS} rows`;
  const tried: (readonly number[])[] = [];
  for (const candidate of CANDIDATES) {
    const found = await accuracies(set, candidate);
    tried.push(found);
    const centre = mean(found);
    const spread = Math.sqrt(found.reduce((sum, one) => sum + (one - centre) ** 2, 0) / (found.length - 1));
    console.log(`${name} ${candidate.id}: ${points(centre)} %, ${points(spread)} points from seed to seed`);
  }
  const losses = [1, 2, 3].map((k) => `${points(lossOf(tried, k))} by ${k}`);
  console.log(`${name}: points lost by the choice on the rung: ${losses.join(', ')}`);
}
