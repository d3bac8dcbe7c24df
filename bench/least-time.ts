/**
 * How much longer a busy machine makes a model compute: what least-time.ts allows for. Each draw is a process of its own, as a run
 * times an encoder, warm-up and all; one short text again and again, so that all runs cost alike and no spread of lengths
 * stands between the quartile and the p95. The quartile of a draw on a quiet machine is what those of a busy one are divided by.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/least-time.ts [draws = 12] [minutes at most = 5]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { SLOWED } from '../activities/selection/least-time.ts';
import { measureModel } from '../activities/selection/profile-encoder.ts';
import { exportEncoder } from '../activities/training/export-encoder.ts';
import { pythonForTests } from '../test/support/python.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';

const root = process.env['ESPALIER_TEST_DATA'];
if (root === undefined) throw new Error('set ESPALIER_TEST_DATA');
const DRAWS = Number(process.argv[2] ?? 12);
const MINUTES = Number(process.argv[3] ?? 5);
const TEXT = 'where is my card';

const scratch = await mkdtemp(join(tmpdir(), 'espalier-bench-least-time-'));
const { store, pointers, close } = await withStore();
try {
  const model = await store.putTree(join(root, 'models/derived/minilm-tiny-l4-h128-v8k'), 'model');
  const asked = { model, layers: null, pooling: 'mean', maxLength: 64 } as const;
  const { encoder } = await runStep(exportEncoder, asked, { store, pointers, python: pythonForTests() });
  const folder = join(scratch, 'encoder');
  await store.checkout(encoder, folder);
  const until = performance.now() + MINUTES * 60_000;
  for (let draw = 0; draw < DRAWS && performance.now() < until; draw++) {
    const { latency } = await measureModel({ folder, texts: [TEXT] }, new AbortController().signal);
    const { leastMs, p95Ms, runs, warmupRuns, waitedShare } = latency;
    const quartile = leastMs === undefined ? 'not known' : `${(leastMs * SLOWED).toPrecision(3)} ms`;
    console.log(
      `load ${loadavg()[0]!.toPrecision(3)}: lower end of the quartile ${quartile}, p95 ${p95Ms.toPrecision(3)} ms by own time; ` +
        `${runs} runs after ${warmupRuns}, waited ${waitedShare?.toPrecision(3) ?? 'unknown'} of the time`,
    );
  }
} finally {
  close();
  await rm(scratch, { recursive: true });
}
