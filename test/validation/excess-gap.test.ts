import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import { fitLinearProbe, highestClasses, linearScores } from '../../activities/selection/linear-probe.ts';
import { excessGap, excessOf } from '../../activities/validation/excess-gap.ts';
import { countCorrect } from '../../activities/validation/metrics.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { shareDifference } from '../../activities/validation/shares.ts';
import { GATE_TABLE } from '../../pipelines/gates/table.ts';
import { clouds } from '../support/clouds.ts';

describe('the gap of training and validation beyond what a probe loses', () => {
  const { threshold } = GATE_TABLE.trainValidationGap;
  const [classes, dimension] = [3, 300];
  // Few rows of many numbers, of which three say something.
  const train = clouds(240, classes, 2, 1, dimension);
  const validation = clouds(300, classes, 2, 2, dimension);
  const settings = { dimension, classes, l2: 100, seed: 7, sampled: false };
  const hits = (predicted: Int32Array) => ({ hits: countCorrect(validation.classes, predicted), rows: 300 });

  it('is none of an honest head that learnt few hard rows, whose plain gap is wide', async () => {
    const head = await fitLinearProbe(train, settings.l2, settings);
    const answers = (embeddings: Float32Array) => highestClasses(linearScores(head, embeddings), classes);
    const [predicted, held] = [answers(train.embeddings), hits(answers(validation.embeddings))];
    const plain = shareDifference({ hits: countCorrect(train.classes, predicted), rows: 240 }, held);
    ok(plain.interval!.low > 0.2, `${plain.interval!.low}`);
    const score = await excessGap({ ...train, predicted }, held, settings);
    ok(score.interval!.low <= threshold, `${score.interval!.low}`);
    equal(score.rows, 300);
    // What is told beside it adds up to the plain gap.
    const told = Number(/^less (\d\.\d{3}): a probe of 240 training rows/u.exec(score.of!)![1]);
    ok(Math.abs(score.value! + told - plain.value!) < 1e-3, `${score.value} and ${told} are not ${plain.value}`);
    deepEqual(await excessGap({ ...train, predicted }, held, settings), score);
  });

  it('is shown of a model that has learnt wrong labels by heart', async () => {
    const random = seededRandom(3);
    const rows = clouds(300, classes, 2, 1, 60);
    const given = rows.classes.map((label) =>
      random.uniform() < 0.3 ? (label + 1 + random.below(classes - 1)) % classes : label,
    );
    const known = { ...rows, classes: given };
    const score = await excessGap(
      { ...known, predicted: given },
      { hits: 182, rows: 300 },
      { ...settings, dimension: 60 },
    );
    ok(score.interval!.low > threshold, `${score.interval!.low} ${score.of}`);
  });

  it('is the plain gap where a probe loses no more than usual, knows a sample alone or has too few rows to learn from, and nothing without rows', async () => {
    const predicted = train.classes;
    const asked = { hits: 150, rows: 300 };
    const plain = shareDifference({ hits: 240, rows: 240 }, asked);
    const known = { ...train, predicted };
    ok((await excessGap(known, asked, settings)).value! < 0.5);
    deepEqual(await excessGap(known, asked, { ...settings, sampled: true }), plain);
    deepEqual(await excessGap(known, asked, settings, 7 * classes * classes * dimension), plain);
    const easy = clouds(600, classes, 6, 1, 5);
    // Learnt whole, and right about 18 points fewer of the others: a probe of these rows loses next to nothing.
    const tuned = await excessGap(
      { ...easy, predicted: easy.classes },
      { hits: 246, rows: 300 },
      { ...settings, dimension: 5 },
    );
    deepEqual(tuned, shareDifference({ hits: 600, rows: 600 }, { hits: 246, rows: 300 }));
    ok(tuned.interval!.low <= threshold);
    const none = { value: null, interval: null, rows: 0 };
    deepEqual(await excessGap(known, { hits: 0, rows: 0 }, settings), none);
    throws(() => excessOf([], { hits: 1, rows: 2 }), RangeError);
  });

  it('has an interval that holds the truth in about 95 of 100 draws', () => {
    const random = seededRandom(5);
    const chance = (share: number): number => Number(random.uniform() < share);
    let held = 0;
    for (let draw = 0; draw < 1000; draw++) {
      // Learnt whole; the probe is right about 7 in 10 of them, and 5 in 10 out of fold.
      const kept = Array.from({ length: 200 }, () => 1 - chance(0.7) + chance(0.5));
      const asked = Array.from({ length: 80 }, () => chance(0.6)).filter((one) => one === 1).length;
      const { interval } = excessOf(kept, { hits: asked, rows: 80 });
      held += Number(interval!.low <= 0.2 && 0.2 <= interval!.high);
    }
    ok(held > 930 && held < 985, `${held} of 1000`);
  });
});
