/**
 * What determinism costs on a GPU, and how busy the card is: the same training in bf16 with the trainer's deterministic
 * kernels and with whatever kernels are fastest, in interleaved rounds of one process each. Prints the ratio of the step
 * times, samples and tokens a second, and the card's utilisation. Says so and does nothing where there is no GPU.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gpu.ts [rounds]
 */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pythonForTests } from '../test/support/python.ts';
import { temporaryFolder, toyDataset, trainTask } from '../test/training/fixtures.ts';
import { discoverDevices } from '../workers/devices.ts';
import { median, smallEncoder } from './support.ts';

const TRAIN_ROWS = 20_000;
const MAX_LENGTH = 64;

interface Round {
  readonly stepMs: number;
  readonly samplesPerSecond: number;
  readonly tokensPerSecond: number;
  /** 0–1; null where the driver does not tell. */
  readonly utilisation: number | null;
}

if ((await discoverDevices(process.env)).length === 0) {
  process.stdout.write('no GPU here: nothing was measured\n');
  process.exit(0);
}
const rounds = Number(process.argv[2] ?? 3);
const encoder = await smallEncoder();
const data = await toyDataset(await temporaryFolder(), TRAIN_ROWS);

async function train(kernels: 'deterministic' | 'fastest'): Promise<Round> {
  const folder = await temporaryFolder();
  await mkdir(folder, { recursive: true });
  const spec = { epochs: 1, batchSize: 256, precision: 'bf16' as const, earlyStoppingPatience: 0 };
  const paths = { model: encoder.folder, train: join(data, 'train.jsonl'), validation: join(data, 'validation.jsonl') };
  const task = await trainTask(folder, spec, { ...paths, maxLength: MAX_LENGTH, device: 'cuda' });
  const job = join(folder, 'job.json');
  await writeFile(job, JSON.stringify({ version: 1, id: 'bench', tasks: [task] }));
  const { executable, packages } = pythonForTests();
  const script = fileURLToPath(new URL('./training_kernels.py', import.meta.url));
  const env = { ...process.env, PYTHONPATH: packages, TOKENIZERS_PARALLELISM: 'false', HF_HUB_OFFLINE: '1' };
  const { stdout } = await promisify(execFile)(executable, [script, job, kernels], { env, maxBuffer: 1e9 });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Round;
}

const found: { deterministic: Round; fastest: Round }[] = [];
for (let round = 1; round <= rounds; round++) {
  const order = round % 2 === 0 ? (['deterministic', 'fastest'] as const) : (['fastest', 'deterministic'] as const);
  const results = { [order[0]]: await train(order[0]), [order[1]]: await train(order[1]) };
  found.push(results as (typeof found)[number]);
  process.stderr.write(`round ${round}: ${JSON.stringify(results)}\n`);
}
const of = (kernels: 'deterministic' | 'fastest', name: keyof Round): number =>
  median(found.map((round) => round[kernels][name] ?? Number.NaN));
for (const kernels of ['deterministic', 'fastest'] as const) {
  process.stdout.write(
    `${kernels.padEnd(14)}${of(kernels, 'stepMs').toFixed(2).padStart(9)} ms a step${of(kernels, 'samplesPerSecond').toFixed(0).padStart(9)} samples/s${of(kernels, 'tokensPerSecond').toFixed(0).padStart(10)} tokens/s, utilisation ${of(kernels, 'utilisation').toFixed(2)}\n`,
  );
}
const ratio = median(found.map(({ deterministic, fastest }) => deterministic.stepMs / fastest.stepMs));
process.stdout.write(
  `${encoder.title}, bf16, batches of 256; determinism costs ${ratio.toFixed(3)}x a step (${rounds} rounds)\n`,
);
