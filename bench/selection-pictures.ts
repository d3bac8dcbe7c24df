/**
 * How well the selection chooses among backbones of pictures whose head alone is trained, and among finders: its regret, on
 * random divisions of real pictures. A draw gives every candidate the same training, validation and test pictures; who is best
 * on the test pictures is known by these alone, so that their noise is in the regret. Rank and rule are the product's own;
 * every picture is embedded once and kept between runs.
 * Run: `ESPALIER_TEST_DATA=… npx tsx bench/selection-pictures.ts [draws = 40] [finders]`, with `finders` of these alone, without
 * the fits of heads. Two cores, about ten minutes the first time.
 */
import { join } from 'node:path';
import type { CandidateOutcome } from '../activities/contract/selection.ts';
import type { Hardware, Score } from '../activities/contract/measures.ts';
import { rowsInMemory, type EmbeddedRows } from '../activities/selection/embedded-rows.ts';
import { knnLeaveOneOut, knnPredict } from '../activities/selection/knn.ts';
import { crossValidatedProbe, probedClasses } from '../activities/selection/linear-probe.ts';
import { rankOutcomes } from '../activities/selection/ranking.ts';
import { exportEncoder } from '../activities/training/export-encoder.ts';
import { countCorrect } from '../activities/validation/metrics.ts';
import { seededRandom, shuffleStart } from '../activities/validation/random.ts';
import { wilsonInterval } from '../activities/validation/statistics.ts';
import { ImageModel } from '../inference/image-model.ts';
import { SelectionSchema } from '../pipelines/definition/selection.ts';
import { pythonForTests } from '../test/support/python.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';
import { temporaryFolder } from '../test/training/fixtures.ts';
import { photographs, testData, type Photograph } from './gates/photographs.ts';
import { rightOf, similarities } from './selection/near.ts';
import { remembered } from './selection/remember.ts';

const DRAWS = Number(process.argv[2] ?? 40);
const FINDERS = process.argv[3] === 'finders';
const NEIGHBOURS = 5;
const TIMED = 25;
/** The last two were trained on CIFAR-10 itself: there they should win, on clothes they should not. */
const BACKBONES = [
  'onnx-zoo/squeezenet1.1',
  'onnx-zoo/resnet50v2-trunk-stage3',
  'google/mobilenet_v2_1.0_224-dequant',
  'akamaster/resnet20-cifar10',
  'akamaster/resnet56-cifar10',
] as const;
const STRANGERS = BACKBONES.slice(0, 3);
const SETS = [
  { name: 'CIFAR-10', dataset: 'cifar10-jpeg', train: 500, validation: 200, test: 800, backbones: STRANGERS },
  {
    name: 'CIFAR-10, with two that know it',
    dataset: 'cifar10-jpeg',
    train: 500,
    validation: 200,
    test: 800,
    backbones: BACKBONES,
  },
  {
    name: 'Fashion-MNIST',
    dataset: 'fashion-mnist-sprite',
    train: 400,
    validation: 200,
    test: 300,
    backbones: BACKBONES,
  },
] as const;
const { signal } = new AbortController();
const storage = await withStore();
const services = { store: storage.store, pointers: storage.pointers, python: pythonForTests() };
const selection = SelectionSchema.parse({});
/** All were timed here. */
const HARDWARE: Hardware = { cpu: 'one', cores: 1, arch: 'one', runtime: 'one' };

interface Embedded {
  readonly dimension: number;
  readonly embeddings: readonly number[];
  /** Of one picture alone, of the first 25: it only orders the candidates. */
  readonly medianMs: number;
  readonly sizeMb: number;
}

async function embedded(backbone: string, dataset: string, pictures: readonly Photograph[]): Promise<Embedded> {
  const key = ['pictures', exportEncoder.version, backbone, dataset, pictures.map(({ id }) => id)];
  return remembered(key, async () => {
    const model = await storage.store.putTree(join(testData(), 'models', backbone), 'model');
    const exported = await runStep(exportEncoder, { task: 'image-classification', model, frozen: true }, services);
    const folder = await temporaryFolder();
    await storage.store.checkout(exported.encoder, folder);
    const encoder = await ImageModel.load(folder);
    const values: number[] = [];
    const times: number[] = [];
    for (const [at, { bytes }] of pictures.entries()) {
      const began = performance.now();
      values.push(...(await encoder.run([bytes])).embeddings);
      if (at < TIMED) times.push(performance.now() - began);
    }
    const { dimension } = encoder.config;
    await encoder.release();
    return {
      dimension,
      embeddings: values,
      medianMs: times.toSorted((a, b) => a - b)[Math.floor(TIMED / 2)] ?? 0,
      sizeMb: exported.sizeBytes / 1e6,
    };
  });
}

type Known = Embedded & { readonly near: Float64Array };

interface Asked {
  readonly outcome: CandidateOutcome;
  readonly test: { readonly probe: number; readonly neighbours: number };
}

const score = (correct: number, rows: number): Score => ({
  value: correct / rows,
  interval: wilsonInterval(correct, rows),
  rows,
});

async function ask(id: string, known: Known, { classes, labels, parts, seed }: Drawn): Promise<Asked> {
  const { dimension, embeddings, medianMs, sizeMb } = known;
  const [trained = [], chosenBy = [], judgedBy = []] = parts;
  const near = (asked: readonly number[]): number =>
    rightOf(known.near, { known: trained, asked, classes, neighbours: NEIGHBOURS, labels });
  // Of the training pictures those alone are asked whose label has as many others as vote.
  const ofLabel = new Int32Array(labels);
  for (const row of trained) ofLabel[classes[row]!]!++;
  const askable = trained.filter((row) => ofLabel[classes[row]!]! > NEIGHBOURS);
  const [right, leftOut, tested] = [near(chosenBy), near(askable), near(judgedBy)];
  const all = rowsInMemory({ embeddings: Float32Array.from(embeddings), classes }, dimension);
  const [train, validation, test] = await Promise.all(
    FINDERS && seed > 1 ? [] : parts.map(async (rows) => rowsInMemory(await all.pick(rows), dimension)),
  );
  if (seed === 1) {
    // The short cut is one, and says nothing of its own.
    const options = { neighbours: NEIGHBOURS, classes: labels, signal };
    const said = countCorrect(validation!.classes, await knnPredict(train!, validation!, dimension, options));
    const product = await knnLeaveOneOut(train!, dimension, { ...options, seed });
    if (said !== right || product.correct !== leftOut || product.rows !== askable.length)
      throw new Error(`${id}: neighbours of a benchmark and of the product differ`);
  }
  const head = FINDERS
    ? null
    : await headOf(train!, { validation: validation!, test: test! }, { dimension, labels, seed });
  const rows = chosenBy.length;
  const knnAccuracy = score(right, rows);
  const linearAccuracy = head === null ? knnAccuracy : score(head.validation, rows);
  const latency = { p50Ms: medianMs, p95Ms: medianMs, meanMs: medianMs, runs: TIMED, warmupRuns: 0, waitedShare: null };
  return {
    outcome: {
      id,
      profile: { latency, sizeMb, memoryMb: sizeMb, hardware: HARDWARE },
      probe: {
        linearAccuracy,
        linearMacroF1: linearAccuracy,
        knnAccuracy,
        knnLeaveOneOut: {
          ...score(leftOut, askable.length),
          askable: { rows: askable.length, of: trained.length, others: NEIGHBOURS },
        },
        ...(head === null ? {} : { crossValidated: head.crossValidated }),
        probe: await storage.store.putJson(head?.probe ?? null, 'probe.json'),
      },
    },
    test: { probe: (head?.test ?? Number.NaN) / judgedBy.length, neighbours: tested / judgedBy.length },
  };
}

/** What a head has right of the rows to choose by and to test by, and what its folds say. */
async function headOf(
  train: EmbeddedRows,
  asked: { readonly validation: EmbeddedRows; readonly test: EmbeddedRows },
  { dimension, labels, seed }: { readonly dimension: number; readonly labels: number; readonly seed: number },
) {
  const { probe, crossValidated } = await crossValidatedProbe(train, { dimension, classes: labels, seed, signal });
  const right = async (rows: EmbeddedRows) => countCorrect(rows.classes, await probedClasses(probe, rows));
  const { correct, rows, folds, askable } = crossValidated;
  return {
    probe,
    crossValidated: { ...score(correct, rows), folds, askable },
    validation: await right(asked.validation),
    test: await right(asked.test),
  };
}

interface Drawn {
  readonly classes: Int32Array;
  readonly labels: number;
  readonly parts: readonly (readonly number[])[];
  readonly seed: number;
}

/** Of heads and of finders, each as it is ranked, of validation and training pictures together, and of validation pictures alone. */
const HEADS = ['probe', 'probe, validation alone'] as const;
const OF_FINDERS = ['neighbours', 'neighbours, validation alone'] as const;
const WAYS = FINDERS ? OF_FINDERS : [...HEADS, ...OF_FINDERS];
interface Regret {
  readonly chosen: string;
  /** Points of test accuracy that the best of the candidates has more than the chosen one. */
  readonly regret: number;
}

function regretOf(asked: readonly Asked[], way: (typeof WAYS)[number]): Regret {
  const by = way.startsWith('neighbours') ? 'neighbours' : 'probe';
  const candidates = asked.map(({ outcome }): CandidateOutcome => {
    const { probe, ...rest } = outcome;
    if (probe === undefined || !way.endsWith('alone')) return outcome;
    const { crossValidated: _, knnLeaveOneOut: __, ...alone } = probe;
    return { ...rest, probe: alone };
  });
  const { winner } = rankOutcomes({ candidates, selection, by });
  const best = Math.max(...asked.map(({ test }) => test[by]));
  return { chosen: winner, regret: best - (asked.find(({ outcome }) => outcome.id === winner)?.test[by] ?? 0) };
}

const percent = (share: number): string => (share * 100).toFixed(1);
const mean = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;

for (const { name, dataset, train, validation, test, backbones } of SETS) {
  const pictures = [
    ...(await photographs('test', 1000, dataset)),
    ...(await photographs('train', train + validation + test, dataset)),
  ].slice(0, dataset === 'cifar10-jpeg' ? train + validation + test : undefined);
  const names = [...new Set(pictures.map(({ label }) => label))].toSorted();
  const classes = Int32Array.from(pictures, ({ label }) => names.indexOf(label));
  const known: Known[] = [];
  for (const backbone of backbones) {
    const one = await embedded(backbone, dataset, pictures);
    known.push({ ...one, near: similarities(one.embeddings, one.dimension) });
  }
  const found = WAYS.map((way) => ({ way, regrets: [] as Regret[] }));
  const accuracies = backbones.map((): number[] => []);
  for (let seed = 1; seed <= DRAWS; seed++) {
    const order = pictures.map((_, at) => at);
    shuffleStart(order, train + validation + test, seededRandom(seed));
    const parts = [
      order.slice(0, train),
      order.slice(train, train + validation),
      order.slice(train + validation, train + validation + test),
    ];
    const asked: Asked[] = [];
    for (const [at, backbone] of backbones.entries())
      asked.push(await ask(backbone, known[at]!, { classes, labels: names.length, parts, seed }));
    asked.forEach(({ test: right }, at) => accuracies[at]!.push(FINDERS ? right.neighbours : right.probe));
    for (const { way, regrets } of found) regrets.push(regretOf(asked, way));
  }
  console.log(`\n${name}: ${DRAWS} draws of ${train} to learn from, ${validation} to choose by and ${test} to test by`);
  for (const [at, backbone] of backbones.entries())
    console.log(
      `  ${backbone}: ${percent(mean(accuracies[at]!))} % of the test pictures, ${known[at]!.medianMs.toFixed(1)} ms`,
    );
  for (const { way, regrets: all } of found) {
    const regrets = all.map(({ regret }) => regret).toSorted((a, b) => a - b);
    const chosen = backbones.map((one) => `${one} ${all.filter((is) => is.chosen === one).length}`).join(', ');
    console.log(
      `  chosen by ${way}: regret ${percent(mean(regrets))} points on average, median ${percent(regrets[Math.floor(DRAWS / 2)]!)}, most ${percent(regrets.at(-1)!)}; above 1 point in ${regrets.filter((one) => one > 0.01).length}; ${chosen}`,
    );
  }
}
storage.close();
process.exit(0);
