/**
 * How often each gate catches the defect that it is for, and how often it accuses a clean model: real rows, a real encoder
 * (frozen) with linear heads, a defect planted in each of many draws. A draw is ten labels (all, where there are fewer) with
 * 700 training, 300 validation and 400 test rows, without near twins across the splits.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates.ts [draws a data set = 25] [only these gates, by name and with commas | all] [first draw = 0] [all | design | report = report]
 *
 * The rows and labels of each set are in halves: statistics and plants were designed on the one and are reported on the other.
 */
import type { Score } from '../activities/contract/measures.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { wilsonInterval } from '../activities/validation/statistics.ts';
import { GatesSchema } from '../pipelines/definition/gates.ts';
import { GATE_TABLE, type GateName } from '../pipelines/gates/table.ts';
import { cleanDraw, Embedder, type Draw } from './gates/draw.ts';
import { benchEncoder, rowsOf } from './gates/real-rows.ts';
import { TRIALS } from './gates/trials.ts';

const DRAWS = Number(process.argv[2] ?? 25);
const only = (process.argv[3] ?? 'all') === 'all' ? undefined : process.argv[3]!.split(',');
/** Thresholds were chosen on draws from 0 on: others tell whether they hold. */
const FIRST = Number(process.argv[4] ?? 0);
const half = process.argv[5] ?? 'report';
const SETS = ['banking77', 'clinc150', 'sst2', 'trec6'];
const limits = GatesSchema.parse({});

const embedder = new Embedder(await benchEncoder());

interface Tally {
  caught: number;
  missed: number;
  accused: number;
  cleared: number;
}
const verdicts = new Map<string, Tally>();
const values = new Map<string, { clean: number[]; planted: number[] }>();
const sets = await Promise.all(SETS.map((name) => rowsOf(name, half)));
const began = performance.now();
for (const [which, rows] of sets.entries()) {
  const foreign = sets[(which + 1) % sets.length]!;
  for (let seed = FIRST; seed < FIRST + DRAWS; seed++) {
    const clean = await cleanDraw(embedder, rows, seed);
    for (const trial of TRIALS.filter(({ gate }) => only?.includes(gate) ?? true)) {
      if (trial.every !== undefined && seed % trial.every !== 0) continue;
      const around = { embedder, foreign, seed };
      const planted = await trial.plant(clean, around);
      if (planted !== null) await note(trial.gate, trial.defect, 'planted', planted, trial.measure);
      const control = trial.clean?.(clean, around) ?? clean;
      await note(trial.gate, trial.defect, 'clean', control, trial.measure);
    }
  }
  console.error(`${SETS[which]} done after ${((performance.now() - began) / 1000).toFixed(0)} s`);
}

async function note(
  gate: GateName,
  defect: string,
  kind: 'planted' | 'clean',
  draw: Draw,
  measure: (draw: Draw) => Promise<Score> | Score,
): Promise<void> {
  const score = await measure(draw);
  const limit = draw.limits?.[gate] ?? limits[gate];
  const { verdict, measured } = judgeGate(gate, GATE_TABLE[gate], score, limit);
  // What could not be measured on a draw says nothing of either rate.
  if (verdict === 'off') return;
  const key = `${gate} | ${defect}`;
  const tally = verdicts.get(key) ?? { caught: 0, missed: 0, accused: 0, cleared: 0 };
  const alarm = verdict !== 'pass';
  if (kind === 'planted') tally[alarm ? 'caught' : 'missed']++;
  else tally[alarm ? 'accused' : 'cleared']++;
  verdicts.set(key, tally);
  const seen = values.get(key) ?? { clean: [], planted: [] };
  seen[kind].push(measured ?? Number.NaN);
  values.set(key, seen);
}

const percent = (count: number, of: number): string => {
  const { low, high } = wilsonInterval(count, of);
  return `${((100 * count) / of).toFixed(1)} % (${(100 * low).toFixed(1)}–${(100 * high).toFixed(1)}) of ${of}`;
};
const spread = (numbers: readonly number[]): string => {
  const sorted = numbers.toSorted((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN).toPrecision(3);
  return `${at(0.05)} · ${at(0.5)} · ${at(0.95)}`;
};
console.log('| gate | defect planted | caught | clean accused | judged number, clean: 5 · 50 · 95 % | planted |');
console.log('| --- | --- | --- | --- | --- | --- |');
for (const [key, { caught, missed, accused, cleared }] of verdicts) {
  const { clean, planted } = values.get(key)!;
  console.log(
    `| ${key} | ${percent(caught, caught + missed)} | ${percent(accused, accused + cleared)} | ${spread(clean)} | ${spread(planted)} |`,
  );
}
await embedder.release();
