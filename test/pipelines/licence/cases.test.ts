import { deepEqual, equal, match, ok } from 'node:assert/strict';
import * as fc from 'fast-check';
import { judgeLine, type CaseFault, type CaseVerdict } from '../../../pipelines/licence/cases.ts';
import { SERVICE } from './ask.ts';

const today = '2026-06-01';
const line = (declared: unknown, intendedUse: unknown = SERVICE): CaseVerdict | CaseFault =>
  judgeLine(JSON.stringify({ id: 'c1', declared, intendedUse }), 7, { today });

describe('a table of licence cases', () => {
  it('gives one verdict a line, with clause and source, duties and ways out', () => {
    const judged = line({ license: 'cc-by-nc-4.0' }) as CaseVerdict;
    deepEqual(Object.keys(judged), ['id', 'verdict', 'concluded', 'licences', 'reasons', 'obligations', 'howToFix']);
    deepEqual([judged.id, judged.verdict, judged.howToFix.length], ['c1', 'deny', 1]);
    deepEqual(judged.reasons[0], {
      verdict: 'deny',
      text: 'CC-BY-NC-4.0: forbids commercial use',
      clause: 's.1(i), s.2(a)(1)',
      source: 'scancode 32.5.0: cc-by-nc-4.0',
      fix: judged.howToFix[0],
    });
  });

  const cases: readonly [unknown, string, RegExp][] = [
    [{ license: 'mit' }, 'allow', /MIT permits/],
    [{ license: ['mit', 'isc'], language: 'en', tags: [1, {}] }, 'allow', /ISC permits/],
    [{ license: null }, 'review', /no licence is declared/],
    [{}, 'review', /no licence is declared/],
    [
      { license: 'other', license_name: 'acme-1.0', license_link: 'LICENSE' },
      'review',
      /'other'.*\(acme-1\.0, LICENSE\)/,
    ],
    [{ license: 'mit', upstream: 'isc' }, 'review', /the card declares mit, its source declares isc/],
    [{ license: 'mit', upstream: { license: 'mit' } }, 'allow', /MIT permits/],
    [{ license: 'mit', base_model: 'a/b' }, 'review', /'a\/b'.*not known/],
    [{ license: 'mit', base_model: ['a/b', 'c/d'], parents: [{ model: 'a/b', license: 'mit' }] }, 'review', /'c\/d'/],
    [{ license: 'mit', base_model: 'a/b', parents: [{ model: 'a/b', license: 'mit' }] }, 'allow', /permits/],
    [
      { license: 'mit', parents: [{ model: 'a/b', license: 'mit', parents: [{ model: 'c/d', license: 'opt-175b' }] }] },
      'deny',
      /opt-175b: forbids commercial use/,
    ],
    [{ license: 'mit', base_model_relation: 'merge', base_model: ['a/b'] }, 'review', /1 of at least 2/],
    [{ license: 'mit', datasets: ['a', { name: 'b', license: 'cc-by-sa-4.0' }] }, 'allow', /permits/],
    [{ license: 'mit', datasets: [{ name: 'b', license: 'cc-by-nc-4.0' }] }, 'review', /'b'.*not settled/],
    [{ license: 'mit', gated: 'manual' }, 'review', /person by person/],
    [{ license: 'mit', gated: false }, 'allow', /permits/],
    [
      { license: 'mit', base_model_licence: 'cc-by-nc-4.0' },
      'review',
      /declared\.base_model_licence is not understood/,
    ],
  ];
  for (const [declared, verdict, says] of cases) {
    it(`says ${verdict} to ${JSON.stringify(declared)}`, () => {
      const judged = line(declared) as CaseVerdict;
      equal(judged.verdict, verdict, JSON.stringify(judged));
      match(judged.reasons.map(({ text }) => text).join('\n'), says);
    });
  }

  const deep = (levels: number): object =>
    levels === 0 ? { license: 'mit' } : { license: 'mit', parents: [{ model: 'm', ...deep(levels - 1) }] };
  const faults: readonly [string, string, string, RegExp][] = [
    ['no JSON', '{oops', '', /is not JSON/],
    ['a list', '[]', '', /must be an object/],
    ['no declaration', JSON.stringify({ id: 1, intendedUse: {} }), 'declared', /is missing/],
    ['no use', JSON.stringify({ id: 1, declared: {} }), 'intendedUse', /is missing/],
    [
      'a use that is misspelt',
      JSON.stringify({ id: 1, declared: {}, intendedUse: { comercial: true } }),
      'intendedUse.comercial',
      /did you mean 'commercial'/,
    ],
    [
      'a use of another type',
      JSON.stringify({ id: 1, declared: {}, intendedUse: { mauNow: 'many' } }),
      'intendedUse.mauNow',
      /a number, got 'many'/,
    ],
    [
      'a licence that is a number',
      JSON.stringify({ id: 1, declared: { license: 2 }, intendedUse: {} }),
      'declared.license',
      /got 2/,
    ],
    [
      'a parent without a name',
      JSON.stringify({ id: 1, declared: { parents: [{ license: 'mit' }] }, intendedUse: {} }),
      'declared.parents[0].model',
      /is missing/,
    ],
    ['bytes that are no text', `{"id":1,"declared":{"license":"mit\uFFFD"},"intendedUse":{}}`, '', /UTF-8/],
    [
      'parents without end',
      JSON.stringify({ id: 1, declared: deep(100), intendedUse: {} }),
      '',
      /nested more than 16 deep/,
    ],
    ['a line without end', `"${'x'.repeat(2 ** 20)}"`, '', /more than 1048576 characters/],
  ];
  for (const [title, text, field, says] of faults) {
    it(`names line and field of ${title}`, () => {
      const fault = judgeLine(text, 7, { today }) as CaseFault;
      deepEqual([fault.line, fault.field], [7, field], fault.message);
      match(fault.message, says);
    });
  }

  it('takes the use of the command where a line has none', () => {
    const judged = judgeLine('{"id":1,"declared":{"license":"mit"}}', 1, { today, use: SERVICE });
    ok('verdict' in judged && judged.verdict === 'allow');
  });

  it('judges or refuses any line, and never allows what declares nothing', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.json().map((declared) => `{"id":1,"declared":${declared},"intendedUse":{}}`),
        ),
        (text) => {
          const judged = judgeLine(text, 1, { today });
          ok('message' in judged || judged.verdict !== 'allow');
        },
      ),
      { numRuns: 1000 },
    );
  });
});
