import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { rowsKept, stratifiedPlaces } from '../../activities/data/subset-data.ts';
import { sha256Hex } from '../../activities/data/normalise.ts';

const linesOf = (labels: readonly string[], seed = 7) =>
  labels.map((label, place) => ({ place, id: `row-${place}`, label, rank: sha256Hex(`${seed}:row-${place}`) }));

describe('a small part of the data', () => {
  it('has as many rows as its limits say', () => {
    assert.equal(rowsKept(1000, { share: 0.05, least: 64 }), 64);
    assert.equal(rowsKept(1000, { share: 0.2, least: 64 }), 200);
    assert.equal(rowsKept(40, { share: 0.2, least: 64 }), 40);
    assert.equal(rowsKept(5000, { most: 1000 }), 1000);
    assert.equal(rowsKept(5000, { most: 0 }), 0);
    assert.equal(rowsKept(7, {}), 7);
  });

  it('is stratified: each label by its share, and one of each where there are as many rows as labels', () => {
    const labels = [
      ...Array<string>(800).fill('often'),
      ...Array<string>(190).fill('some'),
      ...Array<string>(10).fill('rare'),
    ];
    const lines = linesOf(labels);
    const kept = stratifiedPlaces(lines, 100).map((place) => labels[place]);
    const count = (label: string): number => kept.filter((one) => one === label).length;
    assert.ok(Math.abs(count('often') - 80) <= 1 && Math.abs(count('some') - 19) <= 1 && count('rare') >= 1);
    assert.equal(new Set(stratifiedPlaces(lines, 3).map((place) => labels[place])).size, 3);
  });

  it('lies within every larger one, whatever the labels', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', 'b', 'c', ''), { minLength: 1, maxLength: 60 }),
        fc.nat(60),
        fc.nat(60),
        (labels, one, other) => {
          const [small, large] = [Math.min(one, other), Math.max(one, other)].map((wanted) =>
            stratifiedPlaces(linesOf(labels), wanted),
          );
          assert.equal(small?.length, Math.min(labels.length, Math.min(one, other)));
          for (const place of small ?? []) assert.ok(large?.includes(place));
        },
      ),
    );
  });

  it('is another one of another seed, and the same wherever the rows stand', () => {
    const labels = Array<string>(200).fill('a');
    assert.notDeepEqual(stratifiedPlaces(linesOf(labels, 1), 20), stratifiedPlaces(linesOf(labels, 2), 20));
    const lines = linesOf(labels);
    assert.deepEqual(stratifiedPlaces(lines.toReversed(), 20), stratifiedPlaces(lines, 20));
  });
});
