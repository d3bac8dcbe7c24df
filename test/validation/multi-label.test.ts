import { deepEqual, equal, ok } from 'node:assert/strict';
import * as fc from 'fast-check';
import { countExact, creditsOf, setNumbers } from '../../activities/validation/multi-label/decisions.ts';
import { labelCalibration } from '../../activities/validation/multi-label/calibration.ts';
import { countsOf, labelScores, macroF1, microF1 } from '../../activities/validation/multi-label/metrics.ts';
import {
  averagePrecisionScore,
  f1Scores,
  meanDifference,
  meanOf,
  meanScore,
} from '../../activities/validation/multi-label/scores.ts';
import { crossFitted, fittedLabels, fitThresholds } from '../../activities/validation/multi-label/thresholds.ts';
import { countSets, trivialRows, trivialSets } from '../../activities/validation/multi-label/trivial.ts';
import { shareDifferenceInterval } from '../../activities/validation/shares.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { wilsonInterval } from '../../activities/validation/statistics.ts';
import { decide, labelsAbove } from '../../inference/labels-above.ts';

// Twelve rows of three labels; every figure below is scikit-learn's (1.9.1) of these.
const TARGETS = Uint8Array.from(
  [
    [1, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0],
    [0, 1, 1, 0, 1, 1, 0, 0, 0, 0, 1, 0, 1, 1, 0, 0, 1, 0],
  ].flat(),
);
const CHANCES = Float32Array.from(
  [
    [0.51, 0.82, 0.51, 0.15, 0.88, 0.46, 0.78, 0.73, 0.3, 0.1, 0.61, 0.07, 0.89, 0.28, 0.34, 0.1, 0.79, 0.2],
    [0.61, 0.49, 0.69, 0.28, 0.73, 0.44, 0.13, 0.52, 0.53, 0.4, 0.94, 0.14, 0.9, 0.42, 0.68, 0.44, 0.72, 0.68],
  ].flat(),
);
const DECISIONS = { labels: 3, targets: TARGETS, predicted: decide(CHANCES, [0.5, 0.4, 0.6]) };
const close = (one: number | null | undefined, other: number, within = 1e-9): void =>
  ok(Math.abs((one ?? Number.NaN) - other) <= within, `${one} is not ${other}`);

describe('measures of several labels a row', () => {
  it('are the figures of scikit-learn', async () => {
    const options = { seed: 1, resamples: 200 };
    close(meanOf(creditsOf(DECISIONS)), 0.6944444444444443);
    equal(countExact(DECISIONS), 6);
    const counts = countsOf(DECISIONS)();
    close(macroF1(counts), 0.7);
    close(microF1(counts), 0.8);
    const [first, second, third] = labelScores(counts, ['a', 'b', 'c']);
    deepEqual([first?.precision, first?.recall, first?.f1, first?.support], [0.8, 0.8, 0.8, 5]);
    close(second?.precision, 9 / 11);
    deepEqual([third?.recall, third?.f1, third?.support], [0.5, 0.4, 2]);
    const { mean, byLabel } = await averagePrecisionScore(CHANCES, DECISIONS, options);
    for (const [label, value] of [0.8433333333333333, 0.9575757575757575, 0.6428571428571428].entries())
      close(byLabel[label], value);
    close(mean.value, 0.8145887445887446);
    const calibration = await labelCalibration(CHANCES, DECISIONS, options);
    close(calibration.brier, 0.1657611111111111, 1e-7);
    close(calibration.nll, 0.5043089541840703, 1e-7);
    for (const [label, value] of ECES.entries()) close(calibration.byLabel[label], value, 1e-7);
    close(calibration.ece.value, ECES.reduce((sum, value) => sum + value, 0) / 3, 1e-7);
    for (const { interval } of [mean, calibration.ece]) ok(interval !== null && interval.low < interval.high);
  });

  it('give a row without any label full credit where none is predicted, and none where one is', () => {
    deepEqual(
      [
        ...creditsOf({
          labels: 2,
          targets: Uint8Array.of(0, 0, 0, 0, 1, 1),
          predicted: Uint8Array.of(0, 0, 1, 0, 0, 1),
        }),
      ],
      [1, 0, 0.5],
    );
  });

  it('say of a resample what they say of these rows written out', () => {
    const counts = countsOf(DECISIONS);
    const drawn = Uint32Array.of(3, 3, 0, 11, 7, 3);
    const written = (all: Uint8Array): Uint8Array =>
      Uint8Array.from([...drawn].flatMap((row) => [...all.subarray(row * 3, row * 3 + 3)]));
    const rows = { labels: 3, targets: written(TARGETS), predicted: written(DECISIONS.predicted) };
    deepEqual(counts(drawn), countsOf(rows)());
  });

  it('do not claim certainty of rows that are all right', async () => {
    const flawless = { ...DECISIONS, predicted: TARGETS };
    const { macroF1: macro, worstLabelF1 } = await f1Scores(flawless, { seed: 1 });
    deepEqual([macro.value, worstLabelF1.value], [1, 1]);
    ok(
      (macro.interval?.low ?? 1) < 0.9 && (worstLabelF1.interval?.low ?? 1) < 0.7,
      JSON.stringify([macro, worstLabelF1]),
    );
    ok((meanScore(creditsOf(flawless)).interval?.low ?? 1) < 0.8);
    const { interval } = meanDifference(new Float64Array(20).fill(1), new Float64Array(20).fill(1));
    ok(interval !== null && interval.low < -0.05 && interval.high > 0.05);
  });

  it('have a mean whose interval is that of a share where credits are all 0 or 1, and narrower where some are between', () => {
    const binary = meanScore(Float64Array.of(1, 1, 0, 1, 1, 0, 1, 1));
    close(binary.interval?.low, wilsonInterval(6, 8).low);
    close(binary.interval?.high, wilsonInterval(6, 8).high);
    // The roots of Wilson's quadratic, solved in Python with its statistics.NormalDist.
    const { value, interval, rows } = meanScore(
      Float64Array.of(...Array<number>(14).fill(1), 0.5, 0.5, 0.5, 0.5, 1 / 3, 0),
    );
    equal(rows, 20);
    close(value, 49 / 60);
    close(interval?.low, 0.6453572758730682, 1e-12);
    close(interval?.high, 0.9159967126680184, 1e-12);
    ok(interval!.low > wilsonInterval(20 * value!, 20).low);
    const alike = meanScore(new Float64Array(30).fill(0.5)).interval;
    ok(alike !== null && alike.low > 0.4 && alike.low < 0.49 && alike.high > 0.51);
    deepEqual(meanScore(new Float64Array(0)), { value: null, interval: null, rows: 0 });
  });

  it('have a mean whose interval holds the truth of few rows that are nearly all right', () => {
    const random = seededRandom(11);
    const credit = (): number => (random.uniform() < 0.95 ? 1 : random.uniform() < 0.5 ? 0.5 : 0);
    let held = 0;
    for (let draw = 0; draw < 1000; draw++) {
      const { interval } = meanScore(Float64Array.from({ length: 50 }, credit));
      if (interval !== null && interval.low <= 0.9625 && 0.9625 <= interval.high) held += 1;
    }
    ok(held >= 940, `${held} of 1000`); // a bootstrap's held it in 836
  });

  it('differ beyond chance about as shares do, where credits are all 0 or 1', () => {
    const of = (hits: number, rows: number) => Float64Array.from({ length: rows }, (_, row) => Number(row < hits));
    const ours = meanDifference(of(80, 100), of(60, 90)).interval;
    const newcombe = shareDifferenceInterval({ hits: 80, rows: 100 }, { hits: 60, rows: 90 });
    close(ours?.low, newcombe.low, 0.01);
    close(ours?.high, newcombe.high, 0.01);
  });

  it('number equal sets alike, and others otherwise', () => {
    const number = setNumbers();
    const [one, two, three] = number(Uint8Array.of(1, 0, 0, 1, 1, 0), 2);
    ok(one === three && one !== two);
    deepEqual([...number(Uint8Array.of(0, 1), 2)], [two]);
  });
});

const ECES = [0.2891666666666666, 0.23916666666666667, 0.27];

describe('thresholds of labels', () => {
  it('part the probabilities where F1 is highest, and stay one half for a label with too few rows', () => {
    const [first, second, third] = fitThresholds(CHANCES, TARGETS, 3);
    // scikit-learn's precision_recall_curve: the highest F1 from 0.51 and from 0.42 on; of the third label there are two rows.
    ok((first ?? 0) > 0.44 && (first ?? 1) <= 0.51, String(first));
    ok((second ?? 0) > 0.28 && (second ?? 1) <= 0.42, String(second));
    equal(third, 0.5);
    deepEqual(fittedLabels(TARGETS, 3), [true, true, false]);
    deepEqual(fittedLabels(new Uint8Array(6).fill(1), 1), [false], 'all rows have it');
  });

  it('are never worse than one half on the rows that they were fitted on, whatever the rows', () => {
    const cell = fc.record({ chance: fc.integer({ min: 0, max: 20 }), target: fc.integer({ min: 0, max: 1 }) });
    fc.assert(
      fc.property(fc.array(cell, { minLength: 12, maxLength: 60 }), (cells) => {
        const chances = Float32Array.from(cells, ({ chance }) => chance / 20);
        const targets = Uint8Array.from(cells, ({ target }) => target);
        const f1 = (thresholds: readonly number[]): number => {
          const counts = countsOf({ labels: 1, targets, predicted: decide(chances, thresholds) })();
          return Number.isNaN(microF1(counts)) ? 0 : microF1(counts);
        };
        const fitted = fitThresholds(chances, targets, 1);
        ok(fitted[0]! >= 0 && fitted[0]! <= 1);
        ok(f1(fitted) >= f1([0.5]) - 1e-12);
      }),
    );
  });

  it('are set for rows by others: noise that fits itself gains nothing', () => {
    const random = seededRandom(3, 1);
    const rows = 2000;
    const chances = Float32Array.from({ length: rows }, () => random.below(1000) / 1000);
    const targets = Uint8Array.from({ length: rows }, () => Number(random.below(10) === 0));
    const { wrong, right } = countsOf({ labels: 1, targets, predicted: crossFitted(chances, targets, 1) })();
    const precision = right[0]! / (right[0]! + wrong[0]!);
    ok(precision > 0.05 && precision < 0.15, String(precision));
  });

  it('let a label apply from the threshold on, and any number of them', () => {
    deepEqual(labelsAbove([0.5, 0.49, 0.9], [0.5, 0.5, 0.2]), [0, 2]);
    deepEqual(labelsAbove([0.1, 0.1, 0.1], [0.5, 0.5, 0.2]), []);
  });
});

/** Added row by row. */
function frequentSet(targets: Uint8Array, labels: number) {
  const sets = countSets(labels);
  for (let start = 0; start < targets.length; start += labels)
    sets.add({ targets: targets.subarray(start, start + labels) });
  return sets.mostFrequent();
}

describe('the trivial models of several labels a row', () => {
  it('say how many training rows they learnt from: of many labels the counting of words has few', async () => {
    const labels = 1250;
    const texts = Array.from({ length: 190 }, (_, row) => (row % 2 === 0 ? 'parcel late' : 'refund money'));
    const targets = Uint8Array.from({ length: texts.length * labels }, (_, at) =>
      Number(at % labels === 0 && Math.floor(at / labels) % 2 === 0),
    );
    equal(trivialRows(labels), 160);
    const train = { texts: texts.slice(0, 160), targets: targets.subarray(0, 160 * labels) };
    const test = { texts: texts.slice(0, 2), targets: targets.slice(0, 2 * labels) };
    const mostFrequent = frequentSet(targets, labels);
    const [most, words] = await trivialSets({ ...train, mostFrequent }, test, labels);
    deepEqual([most?.learntFrom, words?.learntFrom], [190, 160]);
    deepEqual([words?.predicted[0], words?.predicted[labels]], [1, 0]);
  });

  it('have the first of the most frequent sets, of all rows', () => {
    // Sets {1}, {}, {0,2}, {}, {0,2}: two of each of the last.
    const targets = Uint8Array.of(0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1);
    deepEqual(frequentSet(targets.subarray(3), 3), {
      set: Uint8Array.of(0, 0, 0),
      rows: 4,
    });
    deepEqual(frequentSet(targets.subarray(6), 3), {
      set: Uint8Array.of(1, 0, 1),
      rows: 3,
    });
  });
});
