/**
 * The smallest defect that a gate shows 95 times in 100, by rows: simulated answers of a known defect, the measures and
 * the default thresholds themselves. No model, no data: what is found here holds for every set.
 *
 *   npx tsx bench/gates-power.ts [part of what a row says, as 'of a finder']
 */
import { differenceInOneMix } from '../activities/retrieval/one-mix.ts';
import type { Score } from '../activities/contract/measures.ts';
import { calibrationOf } from '../activities/validation/calibration.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { findGiveaways, oneLabel } from '../activities/validation/giveaway.ts';
import { pairedShareInterval } from '../activities/validation/paired.ts';
import { seededRandom } from '../activities/validation/random.ts';
import { sameMixDifference } from '../activities/validation/same-mix.ts';
import { shareDifference } from '../activities/validation/shares.ts';
import { opportunityGaps, sliceGaps, worstGap } from '../activities/validation/slices.ts';
import { wilsonInterval } from '../activities/validation/statistics.ts';
import { GatesSchema } from '../pipelines/definition/gates.ts';
import { RetrievalGatesSchema } from '../pipelines/definition/retrieval.ts';
import { RETRIEVAL_GATE_TABLE, type RetrievalGateName } from '../pipelines/gates/retrieval.ts';
import { GATE_TABLE, type GateName } from '../pipelines/gates/table.ts';
import { beta } from './support.ts';

const ROWS = [20, 30, 50, 100, 200, 400, 1000] as const;
const [TRIALS, SHOWN, STEP] = [400, 0.95, 0.025] as const;
/** Of a model without the defect. */
const RIGHT = 0.9;
const limits = GatesSchema.parse({});
const finderLimits = RetrievalGatesSchema.parse({});
let random = seededRandom(1);
const chance = (share: number): boolean => random.uniform() < share;
const countOf = (rows: number, share: number): number =>
  Array.from({ length: rows }, () => chance(share)).filter(Boolean).length;

interface Simulated {
  readonly gate: GateName | RetrievalGateName;
  /** Of a model that finds pictures. */
  readonly finder?: true;
  readonly says: string;
  readonly least: number;
  readonly most?: number;
  /** Effects that are tried, upwards in steps of 2.5 points. */
  readonly effects?: readonly [least: number, most: number];
  /** One score of `rows` rows with a defect of size `effect`. */
  readonly score: (rows: number, effect: number) => Score | Promise<Score>;
}

const drop = (rows: number, effect: number): Score =>
  shareDifference({ hits: countOf(rows, RIGHT), rows }, { hits: countOf(rows, RIGHT - effect), rows });

/** Rows of labels that are drawn alike on both sides; compared label by label, so that few rows of many labels tell less. */
function elsewhere(labels: number): Simulated {
  return {
    gate: 'shiftedDrop',
    says: `accuracy lost, n rows of each, ${labels} labels`,
    least: 30,
    score(rows, effect) {
      const answered = (share: number) => {
        const classes = Int32Array.from({ length: rows }, () => random.below(labels));
        return { classes, predicted: classes.map((label) => (chance(share) ? label : labels)) };
      };
      return sameMixDifference(answered(RIGHT), answered(RIGHT - effect));
    },
  };
}

function opportunity(recall: number): Simulated {
  return {
    gate: 'opportunityGap',
    says: `recall lost in one of two groups with n rows of the label each, six labels, from ${100 * recall} in 100`,
    least: 20,
    effects: [STEP, recall],
    score(rows, effect) {
      const groups = Array.from({ length: 12 * rows }, (_, row) => ({ group: String(row % 2) }));
      const expected = Int32Array.from(groups, (_, row) => Math.floor(row / (2 * rows)));
      const predicted = expected.map((label, row) =>
        chance(label === 0 && row % 2 === 1 ? recall - effect : recall) ? label : 6,
      );
      return opportunityGaps(groups, expected, predicted)[0]!.gap;
    },
  };
}

/** Figures of one label: no mix is another. */
const figures = (count: number, draw: () => number) => ({
  figures: Float64Array.from({ length: count }, draw),
  classes: new Int32Array(count),
});
const recalls = (count: number, share: number) => figures(count, () => Number(chance(share)));
/** As spread as those of ResNet-20 and SqueezeNet 1.1 are (a standard deviation of about a quarter). */
const precisions = (count: number, mean: number) => figures(count, () => beta(random, 2 * mean, 2 * (1 - mean)));

const OF_FINDERS: readonly Simulated[] = [
  {
    gate: 'validationTestGap',
    says: 'of a finder: recall lost, n pictures of each, from 95 in 100',
    least: 20,
    score: (rows, effect) => differenceInOneMix(recalls(rows, 0.95), recalls(rows, 0.95 - effect)),
  },
  {
    gate: 'galleryTestGap',
    says: 'of a finder: mAP lost from 0.9, n test pictures, a gallery of 4 n',
    least: 20,
    score: (rows, effect) => differenceInOneMix(precisions(4 * rows, 0.9), precisions(rows, 0.9 - effect)),
  },
  {
    gate: 'labelErrors',
    says: 'of a finder: wrong labels, of n pictures whose neighbours agree',
    least: 20,
    effects: [0.15, 1],
    score(rows, effect) {
      const wrong = countOf(rows, effect);
      return { value: wrong / rows, interval: wilsonInterval(wrong, rows, 0.975), rows };
    },
  },
];

const SIMULATED: readonly Simulated[] = [
  { gate: 'trainValidationGap', says: 'accuracy lost, n rows of each', least: 30, score: drop },
  { gate: 'validationTestGap', says: 'accuracy lost, n rows of each', least: 30, score: drop },
  elsewhere(2),
  {
    gate: 'gainOverProduction',
    says: 'rows that only production has right; 2 in 100 are the other way round',
    least: 30,
    score(rows, effect) {
      const lost = countOf(rows, effect);
      const won = countOf(rows - lost, 0.02);
      return { value: (won - lost) / rows, interval: pairedShareInterval({ won, lost }, rows), rows };
    },
  },
  {
    gate: 'calibrationError',
    says: 'surer than right, at every probability from 0.6 up',
    least: 100,
    effects: [STEP, 0.6], // a probability is at least 0.6 here
    async score(rows, effect) {
      const sure = Float32Array.from({ length: rows }, () => 0.6 + 0.4 * random.uniform());
      const probabilities = Float32Array.from({ length: 2 * rows }, (_, at) =>
        at % 2 === 0 ? sure[at / 2]! : 1 - sure[(at - 1) / 2]!,
      );
      const expected = Int32Array.from(sure, (confidence) => (chance(confidence - effect) ? 0 : 1));
      return (await calibrationOf(probabilities, expected, 2, { seed: rows, resamples: 200 })).ece;
    },
  },
  {
    gate: 'sliceGap',
    says: 'accuracy lost in one of three slices of n rows',
    least: 30,
    score(rows, effect) {
      const slices = [0, 1, 2].map((which) => ({
        name: String(which),
        rows: Array.from({ length: rows }, (_, at) => which * rows + at),
      }));
      const correct = Array.from({ length: 3 * rows }, (_, row) => chance(row < rows ? RIGHT - effect : RIGHT));
      return worstGap(sliceGaps(correct, slices));
    },
  },
  opportunity(RIGHT),
  opportunity(0.75),
  {
    gate: 'identityFlips',
    says: 'texts that flip, beyond 15 in 100 that flip with neutral sentences; six families',
    least: 50,
    score(rows, effect) {
      const flips = Array.from({ length: rows }, () => [chance(0.15 + effect), chance(0.15)] as const);
      const won = flips.filter(([identity, neutral]) => identity && !neutral).length;
      const lost = flips.filter(([identity, neutral]) => neutral && !identity).length;
      return { value: (won - lost) / rows, interval: pairedShareInterval({ won, lost }, rows, 1 - 0.05 / 6), rows };
    },
  },
  {
    gate: 'giveawayWord',
    says: 'share of a label’s n rows that end with the word, beside nine labels of n rows',
    least: 20,
    most: 200, // ten labels of it: more rows take minutes
    effects: [0.8, 1],
    async score(rows, effect) {
      const texts = Array.from({ length: 10 * rows }, (_, row) =>
        row < rows && chance(effect) ? 'where is it secret' : `where is it word${row % rows}`,
      );
      const classes = Int32Array.from(texts, (_, row) => Math.floor(row / rows));
      return (await findGiveaways(texts, oneLabel(classes), 10)).score;
    },
  },
];

const ofClassifier = (gate: Simulated['gate']): gate is GateName => gate in GATE_TABLE;
const ofFinder = (gate: Simulated['gate']): gate is RetrievalGateName => gate in RETRIEVAL_GATE_TABLE;

function judged(simulated: Simulated, score: Score) {
  const { gate, finder } = simulated;
  if (finder && ofFinder(gate)) return judgeGate(gate, RETRIEVAL_GATE_TABLE[gate], score, finderLimits[gate]);
  if (!finder && ofClassifier(gate)) return judgeGate(gate, GATE_TABLE[gate], score, limits[gate]);
  throw new Error(`there is no gate ${gate} of ${finder ? 'a finder' : 'a classifier'}`);
}

async function shown(simulated: Simulated, rows: number, effect: number): Promise<boolean> {
  let caught = 0;
  for (let trial = 0; trial < TRIALS; trial++) {
    const { verdict } = judged(simulated, await simulated.score(rows, effect));
    if (verdict !== 'pass' && verdict !== 'off') caught++;
  }
  return caught >= SHOWN * TRIALS;
}

async function smallest(simulated: Simulated, rows: number): Promise<number | undefined> {
  const { least, most = Infinity, effects: [from, to] = [STEP, 0.85] } = simulated;
  if (rows < least || rows > most) return undefined;
  for (let effect = from; effect <= to + 1e-9; effect += STEP) {
    if (await shown(simulated, rows, effect)) return effect;
  }
  return undefined;
}

console.log(`| gate | the defect | ${ROWS.map((rows) => `n = ${rows}`).join(' | ')} |`);
console.log(`| --- | --- |${' --- |'.repeat(ROWS.length)}`);
// A row is drawn by its place: what is added stands last.
const ALL = [
  ...SIMULATED,
  ...OF_FINDERS.map((one) => ({ ...one, finder: true as const })),
  elsewhere(10),
  elsewhere(77),
];
for (const [row, simulated] of ALL.entries()) {
  if (!simulated.says.includes(process.argv[2] ?? '')) continue;
  random = seededRandom(1, row); // a row is the same whatever stands above it
  const cells: string[] = [];
  for (const rows of ROWS) {
    const found = await smallest(simulated, rows);
    cells.push(found === undefined ? '–' : (100 * found).toFixed(1));
  }
  console.log(`| \`${simulated.gate}\` | ${simulated.says} | ${cells.join(' | ')} |`);
}
