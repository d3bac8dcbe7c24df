/**
 * The same training in Espalier, Metaflow, Prefect and Dagster, killed (SIGKILL of the training process and of all that was
 * started for it, as when a machine is lost) when half of its steps are done, and resumed as each system's documentation
 * says: by itself, or by the operator's command, which is given at once. Printed: seconds from the kill until the system
 * says that the model is finished, medians of interleaved rounds; the steps done again; and whether the weights are
 * those of an undisturbed run of the same system. All checkpoint once an epoch; the kill is in the middle of one.
 *
 *   npx tsx bench/comparison.ts [rounds = 3] [training rows = 3200]
 *
 * Makes a Python environment with the three (bench/comparison/requirements.txt) below the cache folder. Everything runs on
 * this machine, nothing listens but on loopback, and telemetry is off. ESPALIER_TEST_DATA gives a real small encoder.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stablePort } from '../infra/embedded/state.ts';
import { trainerPython } from '../infra/tools.ts';
import { tinyModel } from '../test/support/tiny-model.ts';
import { LABELS, toyDataset, trainingSpec } from '../test/training/fixtures.ts';
import { startEspalier } from './comparison/espalier.ts';
import { killTree, notedIn, parents, until, type Place, type Started } from './comparison/processes.ts';
import { installSystems, OTHERS, versionsOf, type Way } from './comparison/systems.ts';

const rounds = Number(process.argv[2] ?? 3);
const rows = Number(process.argv[3] ?? 3200);
/** An odd number: half of them is the middle of one. */
const EPOCHS = 5;
const MAX_LENGTH = 64;
const testData = process.env['ESPALIER_TEST_DATA'];
const model = testData === undefined ? await tinyModel() : join(testData, 'models/derived/minilm-tiny-l4-h128-v8k');
const training = trainingSpec({ epochs: EPOCHS, batchSize: 16, earlyStoppingPatience: 0 });
const stepsAnEpoch = Math.ceil(rows / training.batchSize);
const killAt = Math.ceil((stepsAnEpoch * EPOCHS) / 2);

const CASES = [
  { system: 'espalier', way: 'one', how: 'one worker, started again', automatic: true },
  { system: 'espalier', way: 'two', how: 'second worker stands by', automatic: true },
  { system: 'metaflow', way: 'plain', how: 'one step; `resume`', automatic: false },
  { system: 'metaflow', way: 'epochs', how: '@checkpoint an epoch; `resume`', automatic: false },
  { system: 'prefect', way: 'plain', how: 'one task; run again', automatic: false },
  { system: 'prefect', way: 'epochs', how: 'task an epoch, results persisted; run again', automatic: false },
  { system: 'dagster', way: 'plain', how: 'one op; run retried', automatic: true },
  { system: 'dagster', way: 'epochs', how: 'op an epoch; run retried from failure', automatic: true },
] as const satisfies readonly ((
  | { system: 'espalier'; way: 'one' | 'two' }
  | { system: keyof typeof OTHERS; way: Way }
) & { how: string; automatic: boolean })[];
type Case = (typeof CASES)[number];

interface Outcome {
  readonly digest: string;
  /** From the kill, or from the first step of an undisturbed run, to the finished model. */
  readonly seconds: number;
  readonly repeated: number;
}

const scratch = await mkdtemp(join(tmpdir(), 'espalier-bench-comparison-'));
const data = join(scratch, 'data');
await mkdir(data);
await toyDataset(data, rows);
const bin = await installSystems();

/** One training in a folder and services of its own. */
async function once({ system, way }: Case, killed: boolean): Promise<Outcome> {
  const folder = await mkdtemp(join(scratch, `${system}-${way}-`));
  const log = join(folder, 'noted.jsonl');
  await writeFile(log, '');
  try {
    return await (system === 'espalier'
      ? inEspalier(way === 'one' ? 1 : 2, folder, log, killed)
      : inOther(system, way, folder, log, killed));
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function inEspalier(workers: number, folder: string, log: string, killed: boolean): Promise<Outcome> {
  let spared = new Set<number>();
  const checkpoints = { every: '1h', everySteps: stepsAnEpoch, keepLast: 2, keepBest: 0, failureRatePerHour: 0.05 };
  const input = {
    labels: LABELS,
    pooling: 'mean',
    maxLength: MAX_LENGTH,
    training: { ...training, checkpoints },
  } as const;
  const run = await startEspalier(folder, log, { model, data }, input, workers, async () => {
    spared = new Set((await parents()).keys());
  });
  try {
    const killedAt = killed ? await killHalfWay(log, spared) : undefined;
    const { at, digest } = await run.finished;
    return await outcome(log, killedAt, at, digest);
  } finally {
    await run.stop();
  }
}

async function inOther(
  name: keyof typeof OTHERS,
  way: Way,
  folder: string,
  log: string,
  killed: boolean,
): Promise<Outcome> {
  const system = OTHERS[name];
  const { checkpoints: _, processes: __, ...spec } = training;
  const settings = { model, train: join(data, 'train.jsonl'), labels: LABELS, maxLength: MAX_LENGTH, training: spec };
  await writeFile(
    join(folder, 'settings.json'),
    JSON.stringify({ ...settings, log, out: join(folder, 'model.safetensors') }),
  );
  const port = String(await stablePort(undefined, new Set()));
  const env = {
    ...process.env,
    HOME: folder,
    PATH: [bin, process.env['PATH']].join(delimiter),
    PYTHONPATH: [trainerPython().packages, fileURLToPath(new URL('./comparison', import.meta.url))].join(delimiter),
    OMP_NUM_THREADS: '1',
    COMPARISON_PORT: port,
    COMPARISON_EPOCHS: String(EPOCHS),
    ...system.env(folder, port),
  };
  const place: Place = { folder, env, started: new Set() };
  const others = new Set((await parents()).keys());
  try {
    await system.services?.(place);
    const spared = new Set((await parents()).keys());
    let run = system.run(place, way);
    let killedAt: number | undefined;
    if (killed) {
      killedAt = await killHalfWay(log, spared, run);
      if (system.resume !== undefined) {
        await run.ended;
        run = system.resume(place, way);
      }
    }
    await run.ended;
    const at = Date.now();
    const digest = (await notedIn(log)).findLast(({ type }) => type === 'saved')?.digest ?? '';
    return await outcome(log, killedAt, at, `sha256:${digest}`);
  } finally {
    const left = [...place.started];
    for (const { pid } of left.toReversed()) await killTree(pid, others);
    await Promise.allSettled(left.map(({ ended }) => ended));
  }
}

/** Kills the training when half of its steps are done; returns the moment. */
async function killHalfWay(log: string, spared: ReadonlySet<number>, run?: Started): Promise<number> {
  const trainer = await until(async () => {
    const noted = await notedIn(log);
    return noted.some(({ step }) => (step ?? 0) >= killAt)
      ? noted.findLast(({ pid }) => pid !== undefined)?.pid
      : undefined;
  }, run);
  const at = Date.now();
  await killTree(trainer, new Set([...spared, process.pid]));
  return at;
}

async function outcome(
  log: string,
  killedAt: number | undefined,
  finishedAt: number,
  digest: string,
): Promise<Outcome> {
  const steps = (await notedIn(log)).filter(({ type }) => type === 'step');
  if (steps.length === 0) throw new Error('nothing was trained');
  const repeated = steps.length - new Set(steps.map(({ step }) => step)).size;
  return { digest, seconds: (finishedAt - (killedAt ?? steps[0]?.at ?? NaN)) / 1000, repeated };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

/** The table of the rounds so far. */
function report(round: number): void {
  const espalier = median((found[0] ?? []).map(({ seconds }) => seconds));
  process.stdout.write(
    `${stepsAnEpoch * EPOCHS} steps, ${testData === undefined ? 'random encoder of 2 layers, 32 wide' : 'encoder of 4 layers, 128 wide'}; killed at step ${killAt}; medians of ${round} rounds; ${availableParallelism()} cores, load ${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)}
${versions}
system     resumed                                       goes on   kill to finished  of Espalier's  steps again  same bytes
`,
  );
  for (const [index, { system, how, automatic }] of CASES.entries()) {
    const all = found[index] ?? [];
    const seconds = median(all.map((one) => one.seconds));
    const exact = all.every(({ digest }) => digest === undisturbed.get(system)?.digest);
    process.stdout.write(
      `${system.padEnd(10)} ${how.padEnd(45)} ${automatic ? 'by itself' : 'by hand  '} ${seconds.toFixed(1).padStart(14)} s ${(seconds / espalier).toFixed(2).padStart(13)}x ${String(median(all.map((one) => one.repeated))).padStart(12)}  ${exact ? 'yes' : 'NO'}\n`,
    );
  }
}

const undisturbed = new Map<string, Outcome>();
const found = CASES.map(() => [] as Outcome[]);
const loads: number[] = [];
const versions = await versionsOf(bin);
for (let round = 1; round <= rounds; round++) {
  for (const [index, one] of CASES.entries()) {
    if (!undisturbed.has(one.system)) {
      const result = await once(one, false);
      undisturbed.set(one.system, result);
      process.stderr.write(`${one.system}, undisturbed: ${JSON.stringify(result)}\n`);
    }
    loads.push(loadavg()[0] ?? NaN);
    const result = await once(one, true);
    found[index]?.push(result);
    process.stderr.write(
      `round ${round}, ${one.system}, ${one.how}: ${JSON.stringify(result)}, load ${loads.at(-1)?.toFixed(1)}\n`,
    );
  }
  report(round);
}
await rm(scratch, { recursive: true, force: true });
const exact = CASES.every(
  ({ system }, index) =>
    system !== 'espalier' || found[index]?.every(({ digest }) => digest === undisturbed.get(system)?.digest),
);
process.exit(exact ? 0 : 1);
