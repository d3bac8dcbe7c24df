import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { Pattern } from '../../../pipelines/guidelines/pattern.ts';

/** Patterns of what both know; repetitions are of groups, so that nothing is repeated twice. */
const PATTERNS = fc
  .letrec<{ pattern: string; part: string }>((tie) => ({
    pattern: fc.array(tie('part'), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('')),
    part: fc.oneof(
      { depthSize: 'small', maxDepth: 4 },
      fc.constantFrom(
        'a',
        'b',
        'B',
        '.',
        '\\d',
        '\\w',
        '\\s',
        '[ab]',
        '[^a]',
        '[a-c0-9]',
        '^',
        '$',
        '\\b',
        '\\B',
        'é',
        '\\n',
      ),
      fc.tuple(tie('pattern'), tie('pattern')).map(([one, other]) => `(${one}|${other})`),
      fc
        .tuple(tie('pattern'), fc.constantFrom('*', '+', '?', '*?', '{2}', '{1,3}', '{0,2}', '{2,}'))
        .map(([one, times]) => `(?:${one})${times}`),
    ),
  }))
  .pattern.filter((source) => source.length <= 120);
const TEXTS = fc
  .array(fc.constantFrom('a', 'b', 'A', 'c', '1', ' ', '\n', 'ab'), { maxLength: 12 })
  .map((parts) => parts.join(''));

describe('a pattern', () => {
  it('matches the texts that the regular expression matches, from the same place', () => {
    fc.assert(
      fc.property(PATTERNS, TEXTS, fc.boolean(), (source, text, ignoreCase) => {
        const own = new Pattern(source, { ignoreCase });
        const theirs = new RegExp(source, ignoreCase ? 'iu' : 'u').exec(text);
        assert.equal(own.test(text), theirs !== null, `${source} on ${JSON.stringify(text)}`);
        assert.equal(own.find(text)?.start, theirs?.index, `${source} on ${JSON.stringify(text)}`);
      }),
      { numRuns: 3000 },
    );
  });

  it('gives the longest of the first matches, in code units', () => {
    assert.deepEqual(new Pattern('a|ab+', { ignoreCase: false }).find('\u{1f600} xabbb'), { start: 4, end: 8 });
  });

  it('takes time in proportion to the text, where a backtracking engine would take ages', () => {
    // CPU time: the wall clock would also measure whatever else the machine does.
    const from = process.cpuUsage();
    for (const source of ['(a+)+$', '(a|a)*b', '(?:a*)*c', '(?:\\w+\\s?)*$']) {
      new Pattern(source, { ignoreCase: true }).test(`${'a'.repeat(20_000)}!`);
    }
    assert.ok(process.cpuUsage(from).user / 1e6 < 30);
  });

  it('says what it does not understand, and where', () => {
    for (const [source, message] of [
      ['(a', /a '\(' without its '\)' \(at character 3\)/],
      ['a)', /a '\)' without its '\('/],
      ['(?=a)', /look-around/],
      ['(?<x>a)', /look-around and named groups/],
      ['\\1', /the escape \\1/],
      ['a{2,1}', /ends before it begins/],
      ['a{999}', /at most 500 are counted/],
      ['a**', /a repetition of a repetition/],
      ['[z-a]', /a range/],
      ['[a', /a '\[' without its '\]'/],
      ['\\p{Nothing}', /the Unicode property 'Nothing'/],
      ['(?:(?:a{100}){100}){100}', /more than 1000 states/],
      ['('.repeat(40), /nested more than 30 deep/],
      ['x'.repeat(501), /has 501 characters/],
    ] as const) {
      assert.throws(() => new Pattern(source, { ignoreCase: true }), message, source);
    }
  });

  it('is refused with a reason or read, whatever is written', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...'ab(){}[]|*+?^$\\.,-1p:=<>!u'.split('')), maxLength: 20 }),
        (source) => {
          try {
            new Pattern(source, { ignoreCase: true }).test('ab1-');
          } catch (error) {
            assert.ok(error instanceof SyntaxError, String(error));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
