import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { differences, type Difference } from '../../artifacts/differences.ts';

describe('what differs between two step records', () => {
  const cases: [title: string, from: unknown, to: unknown, expected: Difference[]][] = [
    ['nothing', { a: [1, { b: null }] }, { a: [1, { b: null }] }, []],
    [
      'one leaf, by its path',
      { training: { epochs: 2 } },
      { training: { epochs: 3 } },
      [{ path: 'training.epochs', from: 2, to: 3 }],
    ],
    [
      'an element, by its index',
      { files: ['a', 'b'] },
      { files: ['a', 'c'] },
      [{ path: 'files[1]', from: 'b', to: 'c' }],
    ],
    ['what came', { a: 1 }, { a: 1, b: { c: 2 } }, [{ path: 'b', to: { c: 2 } }]],
    ['what went', { a: 1, b: false }, { a: 1 }, [{ path: 'b', from: false }]],
    ['null against a number', { layers: null }, { layers: 3 }, [{ path: 'layers', from: null, to: 3 }]],
    ['a list against a section: the whole', { a: [1] }, { a: { 0: 1 } }, [{ path: 'a', from: [1], to: { 0: 1 } }]],
    [
      'several, in the order of the newer one',
      { z: 1, b: { y: 'm', x: 1 }, gone: 0 },
      { b: { x: 2, y: 'n' }, z: 2 },
      [
        { path: 'b.x', from: 1, to: 2 },
        { path: 'b.y', from: 'm', to: 'n' },
        { path: 'z', from: 1, to: 2 },
        { path: 'gone', from: 0 },
      ],
    ],
  ];
  for (const [title, from, to, expected] of cases) {
    it(title, () => assert.deepEqual(differences(from, to), expected));
  }

  it('is empty exactly for equal values, whatever they are', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        const [left, right] = [JSON.stringify(a), JSON.stringify(b)].map((text) => JSON.parse(text) as unknown);
        assert.deepEqual(differences(left, structuredClone(left)), []);
        let equal = true;
        try {
          assert.deepEqual(left, right);
        } catch {
          equal = false;
        }
        assert.equal(differences(left, right).length === 0, equal);
      }),
    );
  });
});
