/**
 * How often `labelErrors` and `triggerFlips` catch their defects, and accuse a clean set, where there are 150 labels: all of clinc150, 2,000
 * training rows (what the evaluation draws: 13 a label) and 400 others, the small encoder frozen, a linear head whose penalty is
 * chosen once. Defects as in bench/gates/trials.ts; draws share texts. Nothing was designed on these draws.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-many-labels.ts [draws = 40] [labelErrors | triggerFlips = both]
 */
import { trainLinearProbe } from '../activities/selection/linear-probe.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { sampleIndices, seededRandom, shuffleStart } from '../activities/validation/random.ts';
import { GatesSchema } from '../pipelines/definition/gates.ts';
import { GATE_TABLE } from '../pipelines/gates/table.ts';
import { Embedder, linearHead, partOf, withHead, type Draw } from './gates/draw.ts';
import { benchEncoder, rowsOf } from './gates/real-rows.ts';
import { TRIALS } from './gates/trials.ts';
import { exactly } from './support.ts';

const DRAWS = Number(process.argv[2] ?? 40);
const gates = process.argv[3] === undefined ? ['labelErrors', 'triggerFlips'] : [process.argv[3]];
const [POOL, TRAIN, TEST] = [6000, 2000, 400] as const;
const limits = GatesSchema.parse({});
const embedder = new Embedder(await benchEncoder());
const { dimension } = embedder;

const rows = [...new Map((await rowsOf('clinc150', 'all')).map((row) => [row.text, row])).values()];
const labels = [...new Set(rows.map(({ label }) => label))].toSorted();
const pool = sampleIndices(rows.length, POOL, seededRandom(2026, 12)).map((at) => rows[at]!);
const part = (places: readonly number[]) =>
  partOf(
    embedder,
    places.map((at) => pool[at]!.text),
    Int32Array.from(places, (at) => labels.indexOf(pool[at]!.label)),
  );

let l2: number | undefined;
async function draw(seed: number): Promise<Draw> {
  const order = [...pool.keys()];
  shuffleStart(order, TRAIN + TEST, seededRandom(seed, 13));
  const [train, test] = [await part(order.slice(0, TRAIN)), await part(order.slice(TRAIN, TRAIN + TEST))];
  l2 ??= (await trainLinearProbe(train, { dimension, classes: labels.length, seed })).l2;
  // Its temperature turns no label.
  const head = await linearHead(train, test, labels.length, dimension, l2);
  return withHead(embedder, { classes: labels.length, seed, l2, train, validation: test, test }, head);
}

const tallies = new Map<string, { alarms: number; judged: number[] }>();
const began = performance.now();
for (let seed = 0; seed < DRAWS; seed++) {
  const clean = await draw(seed);
  for (const { gate, plant, measure } of TRIALS.filter((one) => gates.includes(one.gate))) {
    const planted = await plant(clean, { embedder, foreign: [], seed });
    for (const [kind, one] of [
      ['clean', clean],
      ['planted', planted],
    ] as const) {
      if (one === null) continue;
      const { verdict, measured } = judgeGate(gate, GATE_TABLE[gate], await measure(one), limits[gate]);
      const tally = tallies.get(`${gate}, ${kind}`) ?? { alarms: 0, judged: [] };
      tally.alarms += Number(verdict !== 'pass');
      tally.judged.push(measured ?? Number.NaN);
      tallies.set(`${gate}, ${kind}`, tally);
    }
  }
  if (seed % 5 === 4 || seed === 0) show(`${seed + 1} draws, ${((performance.now() - began) / 1000).toFixed(0)} s`);
}
show('all');
await embedder.release();

function show(when: string): void {
  for (const [name, { alarms, judged }] of tallies) {
    const sorted = judged.toSorted((a, b) => a - b);
    const spread = [0, 0.5, 1].map((at) => sorted[Math.round(at * (sorted.length - 1))]!.toFixed(3)).join(' · ');
    console.log(`${when}: ${name}: ${exactly(alarms, judged.length)}, judged number ${spread}`);
  }
}
