/** What only a GPU can show; without one every test here is pending, visibly. `bench/gpu.ts` has the figures. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { trainModel } from '../../activities/training/train-model.ts';
import type { TrainTask } from '../../activities/training/job.ts';
import { discoverDevices, openDevices } from '../../workers/devices.ts';
import { pythonForTests } from '../support/python.ts';
import { runStep } from '../support/step.ts';
import { withStore } from '../support/store.ts';
import { disturb, familyTasks, type Disturbed } from './families.ts';
import { temporaryFolder, toyDataset, toyRows, trainingInput, trainingSpec } from './fixtures.ts';

const KILLS = 5; // of each method: ten a family
const SEED = 11;
/** What is left of the card for the training: its context and weights fit, a wide batch's activations do not. */
const LEFT_MB = 1200;
/** Of 64 tokens each: over a gigabyte of activations in one micro-batch of the tiny encoder. */
const WIDE_ROWS = 4096;

describe('a training on a GPU', function () {
  this.timeout(1_200_000);
  before(async function () {
    if ((await discoverDevices(process.env)).length === 0) this.skip();
  });

  describe('in bf16, killed at random moments', () => {
    let results: readonly Disturbed[] = [];
    before(async () => {
      const tasks = Object.entries(await familyTasks()).map(([label, task]): [string, TrainTask] => [
        label,
        { ...task, device: 'cuda', training: { ...task.training, precision: 'bf16' } },
      ]);
      results = await disturb(Object.fromEntries(tasks), { kills: KILLS, seed: SEED });
    });

    for (const family of ['text-classification', 'image-classification', 'causal-lm']) {
      for (const method of ['full', 'lora']) {
        it(`ends with the bytes of an undisturbed one, or says why it may not (${family}, ${method})`, () => {
          const result = results.find(({ label }) => label === `${family} ${method}`);
          assert.ok(result !== undefined && result.failure === undefined, JSON.stringify(result));
          const { value, reasons } = result.resumedExact;
          assert.equal(value, reasons.length === 0);
          if (value) assert.deepEqual(result.disturbed, result.whole, JSON.stringify(result.kills));
          else assert.match(reasons.join('; '), /has no deterministic kernel on this device/);
        });
      }
    }

    it('is exact where every kernel is deterministic: text classification', () => {
      const text = results.filter(({ label }) => label.startsWith('text-classification'));
      assert.deepEqual(
        text.map(({ resumedExact }) => resumedExact),
        [
          { value: true, reasons: [] },
          { value: true, reasons: [] },
        ],
      );
    });
  });

  it('goes on with smaller micro-batches when the card is really full, and says so', async () => {
    const storage = await withStore();
    const others = await fillCard(LEFT_MB);
    try {
      const training = trainingSpec({ epochs: 1, batchSize: WIDE_ROWS });
      const dataset = await storage.store.putTree(await wideDataset(), 'wide');
      const input = { ...(await trainingInput(storage.store, training)), dataset, maxLength: 64 };
      const devices = await openDevices(process.env);
      const trained = await runStep(trainModel, input, { ...storage, python: pythonForTests(), devices });
      assert.ok((trained.oomRetries ?? 0) > 0, 'memory did not run out');
      assert.equal(trained.microBatch, WIDE_ROWS / 2 ** (trained.oomRetries ?? 0));
      assert.equal(trained.exact?.value, false);
      assert.match(trained.warnings?.join('\n') ?? '', /memory ran out .*the effective batch stays 4096/);
    } finally {
      others.end();
      storage.close();
    }
  });
});

/** The toy data, every text as long as the model reads. */
async function wideDataset(): Promise<string> {
  const folder = await toyDataset(await temporaryFolder());
  const rows = toyRows(WIDE_ROWS, 1).map((row) => ({ ...row, text: Array(16).fill(row.text).join(' ') }));
  await writeFile(join(folder, 'train.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return folder;
}

/** A process that holds the first card's memory but for `leftMb`, until `end`. */
async function fillCard(leftMb: number): Promise<{ end(): void }> {
  const script = `import sys, torch
free, _ = torch.cuda.mem_get_info()
held = torch.empty(max(0, free - ${leftMb} * 2**20), dtype=torch.uint8, device="cuda")
print("held", flush=True)
sys.stdin.read()`;
  const child = spawn(pythonForTests().executable, ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) if (line === 'held') break;
  return { end: () => child.stdin.end() };
}
