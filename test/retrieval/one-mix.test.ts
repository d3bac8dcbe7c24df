import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { galleryInMemory } from '../../activities/retrieval/gallery.ts';
import { labelErrorsAround } from '../../activities/retrieval/neighbour-labels.ts';
import { lookAround } from '../../activities/retrieval/neighbourhoods.ts';
import { defined, differenceInOneMix } from '../../activities/retrieval/one-mix.ts';
import { meanDifference } from '../../activities/validation/multi-label/scores.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { toUnitLength } from '../../inference/retrieval/nearest.ts';

const DIMENSION = 32;
const SHOWN = [400, 80, 40, 20, 15, 15, 10, 10, 5, 5];
const LABELS = SHOWN.map((_, label) => `label ${label}`);
const EVEN = SHOWN.map(() => 30);
const options = { seed: 3, signal: new AbortController().signal, progress: () => undefined };

/** What stands around pictures of one kind on both sides, but for the mix; `wrongAt`: which test pictures have the next label. */
async function around(
  draw: number,
  asking: readonly number[],
  {
    wrongAt = () => false,
    noise = 3,
    shown = SHOWN,
  }: { wrongAt?: (at: number) => boolean; noise?: number; shown?: readonly number[] } = {},
) {
  const random = seededRandom(draw, 5);
  const normals = () => Array.from({ length: DIMENSION }, () => random.normal());
  const directions = LABELS.map(normals);
  const pictures = (name: string, counts: readonly number[], isWrong: (at: number) => boolean) => {
    const truly = counts.flatMap((count, label) => Array.from({ length: count }, () => label));
    const numbers = truly.flatMap((label) => normals().map((by, i) => directions[label]![i]! + noise * by));
    return {
      ids: truly.map((_, at) => `${name}-${at}`),
      classes: Int32Array.from(truly, (label, at) => (isWrong(at) ? (label + 1) % LABELS.length : label)),
      embeddings: toUnitLength(Float32Array.from(numbers), DIMENSION),
    };
  };
  const gallery = galleryInMemory({ ...pictures('shown', shown, () => false), labels: LABELS });
  return lookAround(gallery, pictures('asks', asking, wrongAt), LABELS.length, options);
}

describe('a gallery of another mix of labels than the test pictures', () => {
  it('accuses no right label: neighbours of a common label are no witnesses against a rare one', async () => {
    for (const draw of [1, 2, 3]) {
      const { score } = labelErrorsAround(await around(draw, EVEN), LABELS);
      ok(score.value === null || score.interval!.low < 0.15, `${draw}: ${JSON.stringify(score)}`);
    }
  });

  it('still shows wrong labels of test pictures where the mix is the gallery’s', async () => {
    const { score } = labelErrorsAround(await around(1, SHOWN, { wrongAt: (at) => at % 3 === 0, noise: 1 }), LABELS);
    deepEqual(score.of, 'test pictures');
    ok(score.interval!.low > 0.15, JSON.stringify(score));
  });

  it('shows wrong labels of test pictures that are mixed otherwise, too: neighbours are weighted to their mix', async () => {
    const asking = SHOWN.map((count) => Math.ceil(count / 2));
    const shown = SHOWN.map(() => 60);
    const wrongAt = (at: number): boolean => at % 10 < 3;
    for (const draw of [1, 2]) {
      const { score } = labelErrorsAround(await around(draw, asking, { wrongAt, shown }), LABELS);
      ok(score.of === 'test pictures' && score.interval!.low > 0.15, `${draw}: ${JSON.stringify(score)}`);
      const clean = labelErrorsAround(await around(draw, asking, { shown }), LABELS).score;
      ok(clean.value === null || clean.interval!.low < 0.15, `${draw}: ${JSON.stringify(clean)}`);
    }
  });

  it('is no gap between gallery and test, whose common labels are found first by their number', async () => {
    for (const draw of [1, 2, 3]) {
      const { gallery, test } = await around(draw, EVEN);
      const [own, theirs] = [gallery, test].map(({ averagePrecision, classes }) =>
        defined({ figures: averagePrecision, classes }),
      );
      ok(meanDifference(own!.figures, theirs!.figures).interval!.low > 0.1, 'a plain difference says so');
      const { value, interval } = differenceInOneMix(own!, theirs!);
      ok(interval!.low < 0.1 && Math.abs(value!) < 0.1, `${draw}: ${value} ${JSON.stringify(interval)}`);
    }
  });
});

describe('a difference in one mix of labels', () => {
  const figures = (values: readonly number[], classes: readonly number[]) => ({
    figures: Float64Array.from(values),
    classes: Int32Array.from(classes),
  });

  it('weights each label of the first by its share of the second, over labels that both have', () => {
    const first = figures([1, 1, 1, 0.2, 0.9], [0, 0, 0, 1, 2]);
    const second = figures([0.8, 0.1, 0.1, 0.1, 0.7], [0, 1, 1, 1, 3]);
    const { value, rows } = differenceInOneMix(first, second);
    equal(value!.toFixed(3), (0.25 * (1 - 0.8) + 0.75 * (0.2 - 0.1)).toFixed(3));
    equal(rows, 4, 'a label of one side alone is not asked');
  });

  it('is the plain difference, with its interval, where the mixes are the same', () => {
    const [first, second] = [figures([0.2, 0.4, 0.9, 1], [0, 0, 1, 1]), figures([0.1, 0.7], [0, 1])];
    const [weighted, plain] = [differenceInOneMix(first, second), meanDifference(first.figures, second.figures)].map(
      ({ value, interval }) => [value, interval!.low, interval!.high].map((number) => number!.toFixed(9)),
    );
    deepEqual(weighted, plain);
  });

  it('is wider where a label with few pictures weighs much', () => {
    const half = (number: number) => Array.from({ length: number }, (_, at) => (at % 2) * 0.5 + 0.25);
    const second = figures(
      half(40),
      Array.from({ length: 40 }, (_, at) => Number(at >= 4)),
    );
    const width = (few: number): number => {
      const classes = Array.from({ length: 40 }, (_, at) => Number(at < few));
      const { low, high } = differenceInOneMix(figures(half(40), classes), second).interval!;
      return high - low;
    };
    ok(width(2) > 1.5 * width(36), `${width(2)}, ${width(36)}`);
  });

  it('says why where no label is on both sides, and leaves out what has no figure', () => {
    const only = differenceInOneMix(figures([1], [0]), figures([1], [1]));
    equal(only.value, null);
    match(only.notApplicable!, /no label has pictures on both sides/);
    equal(differenceInOneMix(figures([1], [0]), figures([], [])).notApplicable, undefined, 'of no picture it fails');
    deepEqual([...defined(figures([Number.NaN, 0.5], [3, 4])).classes], [4]);
  });
});
