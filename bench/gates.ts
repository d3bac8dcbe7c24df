/**
 * How often each gate catches the defect that it is for, and how often it accuses a clean model: real rows, a real encoder
 * (frozen) with linear heads, a defect planted in each of many draws. A draw is ten labels (all, where there are fewer) with
 * 700 training, 300 validation and 400 test rows, without near twins across the splits.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates.ts [draws a data set = 25] [only these gates, by name and with commas | all] [first draw = 0] [all | design | report = report]
 *
 * The rows and labels of each set are in halves: statistics and plants were designed on the one and are reported on the other.
 */
import { cleanDraw, Embedder } from './gates/draw.ts';
import { holdToGoals } from './gates/rates.ts';
import { benchEncoder, rowsOf } from './gates/real-rows.ts';
import { Tally } from './gates/tally.ts';
import { TRIALS } from './gates/trials.ts';

const DRAWS = Number(process.argv[2] ?? 25);
const only = (process.argv[3] ?? 'all') === 'all' ? undefined : process.argv[3]!.split(',');
/** Thresholds were chosen on draws from 0 on: others tell whether they hold. */
const FIRST = Number(process.argv[4] ?? 0);
const half = process.argv[5] ?? 'report';
const SETS = ['banking77', 'clinc150', 'sst2', 'trec6'];

const embedder = new Embedder(await benchEncoder());

const tally = new Tally();
const sets = await Promise.all(SETS.map((name) => rowsOf(name, half)));
const began = performance.now();
for (const [which, rows] of sets.entries()) {
  const foreign = sets[(which + 1) % sets.length]!;
  for (let seed = FIRST; seed < FIRST + DRAWS; seed++) {
    const clean = await cleanDraw(embedder, rows, seed);
    for (const trial of TRIALS.filter(({ gate }) => only?.includes(gate) ?? true)) {
      if (trial.every !== undefined && seed % trial.every !== 0) continue;
      await tally.run(trial, clean, { embedder, foreign, seed });
    }
  }
  console.error(`${SETS[which]} done after ${((performance.now() - began) / 1000).toFixed(0)} s`);
}

console.log(tally.table());
holdToGoals(tally.rates(SETS.join(', ')));
await embedder.release();
