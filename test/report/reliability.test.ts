import { deepEqual, doesNotMatch, equal, match, ok } from 'node:assert/strict';
import { reliabilityPlot } from '../../activities/report/plots/reliability.ts';

type Bin = Parameters<typeof reliabilityPlot>[0]['bins'][number];
const bin = (rows: number, confidence: number | null, accuracy: number | null): Bin => ({ rows, confidence, accuracy });
const drawn = (bins: readonly Bin[], several?: boolean): string =>
  reliabilityPlot({ brier: 0.1, nll: 0.3, bins }, several).markup;

interface Dot {
  readonly x: number;
  readonly y: number;
  readonly r: number;
}

function dotsOf(page: string): readonly Dot[] {
  return [...page.matchAll(/<circle[^>]*>/g)].map(([circle]) => {
    const number = (name: string): number => Number(new RegExp(` ${name}="([^"]*)"`).exec(circle)?.[1]);
    return { x: number('cx'), y: number('cy'), r: number('r') };
  });
}

/** Where the line of probabilities that mean what they say stands at a place, in pixels. */
function diagonalAt(page: string): (x: number) => number {
  const found = /class="limit" d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"/.exec(page);
  const [left, low, right, high] = (found ?? []).slice(1).map(Number) as [number, number, number, number];
  return (x) => low + ((x - left) / (right - left)) * (high - low);
}

describe('the plot of reliability', () => {
  it('has a dot for each bin that rows fell into, above the line where the model is right oftener than it says', () => {
    const page = drawn([
      bin(0, null, null),
      bin(40, 0.3, 0.55),
      bin(40, 0.6, 0.6),
      bin(0, null, null),
      bin(20, 0.9, 0.7),
    ]);
    const dots = dotsOf(page);
    equal(dots.length, 3);
    const [less, even, more] = dots as [Dot, Dot, Dot];
    const line = diagonalAt(page);
    // Pixels count downwards, and a coordinate has one decimal.
    ok(less.y < line(less.x) - 20, 'less sure than right: above');
    ok(Math.abs(even.y - line(even.x)) < 0.2, 'as sure as right: on it');
    ok(more.y > line(more.x) + 20, 'surer than right: under it');
    ok(less.x < even.x && even.x < more.x);
    // A tenth of a probability is as far anywhere.
    ok(Math.abs((even.x - less.x) / 3 - (more.x - even.x) / 3) < 0.2);
    ok(Math.abs((line(less.x) - less.y) / 0.25 - (more.y - line(more.x)) / 0.2) < 2);
  });

  it('joins the dots in their order', () => {
    const page = drawn([bin(10, 0.2, 0.1), bin(10, 0.5, 0.6), bin(10, 0.8, 0.7)]);
    const path = /class="validation"\s+d="([^"]*)"/.exec(page)?.[1];
    const points = [...(path ?? '').matchAll(/([\d.]+)[ ,]([\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]);
    equal(points.length, 3);
    deepEqual(
      points,
      dotsOf(page).map(({ x, y }) => [x, y]),
    );
  });

  it('shows by a dot’s area how many of the rows it has, and the smallest still', () => {
    const [most, some, few] = dotsOf(drawn([bin(800, 0.9, 0.9), bin(200, 0.5, 0.5), bin(1, 0.2, 0)])) as [
      Dot,
      Dot,
      Dot,
    ];
    ok(Math.abs(most.r / some.r - 2) < 0.05, `${most.r} and ${some.r}: four times the rows`);
    ok(few.r >= 2, 'one row of a thousand can be seen');
  });

  it('says in words what it shows, for those who do not see it', () => {
    const page = drawn([bin(1200, 0.91, 0.84), bin(0, null, null), bin(30, 0.4, 0.5)]);
    match(
      page,
      /<desc id="reliability-plot-text">91 % sure, 84 % right \(1\s200 rows\); 40 % sure, 50 % right \(30 rows\)<\/desc>/,
    );
  });

  it('calls its axes what they are of one label a row, and of several', () => {
    const bins = [bin(10, 0.5, 0.5)];
    match(drawn(bins), />probability of the predicted label<[\s\S]*>accuracy</);
    match(drawn(bins, true), />probability of a label<[\s\S]*>share of rows that have it</);
    doesNotMatch(drawn(bins, true), />accuracy</);
    match(drawn(bins), /Test rows in bins by the probability of their predicted label/);
    match(drawn(bins, true), /Every label of every test row, in bins by its probability/);
  });

  it('is empty, and no number is made up, where no row fell into a bin', () => {
    const page = drawn([bin(0, null, null), bin(0, null, null)]);
    equal(dotsOf(page).length, 0);
    doesNotMatch(page, /NaN|undefined|null/);
  });
});
