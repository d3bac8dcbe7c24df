/**
 * How a model's latency is best told from what its machine does besides: ways to its p95, from the same runs, beside programs that
 * take the cores and the caches. A small encoder (clean), a larger one (too slow), and the small one that waits with every tenth
 * text without a core (too slow as well); each way's p95s, how often a limit catches and accuses,
 * of all and of those alone that waited for less than a share of the time, and what the gate says.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-latency.ts LIMIT_MS [busy programs = 0] [clean measurements = 100] [of each slow one = 34] [minutes at most = 9]
 */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { MOST_WAITED } from '../activities/selection/busy-machine.ts';
import { leastTime } from '../activities/selection/least-time.ts';
import { largestWaitedShare, waitedShare } from '../activities/selection/own-time.ts';
import type { TimedRuns } from '../activities/selection/timed-runs.ts';
import { exportEncoder } from '../activities/training/export-encoder.ts';
import { seededRandom, sampleIndices } from '../activities/validation/random.ts';
import { pythonForTests } from '../test/support/python.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';
import { ESTIMATORS, isUndisturbed } from './latency/estimators.ts';
import type { Asked } from './latency/measure.ts';
import { median } from './support.ts';

const root = process.env['ESPALIER_TEST_DATA'];
if (root === undefined) throw new Error('set ESPALIER_TEST_DATA');
const LIMIT_MS = Number(process.argv[2]);
if (!(LIMIT_MS > 0)) throw new Error('give the limit in milliseconds');
const BUSY = Number(process.argv[3] ?? 0);
const MEASUREMENTS = Number(process.argv[4] ?? 100);
const SLOW_MEASUREMENTS = Number(process.argv[5] ?? 34);
const MINUTES = Number(process.argv[6] ?? 9);
const SETS = ['banking77', 'clinc150', 'sst2', 'trec6'];
const TEXTS = 60;
const WAIT_MS = 5;
/** Goes through 32 MB again and again while this bench lives: takes a core, and the caches that a model would like to keep. */
const BUSY_PROGRAM =
  'const a = new Float64Array(4e6); for (const parent = process.ppid; process.ppid === parent; ) for (let i = 0; i < a.length; i += 8) a[i] += 1;';
const OWN_TIME = 'own time, quietest pass';
/** Shares of the time beyond which a measurement might say nothing. */
const SHARES = [0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 1];
const KINDS = ['clean', 'larger', 'waiting'] as const;

interface Judged {
  readonly share: number;
  readonly p95Ms: number;
  /** undefined where it is not known. */
  readonly leastMs: number | undefined;
}

/** By own time, the quietest pass counting. */
function judgedOf({ times, warmUps, told }: TimedRuns): Judged {
  return {
    share: largestWaitedShare(warmUps, times, told) ?? Number.NaN,
    p95Ms: ESTIMATORS[OWN_TIME]!(times, TEXTS) ?? Number.NaN,
    leastMs: leastTime([...warmUps, ...times], told),
  };
}

/** As the gate does. */
function verdictOf({ share, p95Ms, leastMs = 0 }: Judged): 'within' | 'too slow' | 'not measured' {
  if (!(p95Ms > LIMIT_MS)) return 'within';
  return share <= MOST_WAITED || leastMs > LIMIT_MS ? 'too slow' : 'not measured';
}

function verdicts(judged: readonly Judged[]): string {
  const least = judged.flatMap(({ leastMs }) => leastMs ?? []);
  const counts = (['within', 'too slow', 'not measured'] as const).map(
    (verdict) => `${verdict} ${judged.filter((one) => verdictOf(one) === verdict).length}`,
  );
  const bounds =
    least.length === 0
      ? 'never known'
      : `${Math.min(...least).toPrecision(3)} to ${Math.max(...least).toPrecision(3)} ms`;
  return `${counts.join(', ')}; at least ${bounds}, known of ${least.length}; waited for more than ${MOST_WAITED} of the time ${judged.filter(({ share }) => share > MOST_WAITED).length}`;
}

/** How many that waited for less than a share are above the limit. */
function byShare(judged: readonly Judged[]): string {
  return SHARES.map((most) => {
    const told = judged.filter(({ share }) => share <= most);
    return `up to ${most}: ${told.filter(({ p95Ms }) => p95Ms > LIMIT_MS).length} of ${told.length}`;
  }).join(', ');
}

const scratch = await mkdtemp(join(tmpdir(), 'espalier-bench-gates-latency-'));
const { store, pointers, close } = await withStore();
const started: ChildProcess[] = [];
try {
  const services = { store, pointers, python: pythonForTests() };
  const exported = async (name: string): Promise<string> => {
    const model = await store.putTree(join(root, 'models/derived', name), 'model');
    const { encoder } = await runStep(exportEncoder, { model, layers: null, pooling: 'mean', maxLength: 64 }, services);
    await store.checkout(encoder, join(scratch, name));
    return join(scratch, name);
  };
  const small = await exported('minilm-tiny-l4-h128-v8k');
  const larger = await exported('minilm-l6-h384-v8k');
  const sets = await Promise.all(
    SETS.map(async (name) => (await readFile(join(root, 'datasets', name, 'test.jsonl'), 'utf8')).trim().split('\n')),
  );
  const measuring = fork(new URL('./latency/measure.ts', import.meta.url));
  started.push(measuring);
  const measure = async (asked: Asked): Promise<TimedRuns> => {
    measuring.send(asked);
    const [answer] = (await once(measuring, 'message')) as [TimedRuns];
    return answer;
  };
  for (let busy = 0; busy < BUSY; busy++) {
    started.push(spawn(process.execPath, ['-e', BUSY_PROGRAM], { stdio: 'ignore' }));
  }
  const measured = { clean: [] as TimedRuns[], larger: [] as TimedRuns[], waiting: [] as TimedRuns[] };
  const loads: number[] = [];
  const due = (round: number): boolean =>
    Math.floor(((round + 1) * SLOW_MEASUREMENTS) / MEASUREMENTS) >
    Math.floor((round * SLOW_MEASUREMENTS) / MEASUREMENTS);
  const until = performance.now() + MINUTES * 60_000;
  for (let round = 0; round < MEASUREMENTS && performance.now() < until; round++) {
    const lines = sets[round % sets.length]!;
    const texts = sampleIndices(lines.length, TEXTS, seededRandom(round)).map(
      (row) => (JSON.parse(lines[row]!) as { text: string }).text,
    );
    for (const kind of KINDS) {
      if (kind !== 'clean' && !due(round)) continue;
      const folder = kind === 'larger' ? larger : small;
      measured[kind].push(await measure({ folder, texts, waitMs: kind === 'waiting' ? WAIT_MS : 0 }));
      loads.push(loadavg()[0]!);
    }
  }
  console.log(
    `${BUSY} busy programs, limit ${LIMIT_MS} ms; load in the last minute ${Math.min(...loads)} to ${Math.max(...loads)}, median ${median(loads)}`,
  );
  for (const kind of KINDS) {
    const shares = measured[kind].map(({ times, told }) => waitedShare(times, told) ?? Number.NaN);
    const undisturbed = measured[kind].map(({ times }) => times.filter(isUndisturbed).length / times.length);
    console.log(
      `${kind}: ${measured[kind].length} measurements of ${median(measured[kind].map(({ times }) => times.length))} runs (median); ` +
        `waited ${median(shares).toPrecision(3)} of the time, undisturbed ${median(undisturbed).toPrecision(3)} of the runs (medians)`,
    );
    const judged = measured[kind].map(judgedOf);
    console.log(`  as it is judged: ${verdicts(judged)}`);
    console.log(`  by the share that was waited: ${byShare(judged)}`);
    for (const [name, estimate] of Object.entries(ESTIMATORS)) {
      const all = measured[kind].map(({ times }) => estimate(times, TEXTS));
      const values = all.filter((value) => value !== null);
      console.log(
        `  ${name}: ${Math.min(...values).toPrecision(3)} to ${Math.max(...values).toPrecision(3)} ms, median ${median(values).toPrecision(3)}; ` +
          `above ${LIMIT_MS} ms ${values.filter((value) => value > LIMIT_MS).length} of ${values.length}, not told ${all.length - values.length}`,
      );
    }
  }
} finally {
  for (const child of started) child.kill('SIGKILL');
  close();
  await rm(scratch, { recursive: true });
}
