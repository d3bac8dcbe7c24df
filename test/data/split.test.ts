import { deepEqual, equal, ok } from 'node:assert/strict';
import * as fc from 'fast-check';
import { nearKey, normaliseText, textIdentity } from '../../activities/data/normalise.ts';
import { splitRows } from '../../activities/data/split.ts';
import { sentences } from './fixtures.ts';

const SIDES = ['train', 'validation', 'test'] as const;
const SHARES = { train: 0.7, validation: 0.15, test: 0.15 };
const rowsOf = (texts: readonly { readonly text: string; readonly label: string }[]) =>
  texts.map(({ text, label }) => ({ ...textIdentity(text), label }));

describe('data split', () => {
  it('meets the shares to within one row a label where all texts differ', () => {
    for (const count of [20, 21, 22, 47, 100, 333]) {
      const { sides } = splitRows(rowsOf(sentences(count * 2, ['a', 'b'])), SHARES, 7);
      for (const label of ['a', 'b']) {
        for (const side of SIDES) {
          const got = sides[side].filter((row) => row.label === label).length;
          ok(Math.abs(got - count * SHARES[side]) <= 1, `${got} of ${count} in ${side}`);
        }
      }
    }
  });

  it('puts every label on every side even where its share rounds to nothing', () => {
    const { sides, unsplittable } = splitRows(rowsOf(sentences(6, ['a', 'b'])), SHARES, 7);
    deepEqual(unsplittable, []);
    for (const side of SIDES) deepEqual(sides[side].map(({ label }) => label).toSorted(), ['a', 'b']);
  });

  it('names a label that has too few different texts', () => {
    const near = ['Order 1!', 'order 2', 'ORDER 3?'].map((text) => ({ text, label: 'c' }));
    deepEqual(splitRows(rowsOf([...sentences(20, ['a', 'b']), ...near]), SHARES, 7).unsplittable, ['c']);
  });

  it('makes only the sides that have a share', () => {
    const { sides } = splitRows(rowsOf(sentences(100, ['a', 'b'])), { train: 0.7, validation: 0.15 }, 7);
    deepEqual(
      SIDES.map((side) => sides[side].length),
      [82, 18, 0],
    );
  });

  it('takes another selection for another seed', () => {
    const rows = rowsOf(sentences(100, ['a', 'b']));
    const [one, other] = [7, 8].map(
      (seed) => new Set(splitRows(rows, SHARES, seed).sides.test.map(({ normalised }) => normalised)),
    );
    ok([...(one ?? [])].filter((text) => other?.has(text)).length < 15);
  });

  it('loses no row, never straddles near-identical texts, and does not depend on the order', () => {
    const text = fc
      .tuple(
        fc.constantFrom('ship', 'Pay', 'refund', 'late', 'ünder', 'call', 'code'),
        fc.constantFrom('now', 'later', 'Soon', '', '👍', '👎'),
        fc.constantFrom('1', '22', '!', '?', ''),
      )
      .map((parts) => parts.join(' '));
    const row = fc.record({ text, label: fc.constantFrom('a', 'b', 'c') });
    const rowsArbitrary = fc.uniqueArray(row, {
      minLength: 6,
      maxLength: 80,
      selector: (value) => normaliseText(value.text),
    });
    fc.assert(
      fc.property(rowsArbitrary, fc.nat(1000), fc.nat(), (input, seed, turn) => {
        const rows = rowsOf(input);
        const { sides, unsplittable } = splitRows(rows, SHARES, seed);
        const at = turn % rows.length;
        const turned = splitRows([...rows.slice(at), ...rows.slice(0, at)].toReversed(), SHARES, seed);
        const keys = new Map<string, string>();
        for (const side of SIDES) {
          const names = (list: readonly { normalised: string }[]) =>
            list.map(({ normalised }) => normalised).toSorted();
          deepEqual(names(turned.sides[side]), names(sides[side]));
          for (const { normalised } of sides[side]) {
            equal(keys.get(nearKey(normalised)) ?? side, side);
            keys.set(nearKey(normalised), side);
          }
          for (const label of new Set(rows.map((item) => item.label))) {
            ok(unsplittable.includes(label) || sides[side].some((item) => item.label === label));
          }
        }
        equal(
          SIDES.reduce((sum, side) => sum + sides[side].length, 0),
          rows.length,
        );
      }),
      { numRuns: 200 },
    );
  });
});

describe('text normalisation', () => {
  it('compares by NFC, white space and case', () => {
    equal(normaliseText('  CAFE\u0301\u00A0 au\n\tlait '), 'caf\u00E9 au lait');
  });
  it('groups texts that differ in digits, punctuation and symbols', () => {
    equal(nearKey('order 12 is late!'), nearKey('order: 7, is late 👍'));
    ok(nearKey('order is late') !== nearKey('orders is late'));
    equal(nearKey('12:30'), '12:30');
    equal(nearKey('हिन्दी में'), 'हिन्दी में');
  });
});
