/**
 * How often the gates accuse a model of several labels a row that is as it should be, and how often they see a defect: targets
 * are drawn from probabilities that are the model's own, or off by a known amount, and judged by the very measures and gates of
 * a run at their defaults. No model, no data.
 *
 *   npx tsx bench/multi-label-gates.ts [draws = 400] [accuracy: its intervals alone]
 */
import type { Score } from '../activities/contract/measures.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { labelCalibration } from '../activities/validation/multi-label/calibration.ts';
import { creditsOf, type Decisions } from '../activities/validation/multi-label/decisions.ts';
import {
  f1Scores,
  meanDifference,
  meanOf,
  meanScore,
  pairedGain,
} from '../activities/validation/multi-label/scores.ts';
import { creditGaps } from '../activities/validation/multi-label/slices.ts';
import { seededRandom } from '../activities/validation/random.ts';
import { opportunityGaps, worstGap } from '../activities/validation/slices.ts';
import { GatesSchema } from '../pipelines/definition/gates.ts';
import { GATE_TABLE, type GateName } from '../pipelines/gates/table.ts';
import { beta } from './support.ts';

const DRAWS = Number(process.argv[2] ?? 400);
const ONLY_ACCURACY = process.argv[3] === 'accuracy';
const ROWS = [50, 100, 200, 400];
const LABELS = 10;
/** How often a label applies: some often, some in one row of 20. */
const RATES = Array.from({ length: LABELS }, (_, label) => 0.05 + 0.03 * label);
/** The smaller, the surer the model: chances near 0 and 1. */
const SURENESS = 0.12;
const limits = GatesSchema.parse({});
const random = seededRandom(2026);

interface Rows extends Decisions {
  readonly probabilities: Float32Array;
}

/**
 * Rows whose labels apply with the very chances that the model tells, decided from one half on. `wrong`: share of rows about which
 * it tells another row's chances, and so knows nothing.
 */
function drawn(rows: number, wrong: (row: number) => number = () => 0, sureness = SURENESS): Rows {
  const probabilities = new Float32Array(rows * LABELS);
  const targets = new Uint8Array(rows * LABELS);
  const chances = (): number[] => RATES.map((rate) => beta(random, sureness * rate, sureness * (1 - rate)));
  for (let row = 0; row < rows; row++) {
    const told = chances();
    const true_ = random.uniform() < wrong(row) ? chances() : told;
    for (let label = 0; label < LABELS; label++) {
      probabilities[row * LABELS + label] = told[label]!;
      targets[row * LABELS + label] = Number(random.uniform() < true_[label]!);
    }
  }
  return {
    labels: LABELS,
    probabilities,
    targets,
    predicted: Uint8Array.from(probabilities, (one) => Number(one >= 0.5)),
  };
}
const credits = (rows: number, wrong?: (row: number) => number) => creditsOf(drawn(rows, wrong));
const always = (share: number) => () => share;
const every = (of: number, share: number) => (row: number) => (row % of === 0 ? share : 0);

/** Two models of the same rows: each knows nothing of its own share of them. */
function pair(rows: number, first: number, second: number): readonly [Float64Array, Float64Array] {
  const base = drawn(rows);
  const blind = (share: number): Rows => {
    const predicted = Uint8Array.from(base.predicted);
    for (let row = 0; row < rows; row++) {
      if (random.uniform() >= share) continue;
      for (let label = 0; label < LABELS; label++)
        predicted[row * LABELS + label] = Number(random.uniform() < RATES[label]!);
    }
    return { ...base, predicted };
  };
  return [creditsOf(blind(first)), creditsOf(blind(second))];
}

/** As the evaluation asks it of several labels: each label that a row has is recognised or not. */
function opportunity({ targets, predicted }: Rows): Score {
  const cells = [...targets.keys()].filter((at) => targets[at] === 1);
  const [worst] = opportunityGaps(
    cells.map((at) => ({ region: Math.floor(at / LABELS) % 2 === 0 ? 'north' : 'south' })),
    Int32Array.from(cells, (at) => at % LABELS),
    Int32Array.from(cells, (at) => (predicted[at] === 1 ? at % LABELS : -1)),
  );
  return worst?.gap ?? { value: null, interval: null, rows: 0, notApplicable: 'too few rows of any label' };
}

const thirds = (rows: number) =>
  [0, 1, 2].map((third) => ({
    name: String(third),
    rows: Array.from({ length: rows }, (_, row) => row).filter((row) => row % 3 === third),
  }));

/** Told surer, or less sure, than it is: logits times a power. */
function told({ probabilities, ...rest }: Rows, power: number): Rows {
  const odds = (chance: number) => (Math.max(chance, 1e-6) / Math.max(1 - chance, 1e-6)) ** power;
  return { ...rest, probabilities: probabilities.map((chance) => odds(chance) / (1 + odds(chance))) };
}

interface Trial {
  readonly gate: GateName;
  readonly what: string;
  readonly of: (rows: number) => Score | Promise<Score>;
}
const options = () => ({ seed: random.below(2 ** 31), resamples: 300 });
const gap = (share: number) => (rows: number) => meanDifference(credits(rows), credits(rows, always(share)));
const gain = (before: number, after: number) => (rows: number) => {
  const [first, second] = pair(rows, before, after);
  return pairedGain(second, first);
};
const calibration = (power: number) => async (rows: number) => {
  const one = told(drawn(rows), power);
  return (await labelCalibration(one.probabilities, one, options())).ece;
};
const sliced = (share: number) => (rows: number) => worstGap(creditGaps(credits(rows, every(3, share)), thirds(rows)));

const TRIALS: readonly Trial[] = [
  { gate: 'trainValidationGap', what: 'clean', of: gap(0) },
  { gate: 'trainValidationGap', what: 'of 5 in 10 validation rows it knows nothing', of: gap(0.5) },
  { gate: 'trainValidationGap', what: 'of 7 in 10', of: gap(0.7) },
  { gate: 'validationTestGap', what: 'clean', of: gap(0) },
  { gate: 'validationTestGap', what: 'of 5 in 10 test rows it knows nothing', of: gap(0.5) },
  { gate: 'shiftedDrop', what: 'clean', of: gap(0) },
  { gate: 'shiftedDrop', what: 'of 5 in 10 rows from elsewhere it knows nothing', of: gap(0.5) },
  { gate: 'sliceGap', what: 'clean, three slices', of: sliced(0) },
  { gate: 'sliceGap', what: 'of 6 in 10 rows of a third it knows nothing', of: sliced(0.6) },
  { gate: 'opportunityGap', what: 'clean, two groups', of: (rows) => opportunity(drawn(rows)) },
  {
    gate: 'opportunityGap',
    what: 'of 8 in 10 rows of a group it knows nothing',
    of: (rows) => opportunity(drawn(rows, every(2, 0.8))),
  },
  { gate: 'calibrationError', what: 'clean', of: calibration(1) },
  { gate: 'calibrationError', what: 'logits to a tenth', of: calibration(0.1) },
  { gate: 'gainOverProduction', what: 'as good: each knows nothing of 1 in 10 rows of its own', of: gain(0.1, 0.1) },
  { gate: 'gainOverProduction', what: 'of 3 in 10 it knows nothing, production of 1', of: gain(0.1, 0.3) },
  { gate: 'gainOverProbe', what: 'as good (not to pass)', of: gain(0.1, 0.1) },
  { gate: 'gainOverProbe', what: 'the probe knows nothing of 3 in 10, it of 1', of: gain(0.3, 0.1) },
];

console.log(
  `mean accuracy ${meanOf(credits(20_000)).toFixed(3)}; not passed, columns ${ROWS.join(', ')} rows, ${DRAWS} draws; – where nothing could be measured`,
);
for (const { gate, what, of } of ONLY_ACCURACY ? [] : TRIALS) {
  const cells: string[] = [];
  for (const rows of ROWS) {
    let [alarms, measured] = [0, 0];
    for (let draw = 0; draw < DRAWS; draw++) {
      const { verdict } = judgeGate(gate, GATE_TABLE[gate], await of(rows), limits[gate]);
      if (verdict === 'off') continue;
      measured += 1;
      if (verdict !== 'pass') alarms += 1;
    }
    cells.push((measured === 0 ? '–' : `${((100 * alarms) / measured).toFixed(1)} %`).padStart(9));
  }
  console.log(`${`${gate}: ${what}`.padEnd(76)}${cells.join('')}`);
}

/** Of what must be shown to be good, how often the interval holds the truth; of models surer and less sure, too. */
for (const sureness of [0.03, SURENESS, 0.5]) {
  const truth = meanOf(creditsOf(drawn(200_000, always(0), sureness)));
  const counts = { 'holds the truth': [] as number[], 'is above the truth': [] as number[] };
  for (const rows of [20, 30, ...ROWS]) {
    let [held, above] = [0, 0];
    for (let draw = 0; draw < DRAWS; draw++) {
      const { interval } = meanScore(creditsOf(drawn(rows, always(0), sureness)));
      if (interval === null) throw new Error('rows have an interval');
      if (interval.low > truth) above += 1;
      else if (truth <= interval.high) held += 1;
    }
    counts['holds the truth'].push(held);
    counts['is above the truth'].push(above);
  }
  for (const [what, of] of Object.entries(counts)) {
    const cells = of.map((count) => `${((100 * count) / DRAWS).toFixed(1)} %`.padStart(9)).join('');
    console.log(`${`accuracy ${truth.toFixed(3)}: the interval ${what}; 20, 30, … rows`.padEnd(76)}${cells}`);
  }
}
if (!ONLY_ACCURACY) await intervalsOfF1();

async function intervalsOfF1(): Promise<void> {
  const many = (await f1Scores(drawn(50_000), { seed: 1, resamples: 20 })).macroF1.value ?? Number.NaN;
  const ofF1: string[] = [];
  for (const rows of ROWS) {
    let held = 0;
    for (let draw = 0; draw < DRAWS; draw++) {
      const { interval } = (await f1Scores(drawn(rows), { seed: draw, resamples: 200 })).macroF1;
      if (interval !== null && interval.low <= many) held += 1;
    }
    ofF1.push(`${((100 * held) / DRAWS).toFixed(1)} %`.padStart(9));
  }
  console.log(`${'macroF1: its lower end is not above the truth'.padEnd(76)}${ofF1.join('')}`);
}
