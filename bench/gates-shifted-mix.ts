/**
 * `shiftedDrop` of classifiers where rows from elsewhere have other labels than the test rows: how often the plain difference of two
 * accuracies, and that within labels (`activities/validation/same-mix.ts`), warn of a model that answers rows of each label as well
 * there, and of one that loses accuracy. Answers are drawn: no model, no data. Recalls of the labels lie evenly from 0.98 down to
 * `hardest`; test rows have as many of each label, rows from elsewhere the same, a tail towards the hard ones or the easy ones, or half of the labels.
 *
 *   npx tsx bench/gates-shifted-mix.ts [draws = 2000]
 */
import { judgeGate } from '../activities/validation/gates.ts';
import { seededRandom } from '../activities/validation/random.ts';
import { sameMixDifference, type AnsweredRows } from '../activities/validation/same-mix.ts';
import { countCorrect } from '../activities/validation/metrics.ts';
import { shareDifference } from '../activities/validation/shares.ts';
import { GatesSchema } from '../pipelines/definition/gates.ts';
import { GATE_TABLE } from '../pipelines/gates/table.ts';
import { exactly } from './support.ts';

const DRAWS = Number(process.argv[2] ?? 2000);
const limit = GatesSchema.parse({}).shiftedDrop;
const random = seededRandom(2028);

/** Of a label, counted from the easiest of `labels`, how many rows for one of the easiest. */
const MIXES = {
  'the same': () => 1,
  'more of the hard': (label: number, labels: number) => 20 ** (label / (labels - 1)),
  'more of the easy': (label: number, labels: number) => 20 ** (-label / (labels - 1)),
  'the hard half alone': (label: number, labels: number) => Number(2 * label >= labels),
} as const;

function drawn(rows: number, labels: number, hardest: number, mix: (typeof MIXES)[keyof typeof MIXES], lost: number) {
  const shares = Array.from({ length: labels }, (_, label) => mix(label, labels));
  const total = shares.reduce((sum, share) => sum + share, 0);
  const classes = new Int32Array(rows);
  const predicted = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    let left = random.uniform() * total;
    let label = 0;
    while (label < labels - 1 && left >= shares[label]!) left -= shares[label++]!;
    const recall = 0.98 - ((0.98 - hardest) * label) / (labels - 1);
    classes[row] = label;
    predicted[row] = random.uniform() < recall * (1 - lost) ? label : (label + 1) % labels;
  }
  return { classes, predicted };
}

const plain = (first: AnsweredRows, second: AnsweredRows) => {
  const count = ({ classes, predicted }: AnsweredRows) => ({
    hits: countCorrect(classes, predicted),
    rows: classes.length,
  });
  return shareDifference(count(first), count(second));
};
const warns = (score: ReturnType<typeof plain>): number =>
  Number(judgeGate('shiftedDrop', GATE_TABLE.shiftedDrop, score, limit).verdict === 'warn');

for (const [labels, hardest] of [
  [2, 0.6],
  [10, 0.5],
  [77, 0.5],
] as const) {
  for (const rows of [50, 200, 1000]) {
    for (const [name, mix] of Object.entries(MIXES)) {
      const told = [0, 0.3].map((lost) => {
        let [byPlain, byLabel] = [0, 0];
        for (let draw = 0; draw < DRAWS; draw++) {
          const test = drawn(rows, labels, hardest, MIXES['the same'], 0);
          const elsewhere = drawn(rows, labels, hardest, mix, lost);
          byPlain += warns(plain(test, elsewhere));
          byLabel += warns(sameMixDifference(test, elsewhere));
        }
        return `${lost === 0 ? 'as good' : `${100 * lost} in 100 lost`}: within labels ${exactly(byLabel, DRAWS)}, plain ${exactly(byPlain, DRAWS)}`;
      });
      console.log(`${labels} labels, ${rows} rows of each, ${name}: ${told.join('; ')}`);
    }
  }
}
