/**
 * What checkpoints cost a training: the same one through the step, with a checkpoint every second, uploaded to an S3
 * gateway while it goes on, and with none but the first epoch's. Interleaved rounds. Every second is far more often than
 * ever by itself, so that the cost shows at all: from what one save costs altogether (the training waits for it, and
 * computes slower while it is uploaded) follows the growth at the shortest interval that `auto` chooses. Exits 1 when that is
 * over 3 %.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/checkpoints.ts [rounds]
 */
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import type { Launcher } from '../activities/training/launchers/launcher.ts';
import { localLauncher } from '../activities/training/launchers/local.ts';
import { trainModel } from '../activities/training/train-model.ts';
import { pythonForTests } from '../test/support/python.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';
import { LABELS, temporaryFolder, toyDataset, trainingSpec } from '../test/training/fixtures.ts';
import { median, smallEncoder } from './support.ts';

const GOAL = 1.03;
/** workers/trainer/espalier_trainer/cadence.py */
const SHORTEST_INTERVAL_MS = 30_000;
const TRAIN_ROWS = 1600;
const rounds = Number(process.argv[2] ?? 5);
const encoder = await smallEncoder();
const storage = await withStore();
const weights = await storage.store.putTree(encoder.folder, 'model');
const dataset = await storage.store.putTree(await toyDataset(await temporaryFolder(), TRAIN_ROWS), 'data');

interface Run {
  /** Median milliseconds from a step to the next where nothing was saved between them. */
  readonly stepMs: number;
  /** Their mean: a median would hide steps that only an upload in progress slows down. */
  readonly meanStepMs: number;
  /** Mean milliseconds from a step to the next within an epoch, saves included. */
  readonly stepWithSavesMs: number;
  readonly steps: number;
  readonly saves: number;
  /** Mean of what the process says that writing and syncing took. */
  readonly saveMs: number;
  readonly saveMb: number;
  readonly kept: number;
  readonly digest: string;
}

async function train(every: string): Promise<Run> {
  const between: { ms: number; saved: boolean }[] = [];
  const saves: { seconds: number; bytes: number }[] = [];
  let last: { t: number; epoch: number } | undefined;
  let saved = false;
  const listening: Launcher = {
    name: 'listening',
    async start(job, options) {
      const child = await localLauncher.start(job, options);
      const [forUs, events] = [new PassThrough(), new PassThrough()];
      child.events.pipe(forUs);
      child.events.pipe(events);
      createInterface({ input: forUs }).on('line', (line) => {
        const event = JSON.parse(line) as { type: string; t: number; epoch: number; seconds: number; bytes: number };
        if (event.type === 'checkpoint') saves.push(event);
        if (event.type === 'checkpoint') saved = true;
        if (event.type !== 'step') return;
        // Between epochs lies an evaluation.
        if (last?.epoch === event.epoch) between.push({ ms: (event.t - last.t) * 1000, saved });
        last = event;
        saved = false;
      });
      return { ...child, events };
    },
  };
  let kept = 0;
  let newest: number | undefined;
  const training = trainingSpec({
    epochs: 4,
    batchSize: 16,
    earlyStoppingPatience: 0,
    checkpoints: { every, keepLast: 2, keepBest: 0, failureRatePerHour: 0.05 },
  });
  const trained = await runStep(
    trainModel,
    { weights, dataset, labels: LABELS, pooling: 'mean', maxLength: 64, training },
    { ...storage, python: pythonForTests(), launcher: listening },
    {
      runId: randomUUID(),
      reuse: false,
      onProgress: ({ lastCheckpointStep }) => {
        if (lastCheckpointStep !== undefined && lastCheckpointStep !== newest) kept += 1;
        newest = lastCheckpointStep;
      },
    },
  );
  const times = (withSave: boolean) => between.filter((one) => one.saved === withSave).map(({ ms }) => ms);
  const stepMs = median(times(false));
  return {
    stepMs,
    meanStepMs: mean(times(false)),
    stepWithSavesMs: mean(between.map(({ ms }) => ms)),
    steps: between.length,
    saves: saves.length,
    saveMs: mean(saves.map(({ seconds }) => seconds * 1000)),
    saveMb: median(saves.map(({ bytes }) => bytes / 1e6)),
    kept,
    digest: trained.model.digest,
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

const found: { none: Run; often: Run }[] = [];
for (let round = 1; round <= rounds; round++) {
  // The order changes, for whatever drifts on the machine.
  const first = await train(round % 2 === 0 ? '1s' : '1h');
  const second = await train(round % 2 === 0 ? '1h' : '1s');
  const [often, none] = round % 2 === 0 ? [first, second] : [second, first];
  found.push({ none, often });
  process.stderr.write(`round ${round}: ${JSON.stringify({ none, often })}\n`);
}
const of = (which: 'none' | 'often', name: Exclude<keyof Run, 'digest'>) =>
  median(found.map((pair) => pair[which][name]));
const ratioOf = (name: Exclude<keyof Run, 'digest'>) =>
  median(found.map(({ none, often }) => often[name] / none[name]));
const digests = new Set(found.flatMap(({ none, often }) => [none.digest, often.digest]));
const row = (title: string, which: 'none' | 'often') => {
  const cell = (name: Exclude<keyof Run, 'digest'>, width: number, digits = 1) =>
    of(which, name).toFixed(digits).padStart(width);
  const times = `${cell('stepMs', 15)} ms${cell('meanStepMs', 9)} ms${cell('stepWithSavesMs', 12)} ms`;
  return `${title.padEnd(17)}${cell('saves', 5, 0)}${cell('saveMb', 7)}${cell('kept', 8, 0)}${cell('saveMs', 8, 0)} ms${times}`;
};
/** Milliseconds that one save costs the training, from beginning to end. */
const cost = median(
  found.map(
    ({ none, often }) =>
      ((often.stepWithSavesMs - none.stepWithSavesMs) * often.steps) / Math.max(1, often.saves - none.saves),
  ),
);
const growth = 1 + cost / SHORTEST_INTERVAL_MS;
process.stdout.write(
  `${encoder.title}, batches of 16; medians of ${rounds} interleaved pairs; same final bytes: ${digests.size === 1}
checkpoints      saves     MB  stored    a save   step between saves  (mean)    with saves
${row('first epoch only', 'none')}
${row('every second', 'often')}
every second: ${ratioOf('stepMs').toFixed(3)}x between saves (means ${ratioOf('meanStepMs').toFixed(3)}x), ${ratioOf('stepWithSavesMs').toFixed(3)}x with saves
a save with its upload costs ${cost.toFixed(0)} ms: every 30 s, ${growth.toFixed(3)}x (goal ${GOAL.toFixed(2)}x)
`,
);
storage.close();
process.exit(growth <= GOAL && digests.size === 1 ? 0 : 1);
