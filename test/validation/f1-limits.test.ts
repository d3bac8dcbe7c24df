import { equal, ok } from 'node:assert/strict';
import type { Score } from '../../activities/contract/measures.ts';
import { binomial } from '../../activities/validation/binomial.ts';
import { bootstrapCounts } from '../../activities/validation/cell-bootstrap.ts';
import { macroF1Limits, worstF1Limits } from '../../activities/validation/f1-limits.ts';
import { confusionMatrix, macroF1, worstLabelF1 } from '../../activities/validation/metrics.ts';
import { seededRandom, type Random } from '../../activities/validation/random.ts';
import { f1Scores } from '../../activities/validation/scores.ts';
import { wilsonInterval } from '../../activities/validation/statistics.ts';

interface Model {
  /** Test rows of each label. */
  readonly rows: readonly number[];
  readonly recall: readonly number[];
}

const MODELS: readonly Model[] = [
  { rows: [30, 18, 2], recall: [0.98, 0.98, 0.5] },
  { rows: [60, 38, 2], recall: [0.95, 0.95, 0.5] },
  { rows: [18, 18, 18, 18], recall: [0.95, 0.95, 0.95, 0.95] },
  { rows: [90, 10], recall: [0.95, 0.6] },
];

const DRAWS = 300;
const RESAMPLES = 200;

/** A mistake is as likely any other label. */
function chanceOf({ recall }: Model, truth: number, answer: number): number {
  return truth === answer ? recall[truth]! : (1 - recall[truth]!) / (recall.length - 1);
}

/** Its F1 of endless rows, in the same proportions. */
function truthOf(model: Model, statistic: typeof macroF1): number {
  const classes = model.rows.length;
  const confusion = model.rows.flatMap((rows, truth) =>
    model.rows.map((_, answer) => Math.round(rows * 1e7 * chanceOf(model, truth, answer))),
  );
  return statistic(Uint32Array.from(confusion), classes);
}

function drawn(model: Model, random: Random): { expected: Int32Array; predicted: Int32Array } {
  const [expected, predicted]: [number[], number[]] = [[], []];
  for (const [truth, rows] of model.rows.entries()) {
    let [left, mass] = [rows, 1];
    for (const answer of model.rows.keys()) {
      const chance = chanceOf(model, truth, answer);
      const isLast = answer === model.rows.length - 1;
      const count = isLast || left === 0 ? left : binomial(random, left, Math.min(1, chance / mass));
      for (let row = 0; row < count; row++) {
        expected.push(truth);
        predicted.push(answer);
      }
      left -= count;
      mass -= chance;
    }
  }
  return { expected: Int32Array.from(expected), predicted: Int32Array.from(predicted) };
}

describe('intervals of F1', () => {
  for (const model of MODELS) {
    it(`have a lower end below the truth, also of ${model.rows.join(', ')} rows a label`, async () => {
      const random = seededRandom(11, model.rows[0]);
      const classes = model.rows.length;
      const truth = { macroF1: truthOf(model, macroF1), worstLabelF1: truthOf(model, worstLabelF1) };
      const above = { macroF1: 0, worstLabelF1: 0 };
      for (let draw = 0; draw < DRAWS; draw++) {
        const scores: Record<keyof typeof above, Score> = await f1Scores(drawn(model, random), classes, {
          seed: draw,
          resamples: RESAMPLES,
        });
        for (const name of ['macroF1', 'worstLabelF1'] as const) {
          above[name] += Number((scores[name].interval?.low ?? 1) > truth[name]);
        }
      }
      // Promised are 2.5 %; 5.3 % of 300 draws is three standard errors above.
      ok(above.macroF1 <= 16 && above.worstLabelF1 <= 16, JSON.stringify(above));
    }).timeout(60_000);
  }

  it('would not, by resampling alone, where two rows of a label agree by luck', async () => {
    const [model] = MODELS as [Model];
    const random = seededRandom(11, 1);
    const truth = truthOf(model, macroF1);
    let above = 0;
    for (let draw = 0; draw < DRAWS; draw++) {
      const { expected, predicted } = drawn(model, random);
      const confusion = confusionMatrix(expected, predicted, 3);
      const interval = await bootstrapCounts(confusion, (cells) => macroF1(cells, 3), {
        seed: draw,
        resamples: RESAMPLES,
      });
      above += Number(interval!.low > truth);
    }
    ok(above > DRAWS * 0.08, `${above} of ${DRAWS}`);
  }).timeout(60_000);

  it('are Wilson’s of one label, and leave out labels that no row has', () => {
    const { low, high } = wilsonInterval(7, 10);
    const one = { right: [7, 0], either: [10, 0] };
    for (const interval of [macroF1Limits(one), worstF1Limits(one)]) {
      ok(Math.abs(interval!.low - (2 * low) / (1 + low)) < 1e-12);
      ok(Math.abs(interval!.high - (2 * high) / (1 + high)) < 1e-12);
    }
    equal(macroF1Limits({ right: [0], either: [0] }), null);
    equal(worstF1Limits({ right: [], either: [] }), null);
  });

  it('look at the label whose rows are fewest, even where another one scores worse', () => {
    const interval = worstF1Limits({ right: [2, 170], either: [2, 200] })!;
    const { low } = wilsonInterval(2, 2);
    ok(Math.abs(interval.low - (2 * low) / (1 + low)) < 1e-12, `${interval.low}`);
    ok(interval.high < 0.96, 'nor may it be better than the worst one surely is');
  });
});
