/**
 * Too slow, too large and with too much memory: how often the limits `latencyP95Ms`, `sizeMb` and `memoryMb` of classifiers of texts
 * catch a model beyond them and accuse one within: two real encoders, a small and a larger one. Pictures, galleries and generators have
 * theirs in bench/gates-limits-pictures.ts and bench/gates-limits-generators.ts.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-limits.ts [measurements a set and model = 5]
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureModel } from '../activities/selection/profile-encoder.ts';
import { exportEncoder } from '../activities/training/export-encoder.ts';
import { sizeMb } from '../activities/validation/model-folder.ts';
import { plainScore } from '../activities/validation/scores.ts';
import { seededRandom, sampleIndices } from '../activities/validation/random.ts';
import { GATE_TABLE } from '../pipelines/gates/table.ts';
import { pythonForTests } from '../test/support/python.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';
import { latencyScores, limitRates, measureInTurn, SLOW_FROM, type HeldGate } from './gates/limits.ts';
import { testData } from './gates/photographs.ts';
import { holdToGoals } from './gates/rates.ts';

const MEASUREMENTS = Number(process.argv[2] ?? 5);
const SETS = ['banking77', 'clinc150', 'sst2', 'trec6'];
const TEXTS = 60;
const SMALL = 'MiniLM, 4 layers of 128';
const LARGER = 'MiniLM, 6 layers of 384';
const ENCODERS: readonly HeldGate[] = [
  { gate: 'latencyP95Ms', row: GATE_TABLE.latencyP95Ms, within: [SMALL], beyond: [LARGER], timesWithin: SLOW_FROM },
  { gate: 'sizeMb', row: GATE_TABLE.sizeMb, within: [SMALL], beyond: [LARGER] },
  { gate: 'memoryMb', row: GATE_TABLE.memoryMb, within: [SMALL], beyond: [LARGER] },
];

const scratch = await mkdtemp(join(tmpdir(), 'espalier-bench-gates-limits-'));
const { store, pointers, close } = await withStore();
try {
  const services = { store, pointers, python: pythonForTests() };
  const exported = async (name: string): Promise<string> => {
    const model = await store.putTree(join(testData(), 'models/derived', name), 'model');
    const { encoder } = await runStep(exportEncoder, { model, layers: null, pooling: 'mean', maxLength: 64 }, services);
    await store.checkout(encoder, join(scratch, name));
    return join(scratch, name);
  };
  const encoders = {
    [SMALL]: await exported('minilm-tiny-l4-h128-v8k'),
    [LARGER]: await exported('minilm-l6-h384-v8k'),
  };
  const sets = await Promise.all(
    SETS.map(async (name) =>
      (await readFile(join(testData(), 'datasets', name, 'test.jsonl'), 'utf8')).trim().split('\n'),
    ),
  );
  const textsOf = (draw: number): readonly string[] => {
    const lines = sets[draw % sets.length]!;
    return sampleIndices(lines.length, TEXTS, seededRandom(draw)).map(
      (row) => (JSON.parse(lines[row]!) as { text: string }).text,
    );
  };
  const measured = await measureInTurn(encoders, MEASUREMENTS * SETS.length, async (folder, draw) => {
    const { latency, memoryMb } = await measureModel({ folder, texts: textsOf(draw) }, new AbortController().signal);
    return {
      ...latencyScores(latency),
      sizeMb: plainScore(await sizeMb(folder), 0),
      memoryMb: plainScore(memoryMb, latency.runs),
    };
  });
  holdToGoals(limitRates(measured, ENCODERS, 'classifiers of texts'));
} finally {
  close();
  await rm(scratch, { recursive: true });
}
