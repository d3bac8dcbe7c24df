import { deepEqual, equal, match, notEqual, ok, throws } from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { EspalierError } from '../../../artifacts/errors.ts';
import { evaluate } from '../../../pipelines/licence/evaluate.ts';
import { policyPath, readPolicyFile } from '../../../pipelines/licence/policy-file.ts';
import { compilePolicy, endedConclusions, NO_POLICY, parsePolicy } from '../../../pipelines/licence/policy.ts';
import { declares, judge, NO_TERMS, SERVICE } from './ask.ts';

const compiled = (yaml: string) => compilePolicy(parsePolicy(`version: 1\n${yaml}`, 'policy.yaml'));
const HEX = 'a'.repeat(64);
const conclusion = (more: string): string =>
  `conclusions:\n- {model: org/name, concluded: apache-2.0, by: alice, reason: the owner confirmed it, expires: 2026-06-30, ${more}}\n`;

describe('licence policy of an organisation', () => {
  it('raises what the facts leave open', () => {
    const strict = compiled('defaults: {unknownLicence: deny, conflict: deny, datasetNonCommercial: deny}');
    equal(judge('unknown', SERVICE, strict).verdict, 'deny');
    equal(judge({ ...declares('mit'), parents: [{ model: 'a/b', terms: null }] }, SERVICE, strict).verdict, 'deny');
    const both = [
      { id: 'mit', by: 'the card' },
      { id: 'isc', by: 'its source' },
    ];
    equal(judge({ ...NO_TERMS, declared: both }, SERVICE, strict).verdict, 'deny');
    equal(
      judge({ ...declares('mit'), datasets: [{ name: 'd', licence: 'cc-by-nc-4.0' }] }, SERVICE, strict).verdict,
      'deny',
    );
    equal(judge('mit', SERVICE, strict).verdict, 'allow');
  });

  it('asks for a person where a licence is not on its list', () => {
    const listed = compiled('allow: {licences: [MIT, apache-2.0]}');
    equal(judge('mit', SERVICE, listed).verdict, 'allow');
    const { verdict, reasons } = judge('isc', SERVICE, listed);
    deepEqual(
      [verdict, reasons[0]?.clause, reasons[0]?.source],
      ['review', 'allow.licences', 'the organisation’s policy'],
    );
  });

  it('applies a rule where its facts are stated, and asks where they may be', () => {
    const rule = compiled(
      'rules:\n- {id: no-eu-finance, when: {licences: [mit], use: {domain: Finance, region: EU}}, then: deny, reason: not insured, howToFix: ask legal}',
    );
    const asked = (use: object) => judge('mit', { ...SERVICE, ...use }, rule).verdict;
    equal(asked({ domain: 'finance', region: 'EU' }), 'deny');
    equal(asked({ domain: 'finance' }), 'review');
    equal(asked({ domain: 'finance', region: 'US' }), 'allow');
    equal(judge('isc', { ...SERVICE, domain: 'finance', region: 'EU' }, rule).verdict, 'allow');
    deepEqual(judge('mit', { ...SERVICE, domain: 'finance', region: 'EU' }, rule).howToFix, ['ask legal']);
  });

  const ask = (
    yaml: string,
    identity: { model?: string; revision?: string; texts?: `sha256:${string}`[] },
    today = '2026-06-30',
  ) =>
    evaluate(
      {
        terms: declares('unknown'),
        use: SERVICE,
        today,
        identity: { model: 'org/name', revision: 'r1', texts: [], ...identity },
      },
      compiled(yaml),
    );

  it('follows a conclusion about exactly this revision or text, until the day it ends', () => {
    equal(ask(conclusion('revision: r1'), {}).verdict, 'allow');
    equal(ask(conclusion(`licenceTextSha256: ${HEX}`), { texts: [`sha256:${HEX}`] }).concluded, 'apache-2.0');
  });

  const refused: readonly [string, ReturnType<typeof ask>, RegExp][] = [
    [
      'has ended',
      ask(conclusion('revision: r1'), {}, '2026-07-01'),
      /alice drew about org\/name expired on 2026-06-30/,
    ],
    ['is about another revision', ask(conclusion('revision: r1'), { revision: 'r2' }), /about another revision/],
    [
      'is about another text',
      ask(conclusion(`licenceTextSha256: ${HEX}`), { texts: [`sha256:${'b'.repeat(64)}`] }),
      /another licence text/,
    ],
    [
      'knows one text of two',
      ask(conclusion(`licenceTextSha256: ${HEX}`), { texts: [`sha256:${HEX}`, `sha256:${'b'.repeat(64)}`] }),
      /another licence text/,
    ],
    ['wants a text where none is', ask(conclusion(`licenceTextSha256: ${HEX}`), {}), /another licence text/],
    ['is about another model', ask(conclusion('revision: r1'), { model: 'org/other' }), /not known here/],
  ];
  for (const [title, { verdict, reasons }, says] of refused) {
    it(`does not follow a conclusion that ${title}`, () => {
      equal(verdict, 'review');
      match(reasons.map(({ text }) => text).join('\n'), says);
    });
  }

  it('never lets a conclusion permit what the concluded licence forbids', () => {
    const nc = conclusion('revision: r1').replace('apache-2.0', 'cc-by-nc-4.0');
    equal(ask(nc, {}).verdict, 'deny');
  });

  it('names the conclusions that have ended', () => {
    const policy = parsePolicy(`version: 1\n${conclusion('revision: r1')}`, 'p');
    deepEqual(endedConclusions(policy, '2026-06-30'), []);
    deepEqual(endedConclusions(policy, '2026-07-01'), ['org/name until 2026-06-30']);
    deepEqual(endedConclusions(undefined, '2026-07-01'), []);
  });

  it('has a digest that changes with any rule, and with nothing else', () => {
    equal(compiled('').digest, NO_POLICY.digest);
    equal(compiled('# a comment').digest, NO_POLICY.digest);
    notEqual(compiled('defaults: {conflict: deny}').digest, NO_POLICY.digest);
  });

  const mistakes: readonly [string, string, RegExp][] = [
    ['another version', 'version: 2', /version must be 1, got 2/],
    [
      'a setting that is none',
      'version: 1\nalow: {licences: [mit]}',
      /alow is not a setting here \(did you mean 'allow'\?\)/,
    ],
    [
      'a loosened default',
      'version: 1\ndefaults: {conflict: allow}',
      /defaults\.conflict must be 'review' or 'deny', got 'allow'/,
    ],
    ['a licence nobody knows', 'version: 1\nallow: {licences: [mitt]}', /allow\.licences\[0\].*not in the table/],
    [
      'a conclusion about no exact model',
      `version: 1\n${conclusion('').replace(', }', '}')}`,
      /conclusions\[0\]\.revision is missing/,
    ],
    [
      'a conclusion without an end',
      'version: 1\nconclusions: [{model: a, revision: b, concluded: mit, by: a, reason: b}]',
      /conclusions\[0\]\.expires is missing/,
    ],
    ['a number', '7', /the whole must be an object/],
    ['nothing', '', /the whole/],
    ['broken YAML', 'version: [1', /is not valid YAML/],
    ['a bomb of aliases', `a: &a [x]\nb: &b [*a,*a]\nc: [*b,*b]\nversion: 1`, /alias/i],
    ['a class', 'version: !!js/function "x"', /version must be 1/],
  ];
  for (const [title, yaml, says] of mistakes) {
    it(`refuses ${title}, and says where`, () => {
      throws(
        () => parsePolicy(yaml, 'policy.yaml'),
        (error: unknown) => {
          ok(error instanceof EspalierError);
          deepEqual([error.kind, error.where], ['BadConfig', 'policy.yaml']);
          match(error.message, says);
          return true;
        },
      );
    });
  }

  it('reads any text to a policy or to a refusal, never to anything else', () => {
    const piece = fc.constantFrom(
      'version: 1\n',
      'rules:\n',
      '- ',
      'when: {',
      '}',
      '[',
      '&a ',
      '*a',
      ': ',
      '"',
      '\n',
      '\0',
      '? ',
      '<<: ',
      '!!set ',
      'then: deny\n',
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 30 }).map((parts) => parts.join('')),
      fc.integer({ min: 1, max: 20_000 }).map((deep) => '['.repeat(deep)),
    );
    fc.assert(
      fc.property(text, (yaml) => {
        try {
          equal(parsePolicy(yaml, 'p').version, 1);
        } catch (error) {
          ok(error instanceof EspalierError && error.kind === 'BadConfig', String(error));
        }
      }),
      { numRuns: 500 },
    );
  });

  describe('as a file', () => {
    let folder: string;
    before(() => (folder = mkdtempSync(join(tmpdir(), 'espalier-policy-'))));
    after(() => rmSync(folder, { recursive: true }));

    it('is the definition’s own, else the environment’s', () => {
      const environment = { ESPALIER_LICENCE_POLICY: '/etc/policy.yaml' };
      equal(policyPath('p.yaml', folder, environment), join(folder, 'p.yaml'));
      equal(policyPath(undefined, folder, environment), '/etc/policy.yaml');
      equal(policyPath(undefined, folder, { ESPALIER_LICENCE_POLICY: '' }), undefined);
    });

    it('is refused when it is missing, no text, or too large', () => {
      throws(() => readPolicyFile(join(folder, 'none.yaml')), { kind: 'NotFound' });
      throws(() => readPolicyFile(folder), { kind: 'NotFound' });
      const path = join(folder, 'p.yaml');
      writeFileSync(path, Buffer.from([0x76, 0xff, 0xfe]));
      throws(() => readPolicyFile(path), { kind: 'BadConfig', message: /not UTF-8/ });
      writeFileSync(path, Buffer.alloc(2 ** 20 + 1, 0x20));
      throws(() => readPolicyFile(path), { kind: 'BadConfig', message: /more than 1048576 bytes/ });
      writeFileSync(path, 'version: 1\n');
      equal(readPolicyFile(path), 'version: 1\n');
    });
  });
});
