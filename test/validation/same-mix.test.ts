import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { sameMixDifference, type AnsweredRows } from '../../activities/validation/same-mix.ts';
import { shareDifference } from '../../activities/validation/shares.ts';

/** Of each label [rows, of which right]. */
const answered = (...labels: readonly (readonly [rows: number, right: number])[]): AnsweredRows => ({
  classes: Int32Array.from(labels.flatMap(([rows], label) => Array.from({ length: rows }, () => label))),
  predicted: Int32Array.from(
    labels.flatMap(([rows, right], label) => Array.from({ length: rows }, (_, row) => (row < right ? label : -1))),
  ),
});
const near = (actual: number | undefined, expected: number): void =>
  ok(Math.abs((actual ?? Number.NaN) - expected) < 1e-9, `${actual} is not ${expected}`);

describe('accuracy on rows whose labels are mixed otherwise', () => {
  it('is not lower where each label is answered as well, however many rows of the hard one there are', () => {
    const [test, elsewhere] = [answered([100, 95], [100, 60]), answered([20, 19], [180, 108])];
    const { value, interval, rows } = sameMixDifference(test, elsewhere);
    near(value!, 0);
    ok(interval!.low < 0 && interval!.high > 0);
    equal(rows, 200);
    near(shareDifference({ hits: 155, rows: 200 }, { hits: 127, rows: 200 }).value!, 0.14);
  });

  it('is lower by what is lost within labels, though the mix hides it', () => {
    const { value, interval } = sameMixDifference(answered([100, 95], [100, 60]), answered([180, 144], [20, 9]));
    near(value!, 0.15);
    ok(interval!.low > 0, JSON.stringify(interval));
  });

  // By hand: weights 100·20/120 and 50·30/80; differences 0.1 and 0.2; Σ w²/n = 9.8090, Σ w²/m = 25.6076.
  it("is Mantel and Haenszel's risk difference, with the interval of as many rows as the weighted ones are worth", () => {
    const { value, interval } = sameMixDifference(answered([100, 90], [50, 30]), answered([20, 16], [30, 12]));
    const weights = [100 * (20 / 120), 50 * (30 / 80)] as const;
    const all = weights[0] + weights[1];
    near(value!, (weights[0] * 0.1 + weights[1] * 0.2) / all);
    const worth = ([one, other]: readonly [number, number]) =>
      all ** 2 / (weights[0] ** 2 / one + weights[1] ** 2 / other);
    const share = (one: number, other: number) => (weights[0] * one + weights[1] * other) / all;
    const [here, there] = [worth([100, 50]), worth([20, 30])];
    const { interval: newcombe } = shareDifference(
      { hits: share(0.9, 0.6) * here, rows: here },
      { hits: share(0.8, 0.4) * there, rows: there },
    );
    near(interval!.low, newcombe!.low);
    near(interval!.high, newcombe!.high);
  });

  it('is the plain difference where the labels are mixed alike', () => {
    const plain = shareDifference({ hits: 46, rows: 60 }, { hits: 60, rows: 120 });
    const { value, interval } = sameMixDifference(answered([20, 18], [40, 28]), answered([40, 24], [80, 36]));
    near(value!, plain.value!);
    near(interval!.low, plain.interval!.low);
    near(interval!.high, plain.interval!.high);
  });

  it('says nothing of labels that one side alone has, and is not measured where no label is on both', () => {
    const [test, elsewhere] = [answered([40, 40], [0, 0]), answered([40, 40], [60, 0])];
    const { value, rows } = sameMixDifference(test, elsewhere);
    deepEqual([value, rows], [0, 40]);
    match(sameMixDifference(test, answered([0, 0], [60, 0])).notApplicable ?? '', /no label has rows on both sides/);
    match(sameMixDifference(test, answered()).notApplicable ?? '', /no label/);
  });
});
