/**
 * What FGSM, PGD and the square attack leave of the first neighbours that an encoder finds as it came, and how often the gates of
 * a finder fail it: at an ε that nobody sees, where they should, and at one that moves nothing, where they should pass. CIFAR-10
 * photographs of three labels; every draw has another gallery, other test photographs and another seed. Nothing is trained.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-attack-finder.ts [draws = 5] [a folder below models/, with weights; else a tiny random ResNet]
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { tarMembers } from '../activities/data/images/tar-members.ts';
import { buildIndex } from '../activities/retrieval/build-index.ts';
import { exportEncoder } from '../activities/training/export-encoder.ts';
import { attackBySquares } from '../activities/validation/attack-by-squares.ts';
import { attackGradients } from '../activities/validation/attack-gradients.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { seededRandom, shuffleStart } from '../activities/validation/random.ts';
import { wilsonInterval } from '../activities/validation/statistics.ts';
import { ATTACK_GATES } from '../pipelines/attack.ts';
import { RetrievalGatesSchema } from '../pipelines/definition/retrieval.ts';
import { RETRIEVAL_GATE_TABLE } from '../pipelines/gates/retrieval.ts';
import { pythonForTests } from '../test/support/python.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';
import { tinyImages } from '../test/support/tiny-image.ts';
import { putPictures, type MadePicture } from '../test/support/tiny-pictures.ts';
import { median } from './support.ts';

const root = process.env['ESPALIER_TEST_DATA'];
if (root === undefined) throw new Error('set ESPALIER_TEST_DATA');
const DRAWS = Number(process.argv[2] ?? 5);
const named = process.argv[3];
const LABELS = ['airplane', 'automobile', 'frog'];
const [GALLERY, TEST, QUERIES] = named === undefined ? [900, 200, 300] : [300, 60, 100];
/** Levels of 255: nothing to speak of, the default, and what Madry et al. attack CIFAR-10 with. */
const EPSILONS = [0.001, 2, 8];
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
const shares = new Map<string, number[]>();
const failed = new Map<string, number>();
const found: number[] = [];
try {
  const folder = named === undefined ? (await tinyImages()).model : join(root, 'models', named);
  const encode = { task: 'image-classification', model: await store.putTree(folder, 'model'), frozen: true } as const;
  const { encoder, weights } = await runStep(exportEncoder, encode, services);
  const [known, asked] = [await photosOf('train'), await photosOf('test')];
  for (let seed = 0; seed < DRAWS; seed++) {
    const splits = { train: drawn(known, GALLERY, seed), validation: [], test: drawn(asked, TEST, seed) };
    const dataset = await putPictures(store, splits, { labels: LABELS });
    const { index } = await runStep(buildIndex, { model: encoder, dataset, seed }, services);
    for (const epsilonLevels of EPSILONS) {
      const of = { index, dataset, seed, threads: 1 };
      const how = { epsilonLevels, pictures: TEST };
      const steps = { steps: 10, stepLevels: epsilonLevels / 4 };
      const byGradients = { ...of, model: weights, attack: { ...how, ...steps } };
      const { measures, accuracy } = await runStep(attackGradients, byGradients, services);
      const byQuestions = { ...of, model: encoder, attack: { ...how, queries: QUERIES } };
      const squares = await runStep(attackBySquares, byQuestions, services);
      if (epsilonLevels === EPSILONS[0]) found.push(accuracy.value ?? Number.NaN);
      const all = { ...measures, ...squares.measures };
      for (const name of ATTACK_GATES) {
        const { verdict } = judgeGate(name, RETRIEVAL_GATE_TABLE[name], all[name], limits[name]);
        const key = `\`${name}\`, ε ${epsilonLevels}`;
        shares.set(key, [...(shares.get(key) ?? []), all[name].value ?? Number.NaN]);
        failed.set(key, (failed.get(key) ?? 0) + (verdict === 'fail' ? 1 : 0));
      }
    }
  }
} finally {
  storage.close();
}

const percent = (value: number): string => (100 * value).toFixed(1);
const title = named ?? 'a tiny random ResNet';
console.log(`${title}: ${DRAWS} draws, ${percent(median(found))} % of ${TEST} find their label first (median)`);
console.log('| gate, levels | first neighbours that stand, median (lowest to highest) | failed |\n| --- | --- | --- |');
for (const [key, values] of shares) {
  const count = failed.get(key) ?? 0;
  const { low, high } = wilsonInterval(count, DRAWS);
  const range = `${percent(Math.min(...values))} to ${percent(Math.max(...values))} %`;
  console.log(
    `| ${key} | ${percent(median(values))} % (${range}) | ${count} of ${DRAWS} (${percent(low)} to ${percent(high)} %) |`,
  );
}
