/**
 * Too slow, too large and with too much memory: how often the limits of classifiers of pictures and of finders (`latencyP95Ms`, `sizeMb`,
 * `memoryMb`, `hardwareFit`) catch a model beyond them, and accuse one within. Within is ResNet-20 with a head of ten labels, and
 * with a gallery of 2,000; beyond are another backbone (ResNet-50 to its third stage), a gallery of 400,000 that is searched exactly, and the same
 * graph with more to compute or more to hold (bench/gates/heavier_graph.py). Photographs are of CIFAR-10, others every draw; heads
 * and galleries are drawn numbers, which cost what learnt ones do.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-limits-pictures.ts [draws = 20] [classifiers | finders | both]
 */
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finderFit } from '../activities/retrieval/finder-fit.ts';
import { measureModel, type ProfileAnswer } from '../activities/selection/profile-encoder.ts';
import { exportClassifier } from '../activities/training/export-classifier.ts';
import { writeHeadFolder } from '../activities/training/head-folder.ts';
import { hardwareFit } from '../activities/validation/hardware-fit.ts';
import { sizeMb } from '../activities/validation/model-folder.ts';
import { sampleIndices, seededRandom } from '../activities/validation/random.ts';
import { plainScore } from '../activities/validation/scores.ts';
import { readModelConfig } from '../inference/config.ts';
import { INDEX_FILE, VECTORS_FILE } from '../inference/retrieval/index-files.ts';
import { RETRIEVAL_GATE_TABLE } from '../pipelines/gates/retrieval.ts';
import { GATE_TABLE } from '../pipelines/gates/table.ts';
import { pythonForTests } from '../test/support/python.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';
import { drawnIndex } from './gates/drawn-index.ts';
import { heavier } from './gates/heavier.ts';
import { latencyScores, limitRates, measureInTurn, SLOW_FROM, type HeldGate, type Scores } from './gates/limits.ts';
import { exportedBackbone, photographs } from './gates/photographs.ts';
import { holdToGoals, type Rate } from './gates/rates.ts';

const DRAWS = Number(process.argv[2] ?? 20);
const OF = process.argv[3] ?? 'both';
const PICTURES = 50;
const LABELS = Array.from({ length: 10 }, (_, label) => `label ${label}`);
const K = 10;
/** Products of matrices: on a busy machine ResNet-20 took 10 ms for a picture, and 80 with them. */
const SLOW = { products: 600 };
const PADDED = { megabytes: 64 };
const GALLERY = 2000;
const LARGE_GALLERY = 400_000;
/** Of a device: a server has a worker a core. Its memory is what the limits are about. */
const DEVICE = { ramMb: 1e6, cores: 4 };
const { signal } = new AbortController();
const encoderMbOf = new Map<string, number>();

/** In the order of what is within a limit and what is beyond it. */
const CLASSIFIERS: readonly HeldGate[] = [
  {
    gate: 'latencyP95Ms',
    within: ['ResNet-20', 'with a table of 64 MB'],
    beyond: ['ResNet-50 to its third stage', 'with slow nodes'],
    timesWithin: SLOW_FROM,
  },
  {
    gate: 'sizeMb',
    within: ['ResNet-20', 'with slow nodes'],
    beyond: ['ResNet-50 to its third stage', 'with a table of 64 MB'],
  },
  { gate: 'memoryMb', within: ['ResNet-20', 'with slow nodes'], beyond: ['with a table of 64 MB'] },
  { gate: 'hardwareFit', within: ['ResNet-20', 'with slow nodes'], beyond: ['with a table of 64 MB'] },
].map((held) => ({ ...held, row: GATE_TABLE[held.gate as 'sizeMb'] }));
const SMALL = 'ResNet-20, a gallery of 2,000';
const FINDERS: readonly HeldGate[] = [
  {
    gate: 'latencyP95Ms',
    within: [SMALL, 'with a table of 64 MB'],
    beyond: ['a gallery of 400,000', 'with slow nodes'],
    timesWithin: SLOW_FROM,
  },
  { gate: 'sizeMb', within: [SMALL, 'with slow nodes'], beyond: ['a gallery of 400,000', 'with a table of 64 MB'] },
  { gate: 'memoryMb', within: [SMALL, 'with slow nodes'], beyond: ['a gallery of 400,000', 'with a table of 64 MB'] },
  {
    gate: 'hardwareFit',
    within: [SMALL, 'with slow nodes'],
    beyond: ['a gallery of 400,000', 'with a table of 64 MB'],
  },
].map((held) => ({ ...held, row: RETRIEVAL_GATE_TABLE[held.gate as 'sizeMb'] }));

const scratch = await mkdtemp(join(tmpdir(), 'espalier-bench-limits-pictures-'));
try {
  const resnet = await exportedBackbone('resnet20-cifar10', 'akamaster');
  const resnet50 = await exportedBackbone('resnet50v2-trunk-stage3');
  const classifier = await classifierOf(resnet.weights);
  const classifiers = {
    'ResNet-20': classifier,
    'ResNet-50 to its third stage': await classifierOf(resnet50.weights),
    'with slow nodes': await heavier(classifier, scratch, 'embedding', SLOW),
    'with a table of 64 MB': await heavier(classifier, scratch, 'embedding', PADDED),
  };
  const { encoder } = resnet;
  const gallery = await drawnIndex(encoder, scratch, GALLERY);
  const finders = {
    [SMALL]: { encoder, gallery },
    'a gallery of 400,000': { encoder, gallery: await drawnIndex(encoder, scratch, LARGE_GALLERY) },
    'with slow nodes': { encoder: await heavier(encoder, scratch, 'embedding', SLOW), gallery },
    'with a table of 64 MB': { encoder: await heavier(encoder, scratch, 'embedding', PADDED), gallery },
  };
  const all = await photographs('test', 2000);
  const asked = async (draw: number): Promise<readonly string[]> => {
    const folder = join(scratch, `draw-${draw}`);
    await mkdir(folder, { recursive: true });
    const chosen = sampleIndices(all.length, PICTURES, seededRandom(draw)).map((at) => all[at]!);
    await Promise.all(chosen.map(({ id, bytes }) => writeFile(join(folder, id), bytes)));
    return chosen.map(({ id }) => join(folder, id));
  };
  const rates: Rate[] = [];
  if (OF !== 'finders') {
    const measured = await measureInTurn(classifiers, DRAWS, async (folder, draw) =>
      ofClassifier(folder, await asked(draw)),
    );
    rates.push(...limitRates(measured, CLASSIFIERS, 'classifiers of pictures'));
  }
  if (OF !== 'classifiers') {
    const measured = await measureInTurn(finders, DRAWS, async (finder, draw) => ofFinder(finder, await asked(draw)));
    rates.push(...limitRates(measured, FINDERS, 'finders'));
  }
  holdToGoals(rates);
} finally {
  await rm(scratch, { recursive: true });
}

async function classifierOf(backbone: string): Promise<string> {
  const random = seededRandom(1);
  const { dimension } = await readModelConfig(backbone);
  const weights = LABELS.map(() => Array.from({ length: dimension }, () => random.normal()));
  const [folder, out] = [await mkdtemp(join(scratch, 'head-')), await mkdtemp(join(scratch, 'classifier-'))];
  await writeHeadFolder(backbone, LABELS, { weights, bias: LABELS.map(() => 0), temperature: 1 }, folder);
  const { store, pointers, close } = await withStore();
  const services = { store, pointers, python: pythonForTests() };
  const model = await store.putTree(folder, 'model');
  const exported = await runStep(exportClassifier, { task: 'image-classification', model }, services);
  await store.checkout(exported.classifier, out);
  close();
  return out;
}

/** As `validation.evaluate` measures, but for `hardwareFit`, which is the memory that is asked of the device. */
async function ofClassifier(folder: string, pictures: readonly string[]): Promise<Scores> {
  const answer = await measureModel({ folder, pictures }, signal);
  const { processMb, memoryMb: modelMb } = answer;
  const { parts } = hardwareFit(DEVICE, { processMb, modelMb, filesMb: 0 });
  return scoresOf(answer, await sizeMb(folder), parts[0]!.neededMb);
}

/** As `retrieval.evaluate` does. */
async function ofFinder(
  { encoder: folder, gallery }: { readonly encoder: string; readonly gallery: string },
  pictures: readonly string[],
): Promise<Scores> {
  const answer = await measureModel({ folder, pictures, index: { folder: gallery, k: K } }, signal);
  const encoderMb = await encoderMemory(folder, pictures);
  const [headerMb = 0, vectorsMb = 0] = await Promise.all(
    [INDEX_FILE, VECTORS_FILE].map(async (file) => (await stat(join(gallery, file))).size / 1e6),
  );
  const graphMb = await sizeMb(folder);
  const { parts } = finderFit(DEVICE, { processMb: answer.processMb, encoderMb, graphMb, vectorsMb, filesMb: 0 });
  return scoresOf(answer, graphMb + headerMb + vectorsMb, parts[0]!.neededMb);
}

/** Of an encoder by itself, once each. */
async function encoderMemory(folder: string, pictures: readonly string[]): Promise<number> {
  const known = encoderMbOf.get(folder) ?? (await measureModel({ folder, pictures }, signal)).memoryMb;
  encoderMbOf.set(folder, known);
  return known;
}

function scoresOf({ latency, memoryMb }: ProfileAnswer, filesMb: number, neededMb: number): Scores {
  return {
    ...latencyScores(latency),
    memoryMb: plainScore(memoryMb, latency.runs),
    sizeMb: plainScore(filesMb, 0),
    hardwareFit: plainScore(neededMb, 0),
  };
}
