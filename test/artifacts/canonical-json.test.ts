import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { assert as holds, jsonValue, property } from 'fast-check';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import { digestJson } from '../../artifacts/digest.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** -0 is 0 in JSON. */
const json = jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as Json);

function shuffled(value: Json): Json {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).toReversed();
  return Object.fromEntries(members.map(([key, part]) => [key, shuffled(part)]));
}

describe('canonical JSON', () => {
  it('is JSON of the same value', () => {
    holds(property(json, (value) => assert.deepEqual(JSON.parse(canonicalJson(value)), value)));
  });

  it('is the same for the same value in another order of keys, and stays so when read and written again', () => {
    holds(
      property(json, (value) => {
        const text = canonicalJson(value);
        assert.equal(canonicalJson(shuffled(value)), text);
        assert.equal(canonicalJson(JSON.parse(text)), text);
      }),
    );
  });

  it('differs for different values', () => {
    holds(
      property(json, json, (a, b) => {
        assert.equal(digestJson(a) === digestJson(b), isDeepStrictEqual(a, b));
      }),
    );
  });

  it('sorts keys by UTF-16 code units, as RFC 8785 has it', () => {
    // The example of RFC 8785, section 3.2.3.
    const keys = ['\u20ac', '\r', '\ufb33', '1', '\ud83d\ude00', '\u0080', '\u00f6'];
    const sorted = ['\r', '1', '\u0080', '\u00f6', '\u20ac', '\ud83d\ude00', '\ufb33'];
    const text = canonicalJson(Object.fromEntries(keys.map((key) => [key, 0])));
    assert.equal(text, `{${sorted.map((key) => `${JSON.stringify(key)}:0`).join(',')}}`);
  });

  it('writes numbers as RFC 8785 has them', () => {
    // Appendix B of RFC 8785.
    const table: [number, string][] = [
      [-0, '0'],
      [5e-324, '5e-324'],
      [-1.7976931348623157e308, '-1.7976931348623157e+308'],
      [9007199254740992, '9007199254740992'],
      [295147905179352830000, '295147905179352830000'],
      [1e21, '1e+21'],
      [0.000001, '0.000001'],
      [333333333.33333325, '333333333.33333325'],
    ];
    for (const [value, text] of table) assert.equal(canonicalJson(value), text);
  });

  for (const [what, value, path] of [
    ['NaN', { a: [1, Number.NaN] }, '$.a[1]'],
    ['an infinity', -Infinity, '$'],
    ['a date', { when: new Date(0) }, '$.when'],
    ['a map', new Map(), '$'],
    ['a function', { f: () => 0 }, '$.f'],
    ['a bigint', { n: 1n }, '$.n'],
    ['undefined in a list', [undefined], '$[0]'],
  ] as const) {
    it(`refuses ${what}, naming its place`, () => {
      assert.throws(
        () => canonicalJson(value),
        (error) => error instanceof TypeError && error.message.startsWith(`${path}: `),
      );
    });
  }
});
