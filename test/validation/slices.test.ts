import assert from 'node:assert/strict';
import {
  groupSlices,
  lengthSlices,
  opportunityGaps,
  pictureSlices,
  listedSlices,
  sliceGaps,
  worstGap,
} from '../../activities/validation/slices.ts';

describe('slices', () => {
  it('show the one that is served worse, beyond chance over all of them', () => {
    const correct = Array.from({ length: 200 }, (_, row) => row % 10 !== 0 && !(row < 50 && row % 2 === 0));
    const rows = [...correct.keys()];
    const slices = [
      { name: 'first', rows: rows.slice(0, 50) },
      { name: 'last', rows: rows.slice(150) },
      { name: 'few', rows: [1, 2, 3] },
    ];
    const gaps = sliceGaps(correct, slices);
    assert.deepEqual(
      gaps.map(({ name, rows: count }) => [name, count]),
      [
        ['first', 50],
        ['last', 50],
      ],
    );
    assert.ok(worstGap(gaps).interval!.low > 0.2);
    assert.equal(worstGap(gaps).interval!.confidence, 0.975);
    assert.match(worstGap([]).notApplicable ?? '', /no slice/);
  });

  it('are listed with the judged one first, also where so many small ones have a wider gap that it would not be listed', () => {
    // Of many, in half of the rows a third is wrong; twenty slices of 30 are a little worse, and show nothing.
    const correct = Array.from({ length: 4000 }, (_, row) =>
      row < 2000 ? row % 3 !== 0 : row % 5 !== 0 || row > 3400,
    );
    const large = { name: 'large', rows: Array.from({ length: 2000 }, (_, at) => at) };
    const wrong = [...correct.keys()].filter((row) => !correct[row]);
    const right = [...correct.keys()].filter((row) => correct[row]);
    const small = Array.from({ length: 20 }, (_, at) => ({
      name: `small ${at}`,
      rows: [...wrong.slice(at * 14, at * 14 + 14), ...right.slice(at * 16, at * 16 + 16)],
    }));
    const gaps = sliceGaps(correct, [...small, large]);
    assert.equal(gaps.at(-1)?.name, 'large');
    const listed = listedSlices(gaps, 20);
    assert.equal(listed.length, 20);
    assert.deepEqual(listed[0]?.gap, worstGap(gaps));
    assert.equal(listed[0]?.name, 'large');
    assert.deepEqual(listedSlices([], 20), []);
  });

  it('of declared groups are told by column and value, and a label’s recall is compared between them', () => {
    const groups = Array.from({ length: 200 }, (_, row) => ({ region: row % 2 === 0 ? 'north' : 'south' }));
    const expected = Int32Array.from({ length: 200 }, (_, row) => (row < 100 ? 0 : 1));
    // South's rows of the second label are missed, every other one.
    const predicted = expected.map((label, row) => (row >= 100 && row % 4 === 1 ? 0 : label));
    assert.deepEqual(
      groupSlices(groups).map(({ name, rows }) => [name, rows.length]),
      [
        ['region = north', 100],
        ['region = south', 100],
      ],
    );
    const [worst, ...rest] = opportunityGaps(groups, expected, predicted);
    assert.deepEqual([worst?.label, worst?.served, worst?.unserved, worst?.gap.value], [1, 'north', 'south', 0.5]);
    assert.ok(worst!.gap.interval!.low > 0.25 && worst!.gap.interval!.confidence === 0.975);
    assert.ok(rest.every(({ gap }) => gap.interval!.low <= 0));
    assert.deepEqual(opportunityGaps(groups.slice(0, 10), expected, predicted), []);
  });

  it('of pictures are thirds by size and by brightness, every row once in each; pictures of one size are no slice', () => {
    const pictures = Array.from({ length: 90 }, (_, row) => ({
      width: 10 + row,
      height: 2,
      brightness: (row * 37) % 90,
    }));
    const slices = pictureSlices(pictures);
    assert.equal(slices.length, 6);
    assert.equal(slices[0]!.name, 'pictures of 20 to 78 pixels');
    assert.equal(slices[5]!.name, 'pictures of brightness 60 to 89 (of 255)');
    for (const three of [slices.slice(0, 3), slices.slice(3)]) {
      assert.deepEqual(
        three.flatMap(({ rows }) => rows).toSorted((a, b) => a - b),
        [...pictures.keys()],
      );
      assert.ok(three.every(({ rows }) => rows.length === 30));
    }
    // The dark ones are wrong.
    const [worst] = sliceGaps(
      pictures.map(({ brightness }) => brightness >= 35),
      slices,
    );
    assert.match(worst!.name, /^pictures of brightness 0 to 29 /);
    // Few sizes are no thirds, and slices all the same.
    const two = pictureSlices(pictures.map((_, row) => ({ width: row < 20 ? 8 : 16, height: 1, brightness: 9 })));
    assert.deepEqual(
      two.map(({ name, rows }) => [name, rows.length]),
      [
        ['pictures of 8 pixels', 20],
        ['pictures of 16 pixels', 70],
        ['pictures of brightness 9 (of 255)', 90],
      ],
    );
    assert.deepEqual(pictureSlices([]), []);
    const alike = pictureSlices(pictures.map(() => ({ width: 32, height: 32, brightness: 128 })));
    assert.match(
      worstGap(
        sliceGaps(
          Array.from(pictures, () => true),
          alike,
        ),
      ).notApplicable ?? '',
      /no slice/,
    );
  });

  it('by length are every row once', () => {
    const texts = Array.from({ length: 90 }, (_, row) => 'x'.repeat(row % 20));
    const rows = lengthSlices(texts).flatMap((slice) => slice.rows);
    assert.deepEqual(
      rows.toSorted((a, b) => a - b),
      [...texts.keys()],
    );
  });
});
