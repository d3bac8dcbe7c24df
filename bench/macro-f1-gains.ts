/**
 * How often the interval of what lies between the macro-F1 of two models misses the truth, and how often the gates that judge it
 * speak: answers of both to the same rows are drawn from known recalls, with few rows of some labels or of all. Labels one a row, or
 * each row's label and answers as sets of one. No model, no data.
 *
 *   npx tsx bench/macro-f1-gains.ts [draws = 1000] [resamples = 400] [one | several = one]
 */
import type { Interval, Score } from '../activities/contract/measures.ts';
import { binomial } from '../activities/validation/binomial.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { macroF1Gain } from '../activities/validation/macro-f1-difference.ts';
import { confusionMatrix, f1Scores, macroF1, meanF1, supportOf } from '../activities/validation/metrics.ts';
import type { Decisions } from '../activities/validation/multi-label/decisions.ts';
import { macroF1Gain as macroF1GainOfSets } from '../activities/validation/multi-label/macro-f1-difference.ts';
import { pairedShareInterval, discordance } from '../activities/validation/paired.ts';
import { seededRandom, type Random } from '../activities/validation/random.ts';
import { bootstrapInterval } from '../activities/validation/statistics.ts';
import { GatesSchema } from '../pipelines/definition/gates.ts';
import { GATE_TABLE } from '../pipelines/gates/table.ts';

const DRAWS = Number(process.argv[2] ?? 1000);
const RESAMPLES = Number(process.argv[3] ?? 400);
const SEVERAL = process.argv[4] === 'several';
const limits = GatesSchema.parse({});

interface Pair {
  /** Test rows, and both models' recalls, of each label. */
  readonly rows: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** How much of the rarer mistakes both make; the rest is by chance. */
  readonly shared: number;
}
const each = (count: number, value: number): readonly number[] => Array.from({ length: count }, () => value);

const PAIRS: readonly Pair[] = [
  // As good as one another.
  { rows: each(4, 4), before: each(4, 0.8), after: each(4, 0.8), shared: 0.3 },
  { rows: each(4, 10), before: each(4, 0.9), after: each(4, 0.9), shared: 0.3 },
  { rows: [60, 38, 2], before: [0.95, 0.95, 0.5], after: [0.95, 0.95, 0.5], shared: 0.3 },
  { rows: [200, 20, 5], before: [0.95, 0.8, 0.6], after: [0.95, 0.8, 0.6], shared: 0.3 },
  { rows: each(10, 10), before: each(10, 0.9), after: each(10, 0.9), shared: 0.3 },
  { rows: each(10, 40), before: each(10, 0.9), after: each(10, 0.9), shared: 0.9 },
  // As good on the whole, each on labels of its own.
  { rows: each(4, 10), before: [0.9, 0.9, 0.7, 0.7], after: [0.7, 0.7, 0.9, 0.9], shared: 0.3 },
  { rows: [200, 200, 5, 5], before: [0.9, 0.9, 0.9, 0.5], after: [0.9, 0.9, 0.5, 0.9], shared: 0.3 },
  // Worse on all labels but a rare one, which hides it by luck; and on rare labels alone.
  { rows: [60, 38, 2], before: [0.95, 0.95, 0.5], after: [0.75, 0.75, 0.9], shared: 0.3 },
  { rows: [...each(8, 40), 10, 10], before: each(10, 0.9), after: [...each(8, 0.9), 0.3, 0.3], shared: 0.9 },
  { rows: [...each(8, 40), 20, 20], before: each(10, 0.9), after: [...each(8, 0.9), 0.5, 0.5], shared: 0.9 },
  { rows: [...each(8, 40), 10, 10], before: each(10, 0.9), after: [...each(8, 0.94), 0.3, 0.3], shared: 0.9 },
  // Better on all.
  { rows: each(4, 10), before: each(4, 0.7), after: each(4, 0.95), shared: 0.3 },
  { rows: each(10, 20), before: each(10, 0.8), after: each(10, 0.9), shared: 0.3 },
];

/** Answers [before, after] to a row of a label, with their chances; a mistake is as likely any other label. */
function chancesOf({ rows, before, after, shared }: Pair, truth: number) {
  const [first, second] = [1 - before[truth]!, 1 - after[truth]!];
  const both = shared * Math.min(first, second) + (1 - shared) * first * second;
  const others = [...rows.keys()].filter((label) => label !== truth);
  const one = 1 / others.length;
  return [
    { answers: [truth, truth], chance: 1 - first - second + both },
    ...others.flatMap((label) => [
      { answers: [label, truth], chance: (first - both) * one },
      { answers: [truth, label], chance: (second - both) * one },
      { answers: [label, label], chance: both * 0.7 * one },
      ...others.map((other) => ({ answers: [label, other], chance: both * 0.3 * one * one })),
    ]),
  ] as const;
}

interface Answers {
  readonly expected: Int32Array;
  readonly before: Int32Array;
  readonly after: Int32Array;
}

function drawn(pair: Pair, random: Random): Answers {
  const all: { truth: number; answers: readonly number[] }[] = [];
  for (const [truth, rows] of pair.rows.entries()) {
    let [left, mass] = [rows, 1];
    for (const { answers, chance } of chancesOf(pair, truth)) {
      const isLast = mass - chance < 1e-9;
      const count = left === 0 ? 0 : isLast ? left : binomial(random, left, Math.min(1, Math.max(0, chance / mass)));
      for (let row = 0; row < count; row++) all.push({ truth, answers });
      left -= count;
      mass -= chance;
    }
  }
  return {
    expected: Int32Array.from(all, ({ truth }) => truth),
    before: Int32Array.from(all, ({ answers }) => answers[0]!),
    after: Int32Array.from(all, ({ answers }) => answers[1]!),
  };
}

/** Of endless rows in the same proportions. */
function truthOf({ rows, before, after }: Pair): number {
  const classes = rows.length;
  const of = (recall: readonly number[]): number => {
    const cells = rows.flatMap((count, truth) =>
      rows.map((_, answer) =>
        Math.round(count * 1e6 * (truth === answer ? recall[truth]! : (1 - recall[truth]!) / (classes - 1))),
      ),
    );
    return macroF1(Uint32Array.from(cells), classes);
  };
  return of(after) - of(before);
}

function gainOf({ expected, before, after }: Answers, classes: number, seed: number): Promise<Score> {
  const options = { seed, resamples: RESAMPLES };
  if (!SEVERAL) return macroF1Gain(expected, before, after, classes, options);
  const sets = (answers: Int32Array): Uint8Array => {
    const cells = new Uint8Array(answers.length * classes);
    for (const [row, label] of answers.entries()) cells[row * classes + label] = 1;
    return cells;
  };
  const of = (answers: Int32Array): Decisions => ({
    labels: classes,
    targets: sets(expected),
    predicted: sets(answers),
  });
  return macroF1GainOfSets(of(before), of(after), options);
}

function byBootstrap({ expected, before, after }: Answers, classes: number, seed: number): Promise<Interval | null> {
  const of = (predicted: Int32Array, rows: Uint32Array): number => {
    const confusion = confusionMatrix(expected, predicted, classes, rows);
    return meanF1(f1Scores(confusion, classes), supportOf(confusion, classes));
  };
  return bootstrapInterval(expected.length, (rows) => of(after, rows) - of(before, rows), {
    seed,
    resamples: RESAMPLES,
  });
}

/** `8 × 40, 2 × 10`. */
function named(values: readonly number[]): string {
  const kinds = [...new Set(values)].map((value) => [value, values.filter((one) => one === value).length] as const);
  return kinds.map(([value, count]) => (count === 1 ? `${value}` : `${count} × ${value}`)).join(', ');
}

console.log(
  '| rows a label | recall of the old model | of the new one | mistakes shared | difference | beyond it: low end, high end | by bootstrap alone | `macroF1OverProduction` warns | `macroF1OverTrivial` passes | `gainOverProduction` warns |',
);
console.log(`|${' --- |'.repeat(10)}`);
for (const [at, pair] of PAIRS.entries()) {
  const classes = pair.rows.length;
  const truth = truthOf(pair);
  const random = seededRandom(at, 5);
  const counts = { low: 0, high: 0, lowAlone: 0, highAlone: 0, warned: 0, passed: 0, accuracy: 0 };
  for (let draw = 0; draw < DRAWS; draw++) {
    const answers = drawn(pair, random);
    const rows = answers.expected.length;
    const gain = await gainOf(answers, classes, draw);
    const alone = SEVERAL ? null : await byBootstrap(answers, classes, draw);
    const compared = discordance(answers.expected, answers.after, answers.before);
    const accuracy = {
      value: (compared.won - compared.lost) / rows,
      interval: pairedShareInterval(compared, rows),
      rows,
    };
    const verdict = (name: 'macroF1OverProduction' | 'macroF1OverTrivial' | 'gainOverProduction', score: Score) =>
      judgeGate(name, GATE_TABLE[name], score, limits[name]).verdict;
    // Equal but for how a sum was rounded.
    counts.low += Number(gain.interval!.low > truth + 1e-9);
    counts.high += Number(gain.interval!.high < truth - 1e-9);
    counts.lowAlone += Number((alone?.low ?? -1) > truth + 1e-9);
    counts.highAlone += Number((alone?.high ?? 1) < truth - 1e-9);
    counts.warned += Number(verdict('macroF1OverProduction', gain) !== 'pass');
    counts.passed += Number(verdict('macroF1OverTrivial', gain) === 'pass');
    counts.accuracy += Number(verdict('gainOverProduction', accuracy) !== 'pass');
  }
  const share = (count: number): string => ((100 * count) / DRAWS).toFixed(1);
  const cells = [
    named(pair.rows),
    named(pair.before),
    named(pair.after),
    `${pair.shared}`,
    (100 * truth).toFixed(1).replace('-0.0', '0.0'),
    `${share(counts.low)}, ${share(counts.high)}`,
    SEVERAL ? '–' : `${share(counts.lowAlone)}, ${share(counts.highAlone)}`,
    share(counts.warned),
    share(counts.passed),
    share(counts.accuracy),
  ];
  console.log(`| ${cells.join(' | ')} |`);
}
