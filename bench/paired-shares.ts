/**
 * How often `gainOverProbe` and `gainOverTrivial` pass a model that is no better, and how often they fail one that is: rows won and
 * lost are drawn, and judged as an evaluation judges them. No model, no data.
 *
 *   npx tsx bench/paired-shares.ts [draws = 10000]
 */
import { binomial } from '../activities/validation/binomial.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { gainScore } from '../activities/validation/scores.ts';
import { seededRandom } from '../activities/validation/random.ts';
import { GatesSchema } from '../pipelines/definition/gates.ts';
import { GATE_TABLE } from '../pipelines/gates/table.ts';

const DRAWS = Number(process.argv[2] ?? 10_000);
const limits = GatesSchema.parse({});

/** Shares of rows that are won and lost. */
const PAIRS = [
  { won: 0, lost: 0 },
  { won: 0.01, lost: 0.01 },
  { won: 0.03, lost: 0.03 },
  { won: 0.1, lost: 0.1 },
  { won: 0.08, lost: 0.03 },
];
const ROWS = [50, 100, 200, 600];

console.log(`| won | lost |${ROWS.map((rows) => ` ${rows} rows |`).join('')}`);
console.log(`|${' --- |'.repeat(ROWS.length + 2)}`);
for (const [at, { won, lost }] of PAIRS.entries()) {
  const random = seededRandom(at, 6);
  const passed = ROWS.map((rows) => {
    let passes = 0;
    for (let draw = 0; draw < DRAWS; draw++) {
      const better = binomial(random, rows, won);
      const worse = binomial(random, rows - better, lost / (1 - won));
      const truth = new Int32Array(rows);
      const wrong = (from: number, to: number): Int32Array => new Int32Array(rows).fill(1, from, to);
      const score = gainScore(truth, wrong(better, better + worse), wrong(0, better));
      passes += Number(
        judgeGate('gainOverProbe', GATE_TABLE.gainOverProbe, score, limits.gainOverProbe).verdict === 'pass',
      );
    }
    return ` ${((100 * passes) / DRAWS).toFixed(1)} |`;
  });
  console.log(`| ${100 * won} % | ${100 * lost} % |${passed.join('')}`);
}
