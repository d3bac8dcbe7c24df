import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { CHECK_KINDS } from '../../../pipelines/guidelines/checks.ts';
import { checkGuidelines, parseGuidelines, readGuidelines } from '../../../pipelines/guidelines/guidelines.ts';
import { EspalierError } from '../../../artifacts/errors.ts';

const kindOf = (error: unknown): string | undefined => (error instanceof EspalierError ? error.kind : undefined);
const of = (checks: string): string => `version: 1\nchecks:\n${checks}`;
const problemsOf = (text: string) => {
  const checked = checkGuidelines(text);
  return checked.ok ? [] : checked.problems.map(({ path, message, fix }) => `${path}: ${message} (${fix})`);
};

describe('guidelines', () => {
  it('are in the documentation as they are: the example is read, the table has every kind', () => {
    const page = readFileSync(new URL('../../../docs/generation.md', import.meta.url), 'utf8');
    assert.deepEqual(problemsOf(/```yaml\n(version[^]*?)```/.exec(page)?.[1] ?? ''), []);
    const table = page.slice(page.indexOf('| kind |'), page.indexOf('Phrases are whole words'));
    const kinds = [...table.matchAll(/^\| `([a-z-]+)` \| /gm)].map((match) => match[1] ?? '');
    assert.deepEqual(kinds.toSorted(), CHECK_KINDS.toSorted());
  });

  it('are read with every default, and known by what they say, not by how it is written', () => {
    const one = checkGuidelines(of('  - {id: short, kind: length, maxWords: 40}'));
    const same = checkGuidelines(
      '# for the help desk\nchecks:\n- maxWords: 40\n  severity: gate\n  kind: length\n  id: short\nversion: 1',
    );
    const other = checkGuidelines(of('  - {id: short, kind: length, maxWords: 41}'));
    assert.ok(one.ok && same.ok && other.ok);
    assert.equal(one.digest, same.digest);
    assert.notEqual(one.digest, other.digest);
  });

  it('report every mistake with its path and a way out', () => {
    const found = problemsOf(
      of(`  - {id: a, kind: lenght, maxWords: 3}
  - {id: b, kind: length, maxWord: 3}
  - {id: c, kind: pattern, pattern: "(a"}
  - {id: d, kind: json, schema: {type: 7}}
  - {id: E, kind: tone, tone: rude}
  - {id: f, kind: banned-phrases, phrases: []}`),
    ).join('\n');
    for (const expected of [
      /checks\[0\]\.kind/,
      /checks\[1\]\.maxWord: is not a setting here \(did you mean 'maxWords'\?\)/,
      /checks\[2\]\.pattern: the pattern has a '\(' without/,
      /checks\[3\]\.schema: is no JSON Schema/,
      /checks\[4\]\.id: has a form that is not allowed/,
      /checks\[4\]\.tone: must be 'polite' or/,
      /checks\[5\]\.phrases: must not be empty/,
    ]) {
      assert.match(found, expected);
    }
  });

  it('report what contradicts itself or says nothing', () => {
    const found = problemsOf(
      of(`  - {id: a, kind: length, severity: soft}
  - {id: a, kind: length, minWords: 9, maxWords: 3, severity: soft}
  - {id: b, kind: language, severity: soft}
  - {id: c, kind: refusal, must: refuse, severity: soft}
  - {id: d, kind: tone, severity: soft}
  - {id: e, kind: citations, facts: [], severity: soft}`),
    ).join('\n');
    for (const expected of [
      /checks\[0\]: says nothing \(set one of minWords/,
      /checks\[1\]\.id: is 'a', as of checks\[0\]/,
      /checks\[1\]: asks for at least 9 and at most 3/,
      /checks\[2\]: says nothing \(set one of language, script/,
      /checks\[3\]: refuses every prompt/,
      /checks\[4\]: says nothing/,
      /checks\[5\]: asks for nothing/,
      /checks: has no check of severity gate/,
    ]) {
      assert.match(found, expected);
    }
  });

  it('take no YAML that blows up, no type of an object, no deep nesting, no huge file', () => {
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x]',
      ...'bcdefghi'
        .split('')
        .map((name, index) => `${name}: &${name} [${Array(8).fill(`*${'abcdefgh'[index]}`).join(',')}]`),
    ].join('\n');
    for (const text of [
      bomb,
      'version: !!js/function "f"',
      `checks: ${'['.repeat(5000)}`,
      ' '.repeat(300_000),
      '\u0000',
      '',
    ]) {
      assert.notEqual(problemsOf(text).length, 0);
    }
  });

  it('never crash: any text is guidelines or a list of mistakes', () => {
    const value = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.constant(null),
      fc.array(fc.string(), { maxLength: 2 }),
      fc.boolean(),
    );
    const check = fc.record(
      {
        id: fc.oneof(fc.constant('x'), value),
        kind: fc.oneof(fc.constantFrom(...CHECK_KINDS), value),
        phrases: value,
        maxWords: value,
        pattern: value,
        schema: fc.anything(),
        when: fc.anything(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc
            .record({ version: fc.constant(1), checks: fc.array(check, { maxLength: 3 }) })
            .map((one) => JSON.stringify(one)),
        ),
        (text) => {
          const checked = checkGuidelines(text);
          assert.ok(checked.ok || checked.problems.length > 0);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('of a file are named in the error, with the first twenty mistakes', () => {
    const many = of(
      Array.from({ length: 30 }, (_, index) => `  - {id: c${index}, kind: length, maxWord: 1}`).join('\n'),
    );
    assert.throws(
      () => parseGuidelines(many, 'rules.yaml'),
      (error: Error) => {
        assert.equal(kindOf(error), 'BadConfig');
        assert.match(error.message, /checks\[19\].*; and 10 more$/);
        return true;
      },
    );
    assert.throws(
      () => readGuidelines('none.yaml', '.'),
      (error) => kindOf(error) === 'NotFound',
    );
  });
});
