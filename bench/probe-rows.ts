/**
 * What it costs to fit the candidates' probes on a draw of the training rows: the choice by these, beside the choice by probes
 * of all rows, judged by the probes of all rows on test rows. Where nothing is tuned (`training.method: 'head'`) the probe is the
 * last word. Every candidate embeds every row once. Run: `ESPALIER_TEST_DATA=… npx tsx bench/probe-rows.ts [SET…]`. Two cores, some
 * five minutes.
 */
import { join } from 'node:path';
import { loadClassified } from '../activities/data/dataset.ts';
import { rowsInMemory } from '../activities/selection/embedded-rows.ts';
import { knnPredict, type LabelledEmbeddings } from '../activities/selection/knn.ts';
import { highestClasses, linearScores, trainLinearProbe } from '../activities/selection/linear-probe.ts';
import { drawProbeRows } from '../activities/selection/probe-rows.ts';
import { exportEncoder } from '../activities/training/export-encoder.ts';
import { countCorrect } from '../activities/validation/metrics.ts';
import type { ArtifactRef } from '../artifacts/reference.ts';
import { TextModel } from '../inference/text-model.ts';
import { pythonForTests } from '../test/support/python.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';
import { temporaryFolder } from '../test/training/fixtures.ts';
import { CANDIDATES, MAX_LENGTH, type Tried } from './selection/candidates.ts';
import { prepare, type DataSet } from './selection/sets.ts';

const data = process.env['ESPALIER_TEST_DATA'] ?? '';
if (data === '') throw new Error('ESPALIER_TEST_DATA names no folder: there is nothing real to choose from');
const asked = process.argv.slice(2);
const SEED = 7;

const SETS: readonly DataSet[] = [
  { name: 'TREC-6', folder: 'trec6', trainRows: 4900, measuredRows: 500 },
  { name: 'SST-2', folder: 'sst2', trainRows: 6000, measuredRows: 800 },
  { name: 'banking77', folder: 'banking77', trainRows: 6000, measuredRows: 800 },
];

const storage = await withStore();
const services = { store: storage.store, pointers: storage.pointers, python: pythonForTests() };
const { signal } = new AbortController();

const loaded = new Map<string, Promise<TextModel>>();
function model({ id, folder, layers }: Tried): Promise<TextModel> {
  const load = async (): Promise<TextModel> => {
    const tree = await storage.store.putTree(join(data, folder), id);
    const asEncoder = { model: tree, layers, pooling: 'mean', maxLength: MAX_LENGTH } as const;
    const { encoder } = await runStep(exportEncoder, asEncoder, services);
    const home = await temporaryFolder();
    await storage.store.checkout(encoder, home);
    return TextModel.load(home);
  };
  const known = loaded.get(id) ?? load();
  loaded.set(id, known);
  return known;
}

interface Scores {
  readonly id: string;
  /** Shares right: of validation, by probe and by five neighbours; of test. */
  readonly probe: number;
  readonly neighbours: number;
  readonly test: number;
}

async function judge(set: DataSet): Promise<{ readonly linear: number; readonly neighbours: number }> {
  const { dataset, tested, labels } = await prepare(data, set, storage.store);
  const drawn = await drawProbeRows(storage.store, dataset, SEED, signal);
  if (drawn === null) throw new Error(`${set.name} is too small to draw from`);
  const rows = { drawn: [] as Scores[], all: [] as Scores[] };
  for (const candidate of CANDIDATES) {
    const encoder = await model(candidate);
    const embed = async (from: ArtifactRef, split: 'train' | 'validation'): Promise<LabelledEmbeddings> => {
      const { texts, classes } = await loadClassified(storage.store, from, split, labels, signal);
      return { embeddings: (await encoder.runAll(texts)).embeddings, classes };
    };
    const { dimension } = encoder.config;
    const train = await embed(dataset, 'train');
    const validation = await embed(dataset, 'validation');
    const test = await embed(tested, 'validation');
    const scores = async (known: LabelledEmbeddings): Promise<Scores> => {
      const options = { dimension, classes: labels.length, seed: SEED };
      const probe = await trainLinearProbe(known, options);
      const right = (of: LabelledEmbeddings, predicted: Int32Array) =>
        countCorrect(of.classes, predicted) / of.classes.length;
      const linear = (of: LabelledEmbeddings) =>
        right(of, highestClasses(linearScores(probe, of.embeddings), labels.length));
      const [rows, queries] = [known, validation].map((one) => rowsInMemory(one, dimension));
      const near = await knnPredict(rows!, queries!, dimension, { ...options, neighbours: 5 });
      return { id: candidate.id, probe: linear(validation), neighbours: right(validation, near), test: linear(test) };
    };
    rows.all.push(await scores(train));
    rows.drawn.push(await scores(await rowsInMemory(train, dimension).pick(drawn.places)));
  }
  console.log(`\n${set.name}: ${labels.length} labels, ${drawn.places.length} of ${drawn.of} training rows`);
  for (const [at, one] of rows.drawn.entries()) {
    const whole = rows.all[at]!;
    console.log(
      `  ${one.id}: probe ${percent(one.probe)} (all rows ${percent(whole.probe)}, test ${percent(whole.test)}), neighbours ${percent(one.neighbours)} (${percent(whole.neighbours)})`,
    );
  }
  const chosen = (by: 'probe' | 'neighbours', among: readonly Scores[]): number =>
    among.reduce((best, one, at) => (one[by] > among[best]![by] ? at : best), 0);
  const regret = (of: 'test' | 'neighbours', at: number): number =>
    Math.max(...rows.all.map((one) => one[of])) - rows.all[at]![of];
  const linear = regret('test', chosen('probe', rows.drawn));
  const neighbours = regret('neighbours', chosen('neighbours', rows.drawn));
  console.log(
    `  chosen by the probe of the draw ${rows.drawn[chosen('probe', rows.drawn)]!.id}: regret ${percent(linear)} points of test accuracy (by the probe of all ${percent(regret('test', chosen('probe', rows.all)))}); by neighbours ${percent(neighbours)} of validation`,
  );
  return { linear, neighbours };
}

const percent = (share: number): string => (share * 100).toFixed(1);
const regrets: { readonly linear: number; readonly neighbours: number }[] = [];
for (const set of SETS.filter(({ name }) => asked.length === 0 || asked.includes(name))) regrets.push(await judge(set));
const mean = (of: (one: (typeof regrets)[number]) => number): string =>
  percent(regrets.reduce((sum, one) => sum + of(one), 0) / regrets.length);
console.log(
  `\nover ${regrets.length} sets: mean regret ${mean(({ linear }) => linear)} points by the probe, ${mean(({ neighbours }) => neighbours)} by neighbours`,
);
