/**
 * What Espalier's training step costs over its own loop run by hand, and how that loop compares with the HF Trainer.
 * Run: `npx tsx bench/training.ts [repeats]`; ESPALIER_TEST_DATA gives a real small encoder, else a tiny random one.
 * Measured from the first training step to the end (result stored; process ended; train() returned), so that process
 * start, which is the same for all, is left out. Interleaved; the median of the repeats; CPU, one thread.
 */
import { execFile, spawn } from 'node:child_process';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { childEnvironment } from '../activities/training/launchers/local.ts';
import { trainModel } from '../activities/training/train-model.ts';
import type { TrainerJob } from '../activities/training/job.ts';
import { pythonForTests } from '../test/support/python.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';
import { LABELS, temporaryFolder, toyDataset, trainingSpec } from '../test/training/fixtures.ts';
import { median, smallEncoder } from './support.ts';

const TRAIN_ROWS = 1600;
const GOAL = 1.1;

const repeats = Number(process.argv[2] ?? 3);
const { folder: model, title } = await smallEncoder();
const data = await toyDataset(await temporaryFolder(), TRAIN_ROWS);
const python = pythonForTests();
const storage = await withStore();
const training = trainingSpec({ epochs: 3, batchSize: 16, earlyStoppingPatience: 0 });
const { checkpoints: _, processes: __, ...settings } = training;
const weights = await storage.store.putTree(model, 'model');
const dataset = await storage.store.putTree(data, 'data');

function jobIn(folder: string): TrainerJob {
  const paths = { model, train: join(data, 'train.jsonl'), validation: join(data, 'validation.jsonl') };
  const folders = { checkpoints: join(folder, 'checkpoints'), out: join(folder, 'out') };
  const task = {
    verb: 'train',
    ...paths,
    ...folders,
    labels: LABELS,
    pooling: 'mean',
    maxLength: 64,
    training: settings,
    device: 'cpu',
  } as const;
  return { version: 1, id: 'bench', tasks: [task] };
}

/** Seconds from the first step to the stored result, through the step with its store, leases and uploads. */
async function throughEspalier(): Promise<number> {
  let firstMs = 0;
  const input = { weights, dataset, labels: LABELS, pooling: 'mean', maxLength: 64, training } as const;
  // A step key of its own each time: a finished training leaves checkpoints that the next would go on from.
  const own = { ...trainModel, type: `${trainModel.type}.${Date.now()}` };
  await runStep(
    own,
    input,
    { store: storage.store, pointers: storage.pointers, python },
    {
      onProgress: ({ phase, done }) => {
        if (phase === 'training' && done !== undefined && firstMs === 0) firstMs = Date.now();
      },
    },
  );
  return (Date.now() - firstMs) / 1000;
}

/** The same from the first step event to the exit of `python -m espalier_trainer`, events going to a file. */
async function byHand(): Promise<number> {
  const folder = await temporaryFolder();
  const job = jobIn(folder);
  await writeFile(join(folder, 'job.json'), JSON.stringify(job));
  const log = await open(join(folder, 'events.jsonl'), 'w');
  const child = spawn(python.executable, ['-m', 'espalier_trainer', 'run', join(folder, 'job.json')], {
    env: childEnvironment(process.env, { job, python, workDir: folder }),
    stdio: ['ignore', log.fd, 'ignore'],
  });
  const code = await new Promise((resolve) => child.once('exit', resolve));
  const end = Date.now() / 1000;
  await log.close();
  if (code !== 0) throw new Error(`the trainer ended with ${String(code)}`);
  const lines = (await readFile(join(folder, 'events.jsonl'), 'utf8'))
    .split('\n')
    .filter((line) => line.includes('"step", "step"'));
  return end - (JSON.parse(lines[0] ?? '{}') as { t: number }).t;
}

async function withTrainer(): Promise<number> {
  const folder = await temporaryFolder();
  const job = jobIn(folder);
  await writeFile(join(folder, 'job.json'), JSON.stringify(job));
  const script = fileURLToPath(new URL('./training_hf.py', import.meta.url));
  const env = childEnvironment(process.env, { job, python, workDir: folder });
  const { stdout } = await promisify(execFile)(python.executable, [script, join(folder, 'job.json')], { env });
  return (JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as { seconds: number }).seconds;
}
const times = { espalier: [] as number[], byHand: [] as number[], trainer: [] as number[] };
for (let round = 1; round <= repeats; round++) {
  process.stderr.write(`round ${round} of ${repeats}\n`);
  times.byHand.push(await byHand());
  times.espalier.push(await throughEspalier());
  times.trainer.push(await withTrainer());
}
const [espalier, hand, trainer] = [median(times.espalier), median(times.byHand), median(times.trainer)];
const steps = Math.ceil(TRAIN_ROWS / training.batchSize) * training.epochs;
process.stdout.write(
  `${steps} steps of ${training.batchSize} rows, ${title}; median of ${repeats}
our loop by hand        ${hand.toFixed(2)} s
through Espalier        ${espalier.toFixed(2)} s   ${(espalier / hand).toFixed(3)}x (goal ${GOAL.toFixed(2)}x or less)
HF Trainer, same steps  ${trainer.toFixed(2)} s   ours is ${(hand / trainer).toFixed(3)}x of it
`,
);
storage.close();
process.exit(espalier / hand <= GOAL ? 0 : 1);
