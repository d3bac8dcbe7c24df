/**
 * How often the gates of a model that finds pictures accuse a good one, and pass or overlook one that is not: figures of
 * queries are drawn from known distributions and judged by the very measures and gates of a run at their defaults. No model.
 *
 *   npx tsx bench/retrieval-gates.ts [draws = 2000]
 */
import type { Score } from '../activities/contract/measures.ts';
import { precisionBySlice } from '../activities/retrieval/query-slices.ts';
import { perLabelOf, worstLabelScore } from '../activities/retrieval/per-label.ts';
import { meanScore } from '../activities/retrieval/scores.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { seededRandom } from '../activities/validation/random.ts';
import { RetrievalGatesSchema } from '../pipelines/definition/retrieval.ts';
import { RETRIEVAL_GATE_TABLE, type RetrievalGateName } from '../pipelines/gates/retrieval.ts';
import { beta } from './support.ts';

const DRAWS = Number(process.argv[2] ?? 2000);
/** A bootstrap costs 300 resamples. */
const SLOW_DRAWS = Math.ceil(DRAWS / 10);
const K = 10;
const limits = RetrievalGatesSchema.parse({});
const random = seededRandom(2026);
const times = <Value>(count: number, draw: (at: number) => Value): Value[] =>
  Array.from({ length: count }, (_, at) => draw(at));

async function stopped(name: RetrievalGateName, draws: number, measure: () => Score | Promise<Score>) {
  let count = 0;
  for (let draw = 0; draw < draws; draw++) {
    const { verdict } = judgeGate(name, RETRIEVAL_GATE_TABLE[name], await measure(), limits[name]);
    if (verdict !== 'pass') count += 1;
  }
  return `${((100 * count) / draws).toFixed(1)} %`.padStart(9);
}
async function tell<Value>(what: string, values: readonly Value[], of: (value: Value) => Promise<string>) {
  const cells: string[] = [];
  for (const value of values) cells.push(await of(value));
  console.log(`${what.padEnd(76)}${cells.join('')}`);
}

/** Precision of a query: of k neighbours each is right with a chance that is the query's own; chances differ as Beta's do. */
function precision(mean: number): number {
  const chance = beta(random, 2 * mean, 2 * (1 - mean));
  return times(K, () => random.uniform() < chance).filter(Boolean).length / K;
}

/** Ten labels of so many queries each, of which the last has another mean. */
function worst(queries: number, mean: number, ofLast: number): Score {
  const labels = times(10, String);
  const outcomes = labels.flatMap((label) =>
    times(queries, (at) => {
      const own = label === '9' ? ofLast : mean;
      const averagePrecision = beta(random, 3 * own, 3 * (1 - own));
      return { rowId: `${label}-${at}`, label, recallAtK: 1, precisionAtK: 1, averagePrecision };
    }),
  );
  return worstLabelScore(perLabelOf(outcomes, labels));
}

/** Pictures of ten labels, many sizes and every brightness, of a site of four; the darkest third have a smaller precision by a share. */
function sliced(queries: number, mean: number, lost: number): Score {
  const labels = times(10, String);
  const rows = times(queries, () => ({
    seen: { width: 32 + random.below(400), height: 32, brightness: random.below(240) },
    groups: { site: `${random.below(4)}` },
  }));
  const outcomes = rows.map(({ seen }, at) => {
    const drawn = 0.02 + 0.98 * beta(random, 3 * mean, 3 * (1 - mean));
    const averagePrecision = drawn * (seen.brightness < 80 ? 1 - lost : 1);
    return { rowId: `${at}`, label: `${random.below(10)}`, recallAtK: 1, precisionAtK: 1, averagePrecision };
  });
  return precisionBySlice(outcomes, rows, { labels, luck: labels.map(() => 0.12) }).score;
}

console.log('sliceGap warns: 100, 200, 400, 1000 queries');
for (const [mean, lost] of [
  [0.8, 0],
  [0.5, 0],
  [0.3, 0],
  [0.5, 0.1],
  [0.5, 0.2],
  [0.5, 0.3],
  [0.5, 0.5],
] as const) {
  await tell(
    `  mAP ${mean}, of the darkest third ${(100 * lost).toFixed(0)} % less`,
    [100, 200, 400, 1000],
    (queries) => stopped('sliceGap', DRAWS, () => sliced(queries, mean, lost)),
  );
}

console.log('worstLabelPrecision warns: ten labels of 10, 20, 50, 100 queries each');
for (const [mean, last] of [
  [0.25, 0.25],
  [0.3, 0.3],
  [0.35, 0.35],
  [0.4, 0.4],
  [0.5, 0.5],
  [0.5, 0.25],
  [0.5, 0.2],
  [0.5, 0.15],
  [0.5, 0.1],
] as const) {
  await tell(`  mAP ${mean}, of the worst label ${last}`, [10, 20, 50, 100], (queries) =>
    stopped('worstLabelPrecision', DRAWS, () => worst(queries, mean, last)),
  );
}

console.log('precisionAtK warns: 20, 50, 100, 300 queries');
for (const mean of [0.4, 0.5, 0.55, 0.6, 0.7]) {
  await tell(`  precision@${K} ${mean}`, [20, 50, 100, 300], (queries) =>
    stopped('precisionAtK', SLOW_DRAWS, () =>
      meanScore(
        times(queries, () => precision(mean)),
        { seed: 1, resamples: 300 },
      ),
    ),
  );
}
