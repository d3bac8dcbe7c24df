/**
 * What FGSM, PGD and the square attack leave of the first neighbours that an encoder finds as it came, and how often the gates of
 * a finder fail it: at an ε that nobody sees, where they should, and at one that moves nothing, where they should pass. CIFAR-10
 * photographs of three labels; every draw has another gallery, other test photographs and another seed. Nothing is trained. The
 * attacks are as hard as where a definition says nothing of them. What a draw came to is kept between runs, so that it can be run in pieces.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-attack-finder.ts [draws = 5] [a folder below models/, with weights; tiny = a tiny random ResNet] [all | squares] [the first draw = 0] [ε in levels = 0.001,2,8]
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Score } from '../activities/contract/measures.ts';
import type { ExportedEncoder } from '../activities/contract/selection.ts';
import { tarMembers } from '../activities/data/images/tar-members.ts';
import { buildIndex } from '../activities/retrieval/build-index.ts';
import { exportEncoder } from '../activities/training/export-encoder.ts';
import { attackBySquares } from '../activities/validation/attack-by-squares.ts';
import { attackGradients } from '../activities/validation/attack-gradients.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { seededRandom, shuffleStart } from '../activities/validation/random.ts';
import { NO_SCORE } from '../activities/validation/scores.ts';
import { ATTACK_GATES, SQUARE_GATES, type AttackGate } from '../pipelines/attack.ts';
import { AttackSchema } from '../pipelines/definition/attack.ts';
import { RetrievalGatesSchema } from '../pipelines/definition/retrieval.ts';
import { RETRIEVAL_GATE_TABLE } from '../pipelines/gates/retrieval.ts';
import { pythonForTests } from '../test/support/python.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';
import { tinyImages } from '../test/support/tiny-image.ts';
import { putPictures, type MadePicture } from '../test/support/tiny-pictures.ts';
import { remembered } from './selection/remember.ts';
import { exactly, median } from './support.ts';

const root = process.env['ESPALIER_TEST_DATA'];
if (root === undefined) throw new Error('set ESPALIER_TEST_DATA');
const DRAWS = Number(process.argv[2] ?? 5);
const named = (process.argv[3] ?? 'tiny') === 'tiny' ? undefined : process.argv[3];
const GATES = process.argv[4] === 'squares' ? SQUARE_GATES : ATTACK_GATES;
const FIRST = Number(process.argv[5] ?? 0);
const LABELS = ['airplane', 'automobile', 'frog'];
const [GALLERY, TEST] = named === undefined ? [900, 200] : [300, 60];
/** Levels of 255: nothing to speak of, the default, and what Madry et al. attack CIFAR-10 with. */
const EPSILONS = process.argv[6]?.split(',').map(Number) ?? [0.001, 2, 8];
const limits = RetrievalGatesSchema.parse({ fgsmRobustness: {}, pgdRobustness: {}, squareRobustness: {} });

async function photosOf(split: string): Promise<readonly MadePicture[]> {
  const photos: MadePicture[] = [];
  const file = join(root!, 'datasets/cifar10-jpeg', `${split}.tar`);
  for await (const { name, bytes } of tarMembers(file, split, () => 2 ** 20)) {
    const label = name.split('/')[0]!;
    if (bytes === undefined || !LABELS.includes(label)) continue;
    const id = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
    photos.push({ id, label, bytes: Buffer.from(bytes) });
  }
  return photos;
}

function drawn(photos: readonly MadePicture[], count: number, seed: number): readonly MadePicture[] {
  const order = photos.map((_, at) => at);
  shuffleStart(order, count, seededRandom(seed, 92));
  return order.slice(0, count).map((at) => photos[at]!);
}

const storage = await withStore();
const { store } = storage;
const services = { store, pointers: storage.pointers, python: pythonForTests() };
const folder = named === undefined ? (await tinyImages()).model : join(root, 'models', named);
const [known, asked] = [await photosOf('train'), await photosOf('test')];

interface Judged {
  /** Share of the test photographs that find their label first. */
  readonly found: number;
  readonly attacks: readonly { readonly key: string; readonly stands: number; readonly failed: boolean }[];
}

async function judged({ encoder, weights }: ExportedEncoder, seed: number): Promise<Judged> {
  const splits = { train: drawn(known, GALLERY, seed), validation: [], test: drawn(asked, TEST, seed) };
  const dataset = await putPictures(store, splits, { labels: LABELS });
  const { index } = await runStep(buildIndex, { model: encoder, dataset, seed }, services);
  const of = { index, dataset, seed, threads: 1 };
  const attacks: Judged['attacks'][number][] = [];
  let found = Number.NaN;
  for (const epsilonLevels of EPSILONS) {
    const { steps, queries, pictures } = AttackSchema.parse({ epsilonLevels, pictures: TEST });
    const how = { epsilonLevels, pictures };
    const squares = await runStep(attackBySquares, { ...of, model: encoder, attack: { ...how, queries } }, services);
    const byGradients = { ...of, model: weights, attack: { ...how, steps, stepLevels: (2.5 * epsilonLevels) / steps } };
    const gradients = GATES === SQUARE_GATES ? null : await runStep(attackGradients, byGradients, services);
    found = squares.accuracy.value ?? Number.NaN;
    const all: Partial<Record<AttackGate, Score>> = { ...gradients?.measures, ...squares.measures };
    for (const name of GATES) {
      const score = all[name] ?? NO_SCORE;
      const { verdict } = judgeGate(name, RETRIEVAL_GATE_TABLE[name], score, limits[name]);
      const key = `\`${name}\`, ε ${epsilonLevels}`;
      attacks.push({ key, stands: score.value ?? Number.NaN, failed: verdict === 'fail' });
    }
  }
  return { found, attacks };
}

const draws: Judged[] = [];
try {
  const encode = { task: 'image-classification', model: await store.putTree(folder, 'model'), frozen: true } as const;
  const encoded = await runStep(exportEncoder, encode, services);
  const of = [
    attackBySquares.version,
    attackGradients.version,
    named ?? 'tiny',
    GALLERY,
    TEST,
    EPSILONS,
    GATES,
    limits,
  ];
  for (let seed = FIRST; seed < FIRST + DRAWS; seed++) {
    draws.push(
      await remembered(['gates-attack-finder', ...of, AttackSchema.parse({}), seed], () => judged(encoded, seed)),
    );
    console.error(`draw ${seed} after ${(performance.now() / 1000).toFixed(0)} s`);
  }
} finally {
  storage.close();
}

const percent = (value: number): string => (100 * value).toFixed(1);
const title = named ?? 'a tiny random ResNet';
const found = median(draws.map((one) => one.found));
console.log(`${title}: ${DRAWS} draws, ${percent(found)} % of ${TEST} find their label first (median)`);
console.log('| gate, levels | first neighbours that stand, median (lowest to highest) | failed |\n| --- | --- | --- |');
for (const { key } of draws[0]?.attacks ?? []) {
  const of = draws.flatMap(({ attacks }) => attacks.filter((one) => one.key === key));
  const values = of.map(({ stands }) => stands);
  const range = `${percent(Math.min(...values))} to ${percent(Math.max(...values))} %`;
  const failed = of.filter((one) => one.failed).length;
  console.log(`| ${key} | ${percent(median(values))} % (${range}) | ${exactly(failed, of.length)} |`);
}
