/**
 * What FGSM and PGD, or the square attack, leave of the right answers of picture models that were tuned as usual, and how often
 * the gates `fgsmRobustness`, `pgdRobustness` and `squareRobustness` fail them: at an ε that nobody sees, where they should, and at
 * one that moves nothing, where they should pass. CIFAR-10 photographs (32 × 32, JPEG) of three labels; every draw is tuned on other photographs, from
 * another seed, and attacked on other test photographs. What a draw came to is kept between runs, so that it can be run in pieces.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-attack.ts [draws = 10] [a folder below models/, tuned by its head; tiny = a tiny random ResNet, whole] [gradients | squares = gradients] [the first draw = 0] [ε in levels = 0.001,2,8]
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tarMembers } from '../activities/data/images/tar-members.ts';
import { AttackedSchema, measureAttack } from '../activities/validation/attack-measures.ts';
import type { AttackClassifierTask, ExportClassifierTask, TrainTask } from '../activities/training/job.ts';
import { attackBySquares } from '../activities/validation/attack-by-squares.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { seededRandom, shuffleStart } from '../activities/validation/random.ts';
import { GRADIENT_GATES } from '../pipelines/attack.ts';
import { AttackSchema } from '../pipelines/definition/attack.ts';
import { ImageGatesSchema } from '../pipelines/definition/gates.ts';
import { GATE_TABLE } from '../pipelines/gates/table.ts';
import { pythonForTests } from '../test/support/python.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';
import { tinyImages } from '../test/support/tiny-image.ts';
import { putPictures } from '../test/support/tiny-pictures.ts';
import { runTasks, temporaryFolder, trainingSpec } from '../test/training/fixtures.ts';
import { remembered } from './selection/remember.ts';
import { exactly, median, trainerDigest } from './support.ts';

const root = process.env['ESPALIER_TEST_DATA'];
if (root === undefined) throw new Error('set ESPALIER_TEST_DATA');
const DRAWS = Number(process.argv[2] ?? 10);
const named = (process.argv[3] ?? 'tiny') === 'tiny' ? undefined : process.argv[3];
const by = process.argv[4] === 'squares' ? 'squares' : 'gradients';
/** Of the square attack, a picture: as many as a definition asks for that names none. */
const QUERIES = AttackSchema.parse({}).queries;
const FIRST = Number(process.argv[5] ?? 0);
const model = named === undefined ? (await tinyImages()).model : join(root, 'models', named);
const LABELS = ['airplane', 'automobile', 'frog'];
const [TRAIN, VALIDATION, TEST] = named === undefined ? [900, 90, 200] : [300, 60, 100];
/** Levels of 255: nothing to speak of, the default, and what Madry et al. attack CIFAR-10 with. */
const EPSILONS = process.argv[6]?.split(',').map(Number) ?? [0.001, 2, 8];
const { fgsmRobustness, pgdRobustness, squareRobustness } = ImageGatesSchema.parse({
  fgsmRobustness: {},
  pgdRobustness: {},
  squareRobustness: {},
});
const limits = { fgsmRobustness, pgdRobustness };

interface Photo {
  readonly bytes: Uint8Array;
  readonly label: string;
}

async function photosOf(split: string): Promise<readonly Photo[]> {
  const photos: Photo[] = [];
  const file = join(root!, 'datasets/cifar10-jpeg', `${split}.tar`);
  for await (const { name, bytes } of tarMembers(file, split, () => 2 ** 20)) {
    const label = name.split('/')[0]!;
    if (bytes !== undefined && LABELS.includes(label)) photos.push({ bytes, label });
  }
  return photos;
}

function drawn(photos: readonly Photo[], count: number, seed: number): readonly Photo[] {
  const order = photos.map((_, at) => at);
  shuffleStart(order, count, seededRandom(seed, 91));
  return order.slice(0, count).map((at) => photos[at]!);
}

async function rowsFile(folder: string, split: string, photos: readonly Photo[]): Promise<string> {
  await mkdir(join(folder, split));
  const lines = photos.map(({ label }, at) => `${JSON.stringify({ image: `${split}/${at}.jpg`, label })}\n`);
  for (const [at, { bytes }] of photos.entries()) await writeFile(join(folder, split, `${at}.jpg`), bytes);
  const file = join(folder, `${split}.jsonl`);
  await writeFile(file, lines);
  return file;
}

const [known, asked] = [await photosOf('train'), await photosOf('test')];
const {
  checkpoints: _,
  processes: __,
  ...spec
} = trainingSpec({
  learningRate: 3e-3,
  headLearningRate: 1e-2,
  batchSize: 32,
  ...(named === undefined ? { method: 'full', epochs: 10 } : { method: 'head', epochs: 4 }),
});

/** Of each ε: what stands, and whether the gates fail. */
interface Judged {
  readonly accuracy: number;
  readonly attacks: readonly { readonly key: string; readonly stands: number; readonly failed: boolean }[];
}

interface Tasks {
  readonly draw: number;
  readonly training: TrainTask;
  readonly attacks: readonly AttackClassifierTask[];
  readonly exported: ExportClassifierTask;
}

async function tasksOf(draw: number): Promise<Tasks> {
  const folder = await temporaryFolder();
  const learnt = drawn(known, TRAIN + VALIDATION, draw);
  const training: TrainTask = {
    verb: 'train',
    task: 'image-classification',
    model,
    train: await rowsFile(folder, 'train', learnt.slice(0, TRAIN)),
    validation: await rowsFile(folder, 'validation', learnt.slice(TRAIN)),
    labels: LABELS,
    training: { ...spec, seed: draw },
    augmentation: null,
    device: 'cpu',
    checkpoints: join(folder, 'checkpoints'),
    out: join(folder, 'out'),
  };
  const rows = await rowsFile(folder, 'test', drawn(asked, TEST, draw));
  const attacks = EPSILONS.map((epsilonLevels): AttackClassifierTask => ({
    verb: 'attack-classifier',
    model: join(folder, 'out', 'model'),
    rows,
    epsilonLevels,
    steps: 10,
    stepLevels: epsilonLevels / 4,
    seed: draw,
    threads: 1,
    out: join(folder, `attacked-${epsilonLevels}`),
  }));
  const exported = {
    verb: 'export-classifier',
    model: join(folder, 'out', 'model'),
    out: join(folder, 'graph'),
  } as const;
  return { draw, training, attacks, exported };
}

async function judged(attacks: readonly AttackClassifierTask[]): Promise<Judged> {
  const all: Judged['attacks'][number][] = [];
  let right = Number.NaN;
  for (const { out, epsilonLevels } of attacks) {
    const lines = (await readFile(join(out, 'attacked.jsonl'), 'utf8')).trim().split('\n');
    const { measures, accuracy } = measureAttack(lines.map((line) => AttackedSchema.parse(JSON.parse(line))));
    right = accuracy.value ?? Number.NaN;
    for (const name of GRADIENT_GATES) {
      const { verdict } = judgeGate(name, GATE_TABLE[name], measures[name], limits[name]);
      const key = `\`${name}\`, ${epsilonLevels}`;
      all.push({ key, stands: measures[name].value ?? Number.NaN, failed: verdict === 'fail' });
    }
  }
  return { accuracy: right, attacks: all };
}

/** The graph that is served, asked about the same test photographs. */
async function judgedBySquares({ draw, exported }: Tasks): Promise<Judged> {
  const storage = await withStore();
  const { store, pointers } = storage;
  const test = drawn(asked, TEST, draw).map(({ bytes, label }) => {
    const id = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
    return { id, label, bytes: Buffer.from(bytes) };
  });
  try {
    const model = await store.putTree(join(exported.out, 'classifier'), 'classifier');
    const dataset = await putPictures(store, { train: [], validation: [], test }, { labels: LABELS });
    const attacks: Judged['attacks'][number][] = [];
    let right = Number.NaN;
    for (const epsilonLevels of EPSILONS) {
      const attack = { epsilonLevels, pictures: TEST, queries: QUERIES };
      const input = { model, dataset, attack, seed: draw, threads: 1 };
      const services = { store, pointers, python: pythonForTests() };
      const { measures, accuracy } = await runStep(attackBySquares, input, services);
      right = accuracy.value ?? Number.NaN;
      const { squareRobustness: stands } = measures;
      const { verdict } = judgeGate('squareRobustness', GATE_TABLE.squareRobustness, stands, squareRobustness);
      const key = `\`squareRobustness\`, ${epsilonLevels}`;
      attacks.push({ key, stands: stands.value ?? Number.NaN, failed: verdict === 'fail' });
    }
    return { accuracy: right, attacks };
  } finally {
    storage.close();
  }
}

const began = performance.now();
const told = (what: string): void =>
  console.error(`${what} after ${((performance.now() - began) / 1000).toFixed(0)} s`);
const trainer = await trainerDigest();

/** In two processes, whose starts cost seconds: the models must be there when the second begins. */
function piece(seeds: readonly number[]): Promise<readonly Judged[]> {
  const of = [trainer, named ?? 'tiny', [TRAIN, VALIDATION, TEST], EPSILONS, spec];
  const key =
    by === 'gradients'
      ? ['gates-attack', 1, ...of, limits, seeds]
      : ['gates-attack-squares', attackBySquares.version, ...of, squareRobustness, QUERIES, seeds];
  return remembered(key, async () => {
    const tasks = await Promise.all(seeds.map(tasksOf));
    await runTasks(tasks.map(({ training }) => training));
    await runTasks(
      by === 'gradients' ? tasks.flatMap(({ attacks }) => attacks) : tasks.map(({ exported }) => exported),
    );
    told(`draws ${seeds.join(', ')} are tuned${by === 'gradients' ? ' and attacked' : ''}`);
    if (by === 'gradients') return Promise.all(tasks.map(({ attacks }) => judged(attacks)));
    const all: Judged[] = [];
    for (const one of tasks) all.push(await judgedBySquares(one));
    told(`draws ${seeds.join(', ')}`);
    return all;
  });
}

const PIECE = by === 'gradients' ? 12 : 4;
const seeds = Array.from({ length: DRAWS }, (_, draw) => FIRST + draw);
const draws: Judged[] = [];
for (let from = 0; from < DRAWS; from += PIECE) draws.push(...(await piece(seeds.slice(from, from + PIECE))));
const accuracies = draws.map(({ accuracy }) => accuracy);

console.log(
  `${named ?? 'a tiny ResNet'}: ${DRAWS} draws, right on ${(100 * median(accuracies)).toFixed(1)} % of ${TEST} (median)`,
);
console.log('| gate, levels | right answers that stand, median (lowest to highest) | failed |\n| --- | --- | --- |');
for (const { key } of draws[0]?.attacks ?? []) {
  const of = draws.flatMap(({ attacks }) => attacks.filter((one) => one.key === key));
  const values = of.map(({ stands }) => stands);
  const [low, high] = [Math.min(...values), Math.max(...values)].map((value) => (100 * value).toFixed(1));
  const failed = of.filter((one) => one.failed).length;
  console.log(
    `| ${key} | ${(100 * median(values)).toFixed(1)} % (${low} to ${high} %) | ${exactly(failed, of.length)} |`,
  );
}
