/**
 * How well the selection chooses: its regret (test accuracy of the best candidate fully tuned, minus that of the chosen
 * one, each the mean of several trainings) and its share of the arithmetic that tuning all of them takes. Real encoders and data sets, through the product's
 * own steps and schedule: export, probe, rank, rungs, halving, choice. What was trained is kept between runs.
 * Each trains at what pipelines/recipe.ts recommends for it, as where a definition names nothing; the draw is the seed of
 * the rows and of the first training. Run: `ESPALIER_TEST_DATA=… npx tsx bench/selection.ts [DRAW = 11, or DRAWxTRAININGS] [SET…]`. Two cores, hours the first time.
 */
import { join } from 'node:path';
import type { CandidateOutcome, ExportedEncoder, Selection } from '../activities/contract/selection.ts';
import type { Prototyped, RungResult } from '../activities/contract/prototype.ts';
import { subsetData } from '../activities/data/subset-data.ts';
import { choosePrototyped } from '../activities/selection/choosing.ts';
import { halveCandidates } from '../activities/selection/halving.ts';
import { probeEncoder } from '../activities/selection/probe-encoder.ts';
import { profileEncoder } from '../activities/selection/profile-encoder.ts';
import { rankOutcomes } from '../activities/selection/ranking.ts';
import { exportEncoder } from '../activities/training/export-encoder.ts';
import { trainModel } from '../activities/training/train-model.ts';
import type { ArtifactRef } from '../artifacts/reference.ts';
import { SelectionSchema } from '../pipelines/definition/selection.ts';
import { TrainingSchema } from '../pipelines/definition/training.ts';
import { completed } from '../pipelines/recipe.ts';
import { pythonForTests } from '../test/support/python.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';
import { isTooNear } from '../workflows/rungs.ts';
import { rungInput } from '../workflows/step-inputs.ts';
import { CANDIDATES, MAX_LENGTH, type Tried } from './selection/candidates.ts';
import { deviation, mean, regretOf } from './selection/regret.ts';
import { remembered } from './selection/remember.ts';
import { prepare, type DataSet, type Prepared } from './selection/sets.ts';

const data = process.env['ESPALIER_TEST_DATA'] ?? '';
if (data === '') throw new Error('ESPALIER_TEST_DATA names no folder: there is nothing real to choose from');
const [drawn = '11', ...asked] = process.argv.slice(2);
const [seedAsked, trainings = '3'] = drawn.split('x');
const SEED = Number(seedAsked);
/** From which each candidate is trained on one draw of rows. */
const SEEDS = Array.from({ length: Number(trainings) }, (_, further) => SEED + further);

const SETS: readonly DataSet[] = [
  { name: 'TREC-6', folder: 'trec6', trainRows: 1200, measuredRows: 400 },
  { name: 'CLINC150, 60 labels', folder: 'clinc150', labels: 60, trainRows: 1200, measuredRows: 400 },
  { name: 'SST-2', folder: 'sst2', trainRows: 1200, measuredRows: 400 },
  { name: 'banking77', folder: 'banking77', trainRows: 1200, measuredRows: 400 },
];
const storage = await withStore();
const services = { store: storage.store, pointers: storage.pointers, python: pythonForTests() };
const selection = SelectionSchema.parse({ maxLength: MAX_LENGTH });
/** What a definition that leaves the training to the table trains a candidate at. */
function specOf(
  { parameters, modelType: family }: ExportedEncoder,
  labels: readonly string[],
  trainRows: number,
  seed = SEED,
) {
  const facts = { input: 'text', method: 'full', family, parameters, labels: labels.length, trainRows } as const;
  return completed(TrainingSchema.parse({ seed, earlyStoppingPatience: 0 }), facts);
}

const exports = new Map<string, Promise<ExportedEncoder>>();
/** Only what is not remembered needs it: once for all sets. */
function exported({ id, folder, layers }: Tried): Promise<ExportedEncoder> {
  const known = exports.get(id);
  if (known !== undefined) return known;
  const made = storage.store
    .putTree(join(data, folder), id)
    .then((model) => runStep(exportEncoder, { model, layers, pooling: 'mean', maxLength: MAX_LENGTH }, services));
  exports.set(id, made);
  return made;
}

interface Trained {
  readonly accuracy: number;
  readonly seconds: number;
}

/** The key is the candidate and the digest of the rows: a stored training is one of just these. */
async function train(
  candidate: Tried,
  dataset: ArtifactRef,
  { labels, rows }: Pick<Prepared, 'labels' | 'rows'>,
  seed: number,
): Promise<Trained> {
  const known = await exported(candidate);
  const spec = specOf(known, labels, rows.train, seed);
  const key = ['train', trainModel.version, candidate, dataset.digest, labels, spec, MAX_LENGTH];
  return remembered(key, async () => {
    const { weights } = known;
    const began = performance.now();
    const input = { weights, dataset, labels, pooling: 'mean', maxLength: MAX_LENGTH, training: spec } as const;
    const trained = await runStep({ ...trainModel, type: `${trainModel.type}.${began}` }, input, services);
    return { accuracy: trained.validationAccuracy ?? 0, seconds: (performance.now() - began) / 1000 };
  });
}

type Measured = CandidateOutcome & { readonly probeSeconds: number };

function measure(candidate: Tried, dataset: ArtifactRef): Promise<Measured> {
  const key = ['measure', probeEncoder.version, profileEncoder.version, candidate, dataset.digest, MAX_LENGTH, SEED];
  return remembered(key, async () => {
    const known = await exported(candidate);
    const profile = await runStep(profileEncoder, { encoder: known.encoder, dataset, maxLength: MAX_LENGTH }, services);
    const began = performance.now();
    const asked = { encoder: known.encoder, dataset, neighbours: 5, seed: SEED, draw: true } as const;
    const probe = await runStep(probeEncoder, asked, services);
    const probeSeconds = (performance.now() - began) / 1000;
    return { id: candidate.id, exported: known, profile, probe, probeSeconds };
  });
}

/** The prototypes as the workflow climbs them (workflows/stages/prototype.ts). */
async function climb(ranked: Selection, { dataset, rows, labels }: Prepared, seed: number) {
  const results: RungResult[] = [];
  const left: { readonly candidate: string; readonly reason: string }[] = [];
  const { prototype } = selection;
  let going = ranked.shortlist ?? [];
  if (going.length < 2) return { results, left };
  for (const [at, share] of prototype.rungs.entries()) {
    if (isTooNear(prototype, [share, prototype.rungs[at + 1]], rows.train)) continue;
    const rung = at + 1;
    const part = await runStep(subsetData, rungInput({ selection }, { dataset, rows }, share), services);
    for (const candidate of CANDIDATES.filter(({ id }) => going.includes(id))) {
      const trained = await train(candidate, part.dataset, { labels, rows }, seed);
      const { train: trainRows, validation: validationRows } = part.rows;
      results.push({ candidate: candidate.id, rung, trainRows, validationRows, ...trained });
    }
    if (rung === prototype.rungs.length) break;
    const halved = halveCandidates({ results, rung });
    going = halved.survivors;
    left.push(...halved.left);
  }
  return { results, left };
}

/** Arithmetic of a training, in passes of one row through a layer of width 1: forward and back is three passes, measuring one. */
function passes({ depth, width }: Tried, epochs: number, trainRows: number, measuredRows: number): number {
  return epochs * (3 * trainRows + measuredRows) * depth * width ** 2;
}
const candidateOf = (id: string): Tried => CANDIDATES.find((one) => one.id === id) ?? CANDIDATES[0];

interface Figures {
  readonly regret: number;
  readonly heldOut: number;
  readonly single: number;
  readonly byProbe: number;
  /** Of the arithmetic of tuning all: what a machine that does other things beside does not change. */
  readonly passes: number;
  /** With the one pass that the probes take over validation rows and the training rows that they are fitted on. */
  readonly passesWithProbes: number;
}

async function judge(set: DataSet): Promise<Figures> {
  const prepared = await prepare(data, set, storage.store, SEED);
  const outcomes: Measured[] = [];
  for (const candidate of CANDIDATES) outcomes.push(await measure(candidate, prepared.dataset));
  const ranked = rankOutcomes({ candidates: outcomes, selection });
  const tuned = new Map<string, readonly number[]>(CANDIDATES.map(({ id }) => [id, []]));
  const choices: {
    readonly results: readonly RungResult[];
    readonly prototyped: Prototyped;
  }[] = [];
  // Each seed is a run of its own: its prototypes, and what they are compared with.
  for (const seed of SEEDS) {
    const { results, left } = await climb(ranked, prepared, seed);
    const { prototyped } = choosePrototyped({
      selection: ranked,
      results,
      left,
      measured: outcomes,
      fullRows: prepared.rows.train,
      epochsFactor: 1,
      tolerance: selection.tolerance,
      seed,
    });
    choices.push({ results, prototyped });
    for (const candidate of CANDIDATES) {
      const { accuracy } = await train(candidate, prepared.tested, prepared, seed);
      tuned.set(candidate.id, [...(tuned.get(candidate.id) ?? []), accuracy]);
    }
  }
  const { train: trainRows, validation } = prepared.rows;
  // The rows alone say how many.
  const { epochs } = specOf(outcomes[0]!.exported!, prepared.labels, trainRows);
  const all = sum(CANDIDATES.map((one) => passes(one, epochs, trainRows, validation)));
  const spentOn = ({ results }: { readonly results: readonly RungResult[] }): number =>
    sum(results.map((one) => passes(candidateOf(one.candidate), epochs, one.trainRows, one.validationRows)));
  const spent = mean(choices.map(spentOn));
  const probing = sum(
    CANDIDATES.map(({ depth, width }, at) => {
      const embedded = (outcomes[at]?.probe?.fittedOn?.rows ?? trainRows) + validation;
      return embedded * depth * width ** 2;
    }),
  );

  console.log(`\n${set.name}: ${prepared.labels.length} labels, ${prepared.rows.train} training rows, draw ${SEED}`);
  for (const { id, probe } of outcomes) {
    const rungs = choices[0]!.results.filter(({ candidate }) => candidate === id).map(({ rung }) => rung);
    const shown = rungs.map((rung) =>
      eachOf(
        choices.flatMap(
          ({ results }) => results.find((one) => one.candidate === id && one.rung === rung)?.accuracy ?? [],
        ),
      ),
    );
    const predicted = choices.flatMap(
      ({ prototyped }) => prototyped.curves.find(({ candidate }) => candidate === id)?.predictedAccuracy?.value ?? [],
    );
    const accuracies = tuned.get(id) ?? [];
    console.log(
      `  ${id}: probe ${percent(probe?.linearAccuracy.value ?? 0)}, rungs ${shown.join('; ') || 'none'}${predicted.length === 0 ? '' : `, predicted ${eachOf(predicted)}`},` +
        ` tuned on all ${eachOf(accuracies)}: ${percent(mean(accuracies))}, one seed ± ${percent(deviation(accuracies))}`,
    );
  }
  const regrets = choices.map(({ prototyped }) => regretOf(tuned, prototyped.winner));
  const figures = {
    regret: mean(regrets.map(({ ofMeans }) => ofMeans)),
    heldOut: mean(regrets.map(({ heldOut }) => heldOut)),
    single: regrets[0]!.ofSingle,
    byProbe: regretOf(tuned, ranked.winner).ofMeans,
    passes: spent / all,
    passesWithProbes: (spent + probing) / all,
  };
  for (const [at, { ofMeans, error }] of regrets.entries())
    console.log(
      `  seed ${SEEDS[at]} chose ${choices[at]?.prototyped.winner}: ${percent(ofMeans)} ± ${percent(error)} points below the best mean`,
    );
  console.log(
    `  regret by means ${percent(figures.regret)} points, held out ${percent(figures.heldOut)}, of the first seed alone ${percent(figures.single)} (by the probe alone ${ranked.winner}: ${percent(figures.byProbe)});` +
      ` prototypes ${percent(figures.passes)} % of the arithmetic of tuning all (${percent(figures.passesWithProbes)} % with probing)`,
  );
  return figures;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const percent = (share: number): string => (share * 100).toFixed(1);
const eachOf = (shares: readonly number[]): string => shares.map(percent).join('/');

const figures: Figures[] = [];
for (const set of SETS.filter(({ name }) => asked.length === 0 || asked.includes(name))) figures.push(await judge(set));
const over = (of: (one: Figures) => number): string => percent(mean(figures.map(of)));
console.log(
  `\nover ${figures.length} sets: mean regret ${over(({ regret }) => regret)} points (goal: 1 at most; held out ${over(({ heldOut }) => heldOut)}, of one seed ${over(({ single }) => single)}; by the probe alone ${over(({ byProbe }) => byProbe)}), ` +
    `prototypes ${over((one) => one.passes)} % of the arithmetic of tuning all (goal: 25 at most), with probing ${over((one) => one.passesWithProbes)} %`,
);
