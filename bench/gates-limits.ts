/**
 * Too slow and too large: how often the limits `latencyP95Ms` and `sizeMb` catch a model above them and accuse one below, with
 * a limit between two real encoders. Size is a fact; latency is measured on a machine that does other work as well, so its
 * load is told.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-limits.ts [measurements a set and model = 5]
 */
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureModel } from '../activities/selection/profile-encoder.ts';
import { exportEncoder } from '../activities/training/export-encoder.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { plainScore } from '../activities/validation/scores.ts';
import { seededRandom, sampleIndices } from '../activities/validation/random.ts';
import { GATE_TABLE } from '../pipelines/gates/table.ts';
import { pythonForTests } from '../test/support/python.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';
import { holdToGoals } from './gates/rates.ts';
import { median } from './support.ts';

const root = process.env['ESPALIER_TEST_DATA'];
if (root === undefined) throw new Error('set ESPALIER_TEST_DATA');
const MEASUREMENTS = Number(process.argv[2] ?? 5);
const SETS = ['banking77', 'clinc150', 'sst2', 'trec6'];
const TEXTS = 60;

const scratch = await mkdtemp(join(tmpdir(), 'espalier-bench-gates-limits-'));
const { store, pointers, close } = await withStore();
try {
  const services = { store, pointers, python: pythonForTests() };
  const exported = async (name: string): Promise<string> => {
    const model = await store.putTree(join(root, 'models/derived', name), 'model');
    const { encoder } = await runStep(exportEncoder, { model, layers: null, pooling: 'mean', maxLength: 64 }, services);
    await store.checkout(encoder, join(scratch, name));
    return join(scratch, name);
  };
  const folders = { clean: await exported('minilm-tiny-l4-h128-v8k'), planted: await exported('minilm-l6-h384-v8k') };
  const sizeOf = async (folder: string) => (await stat(join(folder, 'model.onnx'))).size / 1e6;
  const sizes = { clean: await sizeOf(folders.clean), planted: await sizeOf(folders.planted) };
  const measured = { clean: [] as number[], planted: [] as number[] };
  const loads: number[] = [];
  for (const [which, name] of SETS.entries()) {
    const lines = (await readFile(join(root, 'datasets', name, 'test.jsonl'), 'utf8')).trim().split('\n');
    for (let seed = 0; seed < MEASUREMENTS; seed++) {
      const texts = sampleIndices(lines.length, TEXTS, seededRandom(seed, which)).map(
        (row) => (JSON.parse(lines[row]!) as { text: string }).text,
      );
      for (const kind of ['clean', 'planted'] as const) {
        const { latency } = await measureModel({ folder: folders[kind], texts }, new AbortController().signal);
        measured[kind].push(latency.p95Ms);
        loads.push(loadavg()[0]!);
      }
    }
    console.error(`${name} done`);
  }
  // A definition's limit stands between what is wanted and what is not: the geometric middle of the two.
  const between = (a: number, b: number): number => Math.sqrt(a * b);
  const limits = {
    latencyP95Ms: between(median(measured.clean), median(measured.planted)),
    sizeMb: between(sizes.clean, sizes.planted),
  };
  const alarms = (gate: 'latencyP95Ms' | 'sizeMb', values: readonly number[]): number =>
    values.filter(
      (value) =>
        judgeGate(gate, GATE_TABLE[gate], plainScore(value, TEXTS), { max: limits[gate], severity: 'fail' }).verdict !==
        'pass',
    ).length;
  const defects = { latencyP95Ms: 'too slow', sizeMb: 'too large' };
  const rates = (['latencyP95Ms', 'sizeMb'] as const).map((gate) => {
    const [clean, planted] = gate === 'sizeMb' ? [[sizes.clean], [sizes.planted]] : [measured.clean, measured.planted];
    console.log(
      `${gate} max ${limits[gate].toPrecision(3)}: medians ${median(clean).toPrecision(3)} and ${median(planted).toPrecision(3)}; ` +
        `caught ${alarms(gate, planted)} of ${planted.length}, clean accused ${alarms(gate, clean)} of ${clean.length}`,
    );
    return {
      gate,
      defect: defects[gate],
      on: 'two encoders, a limit between them',
      caught: alarms(gate, planted),
      planted: planted.length,
      accused: alarms(gate, clean),
      clean: clean.length,
    };
  });
  holdToGoals(rates);
  console.log(`load in the last minute: ${Math.min(...loads)} to ${Math.max(...loads)}, median ${median(loads)}`);
} finally {
  close();
  await rm(scratch, { recursive: true });
}
