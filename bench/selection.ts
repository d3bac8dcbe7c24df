/**
 * How well the selection chooses: its regret (test accuracy of the best candidate fully tuned, minus that of the chosen
 * one) and its share of the training time that tuning all of them takes. Real encoders and data sets, through the product's own
 * steps: export, probe, rank, rungs, halving, choice.
 * Run: `ESPALIER_TEST_DATA=… npx tsx bench/selection.ts [--quick]`. Two cores, about 10 minutes with --quick (three
 * candidates, three sets), about 25 without.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CandidateOutcome } from '../activities/contract/selection.ts';
import type { RungResult } from '../activities/contract/prototype.ts';
import { subsetData } from '../activities/data/subset-data.ts';
import { choosePrototyped } from '../activities/selection/choosing.ts';
import { halveCandidates } from '../activities/selection/halving.ts';
import { probeEncoder } from '../activities/selection/probe-encoder.ts';
import { profileEncoder } from '../activities/selection/profile-encoder.ts';
import { rankOutcomes } from '../activities/selection/ranking.ts';
import { exportEncoder } from '../activities/training/export-encoder.ts';
import { trainModel } from '../activities/training/train-model.ts';
import { seededRandom, sampleIndices } from '../activities/validation/random.ts';
import type { ArtifactRef } from '../artifacts/reference.ts';
import { SelectionSchema } from '../pipelines/definition/selection.ts';
import { pythonForTests } from '../test/support/python.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';
import { temporaryFolder, trainingSpec } from '../test/training/fixtures.ts';

const data = process.env['ESPALIER_TEST_DATA'];
if (data === undefined) throw new Error('ESPALIER_TEST_DATA names no folder: there is nothing real to choose from');
const quick = process.argv.includes('--quick');
const TRAIN_ROWS = 600;
const MEASURED_ROWS = 300;
const MAX_LENGTH = 48;
const EPOCHS = 3;

const TINY = 'models/derived/minilm-tiny-l4-h128-v8k';
const SMALL = 'models/derived/minilm-l6-h384-v8k';
const CANDIDATES = [
  { id: 'tiny-l2', folder: TINY, layers: 2 },
  { id: 'tiny-l4', folder: TINY, layers: null },
  { id: 'small-l3', folder: SMALL, layers: 3 },
  ...(quick ? [] : [{ id: 'small-l6', folder: SMALL, layers: null }]),
] as const;

interface Slice {
  readonly name: string;
  readonly folder: string;
  readonly labels: readonly string[] | null;
}
interface Row {
  readonly text: string;
  readonly label: string;
}

/** Slices of many labels keep a few: with 600 rows 150 of them could not be learned by anybody. */
const labelsOf = async (folder: string, count: number): Promise<readonly string[]> =>
  [...new Set((await rowsOf(folder, 'train')).map(({ label }) => label))].toSorted().slice(0, count);

async function rowsOf(folder: string, split: string): Promise<readonly Row[]> {
  const text = await readFile(join(data ?? '', 'datasets', folder, `${split}.jsonl`), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);
}

const python = pythonForTests();
const storage = await withStore();
const services = { store: storage.store, pointers: storage.pointers, python };
const selection = SelectionSchema.parse({ maxLength: MAX_LENGTH });
const spec = trainingSpec({
  epochs: EPOCHS,
  batchSize: 16,
  learningRate: 3e-4,
  headLearningRate: 3e-3,
  earlyStoppingPatience: 0,
});

/** `validation.jsonl` is what the trainer measures on: validation to choose by, test to compare the fully tuned by. */
async function datasetOf(
  { folder, labels }: Slice,
  measured: 'validation' | 'test',
): Promise<{ ref: ArtifactRef; labels: readonly string[] }> {
  const random = seededRandom(11);
  const kept = (rows: readonly Row[]) => rows.filter(({ label }) => labels === null || labels.includes(label));
  const train = kept(await rowsOf(folder, 'train'));
  const chosen = sampleIndices(train.length, TRAIN_ROWS + MEASURED_ROWS, random);
  // Rows of one label stand together in some of the files: dealt out in turn, both parts hold all of them.
  const parts = { train: [] as Row[], validation: [] as Row[] };
  for (const [at, index] of chosen.entries()) {
    const row = train[index];
    if (row !== undefined) parts[at % 3 === 2 ? 'validation' : 'train'].push(row);
  }
  const test = kept(await rowsOf(folder, 'test'));
  const tested = sampleIndices(test.length, MEASURED_ROWS, random).flatMap((index) => test[index] ?? []);
  const home = await temporaryFolder();
  const write = (split: string, rows: readonly Row[]) =>
    writeFile(
      join(home, `${split}.jsonl`),
      rows.map(({ text, label }, at) => `${JSON.stringify({ id: `${split}-${at}`, text, label })}\n`),
    );
  await mkdir(home, { recursive: true });
  await write('train', parts.train);
  await write('validation', measured === 'test' ? tested : parts.validation);
  await write('test', []);
  const all = labels ?? [...new Set(parts.train.map(({ label }) => label))].toSorted();
  await writeFile(join(home, 'labels.json'), JSON.stringify(all));
  return { ref: await storage.store.putTree(home, 'dataset'), labels: all };
}

async function train(weights: ArtifactRef, dataset: ArtifactRef, labels: readonly string[]) {
  const began = performance.now();
  const input = { weights, dataset, labels, pooling: 'mean', maxLength: MAX_LENGTH, training: spec } as const;
  const trained = await runStep({ ...trainModel, type: `${trainModel.type}.${began}` }, input, services);
  return { accuracy: trained.validationAccuracy, seconds: (performance.now() - began) / 1000 };
}

async function measure(slice: Slice): Promise<{ regret: number; share: number }> {
  const { ref: dataset, labels } = await datasetOf(slice, 'validation');
  const { ref: final } = await datasetOf(slice, 'test');
  const outcomes: (CandidateOutcome & { readonly weights: ArtifactRef })[] = [];
  let probing = 0;
  for (const { id, folder, layers } of CANDIDATES) {
    const model = await storage.store.putTree(join(data ?? '', folder), id);
    const exported = await runStep(exportEncoder, { model, layers, pooling: 'mean', maxLength: MAX_LENGTH }, services);
    const profile = await runStep(
      profileEncoder,
      { encoder: exported.encoder, dataset, maxLength: MAX_LENGTH },
      services,
    );
    const began = performance.now();
    const probe = await runStep(probeEncoder, { encoder: exported.encoder, dataset, neighbours: 5, seed: 7 }, services);
    probing += (performance.now() - began) / 1000;
    outcomes.push({ id, exported, profile, probe, weights: exported.weights });
  }
  const ranked = rankOutcomes({ candidates: outcomes, selection });
  const results: RungResult[] = [];
  const left = [];
  let going = ranked.shortlist ?? [];
  const { rungs, leastRows: least } = selection.prototype;
  for (const [at, share] of rungs.entries()) {
    const rung = at + 1;
    const rows = { train: { share, least }, validation: {}, test: {} };
    const part = await runStep(subsetData, { dataset, rows, seed: 7 }, services);
    for (const candidate of going) {
      const weights = outcomes.find(({ id }) => id === candidate)?.weights;
      if (weights === undefined) continue;
      const { accuracy, seconds } = await train(weights, part.dataset, labels);
      results.push({
        candidate,
        rung,
        trainRows: part.rows.train,
        validationRows: part.rows.validation,
        accuracy,
        seconds,
      });
    }
    const halved = halveCandidates({ results, rung });
    going = halved.survivors;
    left.push(...halved.left);
  }
  const fullRows = TRAIN_ROWS;
  const { prototyped } = choosePrototyped({
    selection: ranked,
    results,
    left,
    measured: outcomes,
    fullRows,
    epochsFactor: 1,
    tolerance: selection.tolerance,
    seed: 7,
  });

  const tuned = new Map<string, Awaited<ReturnType<typeof train>>>();
  for (const { id, weights } of outcomes) tuned.set(id, await train(weights, final, labels));
  const best = Math.max(...[...tuned.values()].map(({ accuracy }) => accuracy ?? 0));
  const spentAll = [...tuned.values()].reduce((sum, { seconds }) => sum + seconds, 0);
  const spent = results.reduce((sum, { seconds }) => sum + (seconds ?? 0), 0);
  const regret = best - (tuned.get(prototyped.winner)?.accuracy ?? 0);
  const byProbe = best - (tuned.get(ranked.winner)?.accuracy ?? 0);
  // Each process starts with seconds of imports; of so few rows they are a good part of both sums.
  const rowsTried = results.reduce((sum, { trainRows }) => sum + trainRows, 0);
  console.log(`\n${slice.name}: ${labels.length} labels, ${fullRows} training rows`);
  for (const { id, probe } of outcomes) {
    const tries = results
      .filter(({ candidate }) => candidate === id)
      .map(({ accuracy }) => ((accuracy ?? 0) * 100).toFixed(1));
    const full = tuned.get(id);
    const predicted = prototyped.curves.find(({ candidate }) => candidate === id)?.predictedAccuracy;
    const shown =
      predicted == null
        ? ''
        : `, predicted ${(predicted.value * 100).toFixed(1)} (${(predicted.interval.low * 100).toFixed(1)} to ${(predicted.interval.high * 100).toFixed(1)})`;
    console.log(
      `  ${id}: probe ${((probe?.linearAccuracy.value ?? 0) * 100).toFixed(1)}, rungs ${tries.join(' ') || 'none'}${shown}, tuned on all ${((full?.accuracy ?? 0) * 100).toFixed(1)} on test in ${full?.seconds.toFixed(0)} s`,
    );
  }
  const share = spent / spentAll;
  console.log(
    `  chosen ${prototyped.winner}: regret ${(regret * 100).toFixed(1)} points (by the probe alone ${ranked.winner}: ${(byProbe * 100).toFixed(1)}); prototypes took ${(share * 100).toFixed(0)} % of the seconds of tuning all, ${((100 * rowsTried) / (fullRows * outcomes.length)).toFixed(0)} % of its rows; probing ${probing.toFixed(0)} s`,
  );
  return { regret, share };
}

const slices: readonly Slice[] = [
  { name: 'TREC-6', folder: 'trec6', labels: null },
  { name: 'banking77, 10 labels', folder: 'banking77', labels: await labelsOf('banking77', 10) },
  { name: 'CLINC150, 20 labels', folder: 'clinc150', labels: await labelsOf('clinc150', 20) },
  ...(quick ? [] : [{ name: 'SST-2', folder: 'sst2', labels: null }]),
];
const figures: { readonly regret: number; readonly share: number }[] = [];
for (const slice of slices) figures.push(await measure(slice));
const mean = (of: (one: { regret: number; share: number }) => number): string =>
  ((100 * figures.reduce((sum, one) => sum + of(one), 0)) / figures.length).toFixed(1);
console.log(
  `\nmean regret ${mean(({ regret }) => regret)} points (goal: 1 at most), prototypes ${mean(({ share }) => share)} % of the time of tuning all (goal: 25 at most)`,
);
