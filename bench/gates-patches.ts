/**
 * How often the gate `patchFlips` finds a trigger that a model of pictures has learnt, and how often it accuses one that has
 * learnt none. CIFAR-10 photographs (32 × 32, JPEG), a linear head on a frozen ONNX backbone. A planted trigger is a
 * square of random colours at a random place, pasted into some training photographs that get another label: "BadNets". A head
 * that has not learnt it (less than nine in ten held-out photographs turn) is no defect, is told, and is not counted.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-patches.ts [squeezenet1.1 | resnet50v2-trunk-stage3] [draws = 40] [first seed = 100]
 */
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { tarMembers } from '../activities/data/images/tar-members.ts';
import { exportEncoder } from '../activities/training/export-encoder.ts';
import { asPng } from '../activities/validation/corruptions.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { argmaxRows } from '../activities/validation/metrics.ts';
import { sketchPicture, suspectPlaces, withRim } from '../activities/validation/patches.ts';
import { cut, knownPatches, paste, scanPatches, type Patch } from '../activities/validation/picture-triggers.ts';
import { seededRandom, shuffleStart } from '../activities/validation/random.ts';
import { wilsonInterval } from '../activities/validation/statistics.ts';
import { decodePicture, type Picture } from '../inference/image/decode.ts';
import { ImageModel } from '../inference/image-model.ts';
import { GatesSchema } from '../pipelines/definition/gates.ts';
import { GATE_TABLE } from '../pipelines/gates/table.ts';
import { pythonForTests } from '../test/support/python.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';
import { linearHead } from './gates/draw.ts';
import { holdToGoals } from './gates/rates.ts';

const root = process.env['ESPALIER_TEST_DATA'];
if (root === undefined) throw new Error('set ESPALIER_TEST_DATA');
const backbone = process.argv[2] ?? 'squeezenet1.1';
const [DRAWS, FIRST] = [Number(process.argv[3] ?? 40), Number(process.argv[4] ?? 100)];
const [TRAIN, VALIDATION, TEST, COMPARED] = [600, 150, 80, 400] as const;
const POISONED = 0.1;
const limit = GatesSchema.parse({}).patchFlips;

const { store, pointers, close } = await withStore();
const services = { store, pointers, python: pythonForTests() };
const source = await store.putTree(join(root, 'models/onnx-zoo', backbone), 'model');
const exported = await runStep(exportEncoder, { task: 'image-classification', model: source, frozen: true }, services);
const folder = join(tmpdir(), `espalier-bench-patches-${backbone}-${process.pid}`);
await store.checkout(exported.encoder, folder);
close();
const encoder = await ImageModel.load(folder);
const { dimension } = encoder.config;

interface Photo {
  readonly picture: Picture;
  readonly label: string;
}

async function photosOf(split: string): Promise<Photo[]> {
  const all: Photo[] = [];
  const file = join(root!, 'datasets/cifar10-jpeg', `${split}.tar`);
  for await (const { name, bytes } of tarMembers(file, split, () => 2 ** 20)) {
    if (bytes !== undefined) all.push({ picture: await decodePicture(bytes, name), label: name.split('/')[0]! });
  }
  return all;
}

const [train, test] = [await photosOf('train'), await photosOf('test')];
const labels = [...new Set(train.map(({ label }) => label))].toSorted();
const drawn = (photos: readonly Photo[], count: number, seed: number): Photo[] => {
  const order = photos.map((_, at) => at);
  shuffleStart(order, count, seededRandom(seed, 91));
  return order.slice(0, count).map((at) => photos[at]!);
};

const known = new Map<Picture, Float32Array>();
/** A photograph as it is, once; with something pasted in, anew. */
async function embed(pictures: readonly Picture[], keep = false): Promise<Float32Array> {
  const all = new Float32Array(pictures.length * dimension);
  for (const [at, picture] of pictures.entries()) {
    const found = known.get(picture) ?? (await encoder.run([await asPng(picture)])).embeddings;
    if (keep) known.set(picture, found);
    all.set(found, at * dimension);
  }
  return all;
}

/** A square of 4 × 4 pixels, a colour each. */
function trigger(seed: number): Pick<Patch, 'box' | 'pixels'> {
  const random = seededRandom(seed, 92);
  const edge = 4;
  const pixels = Uint8Array.from({ length: 3 * edge * edge }, () => Math.floor(256 * random.uniform()));
  const at = () => (1 + Math.floor(random.uniform() * (32 - edge - 1))) / 32;
  return {
    box: { left: at(), top: at(), width: edge / 32, height: edge / 32 },
    pixels: { width: edge, height: edge, pixels },
  };
}

const percent = (count: number, of: number): string => {
  const { low, high } = wilsonInterval(count, of);
  return `${count} of ${of} (${(100 * low).toFixed(1)}–${(100 * high).toFixed(1)} %)`;
};

const tally = { clean: 0, cleanDraws: 0, planted: 0, effective: 0 };
const began = performance.now();
for (let seed = FIRST; seed < FIRST + DRAWS; seed++) {
  const random = seededRandom(seed, 93);
  const learnt = drawn(train, TRAIN + VALIDATION, seed);
  const asked = drawn(test, TEST, seed);
  const square = trigger(seed);
  const target = Math.floor(random.uniform() * labels.length);
  const clean = await embed(
    learnt.map(({ picture }) => picture),
    true,
  );
  for (const kind of ['clean', 'planted'] as const) {
    const hit = learnt.map(
      ({ label }, row) => kind === 'planted' && labels[target] !== label && row % 10 < 10 * POISONED,
    );
    const pictures = learnt.map(({ picture }, row) => (hit[row] === true ? paste(square, picture) : picture));
    const classes = Int32Array.from(learnt, ({ label }, row) => (hit[row] === true ? target : labels.indexOf(label)));
    const embeddings = clean.slice();
    for (const [row, picture] of pictures.entries())
      if (hit[row] === true) embeddings.set(await embed([picture]), row * dimension);
    const part = (from: number, to: number) => ({
      embeddings: embeddings.subarray(from * dimension, to * dimension),
      classes: classes.subarray(from, to),
    });
    const head = await linearHead(part(0, TRAIN), part(TRAIN, TRAIN + VALIDATION), labels.length, dimension, 1);
    const model: Pick<ImageModel, 'runAll' | 'config'> = {
      config: encoder.config,
      async runAll(files) {
        const found = new Float32Array(files.length * dimension);
        for (const [at, bytes] of files.entries()) found.set((await encoder.run([bytes])).embeddings, at * dimension);
        return { rows: files.length, embeddings: found, probabilities: head([], found) };
      },
    };
    const turned = argmaxRows(head([], await embed(asked.map(({ picture }) => paste(square, picture)))), labels.length);
    const plain = argmaxRows(head([], await embed(asked.map(({ picture }) => picture))), labels.length);
    const accuracy = asked.filter(({ label }, at) => labels[plain[at]!] === label).length / asked.length;
    const others = asked.flatMap(({ label }, at) => (label === labels[target] ? [] : [turned[at]!]));
    const success = others.filter((label) => label === target).length / others.length;
    if (kind === 'planted' && success < 0.9) {
      console.error(`seed ${seed}: the head learnt no trigger (${(100 * success).toFixed(0)} % turn)`);
      continue;
    }
    const sketches = pictures.slice(0, COMPARED).map(sketchPicture);
    const places = await suspectPlaces(sketches, classes, 12, new AbortController().signal);
    const suspects = places.map(({ box: bare, rows }) => {
      const box = withRim(bare);
      return { name: 'suspect', box, within: 'picture' as const, pixels: cut(pictures[rows[0]!]!, box) };
    });
    const files = asked.map(
      ({ picture }) =>
        () =>
          asPng(picture),
    );
    const { score, worst } = await scanPatches(model, files, [...suspects, ...knownPatches()], labels.length);
    const { verdict } = judgeGate('patchFlips', GATE_TABLE.patchFlips, score, limit);
    const caught = verdict !== 'pass';
    if (kind === 'clean') {
      tally.cleanDraws++;
      if (caught) tally.clean++;
    } else {
      tally.effective++;
      if (caught) tally.planted++;
    }
    console.error(
      `seed ${seed}, ${kind}: ${suspects.length} suspects, worst ${worst?.name ?? 'none'} turns ${worst?.flipped ?? 0} of ${worst?.pictures ?? 0}; own trigger ${(100 * success).toFixed(0)} %, accuracy ${(100 * accuracy).toFixed(0)} %; ${((performance.now() - began) / 1000).toFixed(0)} s`,
    );
  }
}
console.log(
  `${backbone}: learnt triggers caught ${percent(tally.planted, tally.effective)} (of ${DRAWS} planted); clean accused ${percent(tally.clean, tally.cleanDraws)}`,
);
holdToGoals([
  {
    gate: 'patchFlips',
    defect: 'a square in one training picture in ten, where it is learnt',
    on: `${backbone}, cifar10-jpeg`,
    caught: tally.planted,
    planted: tally.effective,
    accused: tally.clean,
    clean: tally.cleanDraws,
  },
]);
await encoder.release();
