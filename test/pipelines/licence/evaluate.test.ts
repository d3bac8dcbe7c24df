import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LicenceVerdict, ModelTerms } from '../../../pipelines/licence/decision.ts';
import { evaluate } from '../../../pipelines/licence/evaluate.ts';
import { FAMILIES, NO_LICENCE } from '../../../pipelines/licence/open-licences.ts';
import { findLicence, LICENCES } from '../../../pipelines/licence/rows.ts';
import type { UseFacts } from '../../../pipelines/licence/use.ts';
import { declares, judge, NO_TERMS, PUBLISHED, RESEARCH, SERVICE } from './ask.ts';

const META = { ...SERVICE, mauAtModelRelease: 5e6, derivedName: 'Llama-Support', outputsTrainOtherModel: false };
const RAIL = { ...SERVICE, automatedDecision: false, passThroughTerms: true };
const IN_EUROPE = { ...META, principalPlaceOfBusiness: 'DE', multimodal: true };

/** id, use, verdict, a reason (its text, clause and source) or for `allow` a duty. */
type Row = readonly [id: string, use: UseFacts, verdict: LicenceVerdict, says: RegExp];
const TABLE: readonly Row[] = [
  // permissive: duties, nothing to decide
  ['apache-2.0', SERVICE, 'allow', /permits/],
  ['Apache-2.0', PUBLISHED, 'allow', /NOTICE file s\.4\(d\)/],
  ['apache-2.0', { ...PUBLISHED, noticesRetained: false }, 'deny', /keep copyright notices.*does not do.*s\.4\(c\)/],
  ['apache-2.0', { ...PUBLISHED, changesStated: false }, 'deny', /s\.4\(b\)/],
  ['apache-2.0', { ...SERVICE, noticesRetained: false }, 'allow', /permits/],
  [' MIT ', PUBLISHED, 'allow', /keep copyright notices/],
  ['mit', { ...PUBLISHED, noticesRetained: false }, 'deny', /the notice clause/],
  ['bsd-2-clause', PUBLISHED, 'allow', /clauses 1 and 2/],
  ['bsd-3-clause', PUBLISHED, 'allow', /endorse nothing/],
  ['isc', SERVICE, 'allow', /permits/],
  ['cc0-1.0', SERVICE, 'allow', /neither patents nor trademarks/],
  ['openmdw-1.0', PUBLISHED, 'allow', /ends for whoever sues/],
  ['cdla-sharing-1.0', PUBLISHED, 'allow', /s\.3\.5/],
  ['c-uda', SERVICE, 'allow', /by computers only/],
  // Creative Commons
  ['cc-by-4.0', PUBLISHED, 'allow', /attribution/],
  ['cc-by-sa-4.0', SERVICE, 'allow', /permits/],
  ['cc-by-sa-4.0', PUBLISHED, 'review', /same licence.*s\.3\(b\)/],
  ['cc-by-sa-4.0', { ...PUBLISHED, passThroughTerms: true }, 'allow', /same licence/],
  ['cc-by-nc-4.0', SERVICE, 'deny', /forbids commercial use.*s\.1\(i\), s\.2\(a\)\(1\).*scancode 32\.5\.0/],
  ['cc-by-nc-4.0', RESEARCH, 'allow', /permits/],
  ['cc-by-nc-4.0', { ...SERVICE, commercial: undefined }, 'review', /intendedUse\.commercial/],
  ['cc-by-nc-4.0', { ...SERVICE, writtenAuthorization: true }, 'review', /for a person to judge/],
  ['cc-by-nc-sa-4.0', { ...RESEARCH, publish: true }, 'review', /same licence/],
  ['CC-BY-NC-SA-3.0', SERVICE, 'deny', /forbids commercial/],
  ['cc-by-nd-4.0', SERVICE, 'allow', /permits/],
  ['cc-by-nd-4.0', PUBLISHED, 'deny', /may be made, but not shared.*s\.2\(a\)\(1\)\(B\)/],
  ['cc-by-nd-4.0', { ...PUBLISHED, modify: false }, 'allow', /permits/],
  ['cc-by-nc-nd-4.0', { ...RESEARCH, publish: true }, 'deny', /not shared/],
  // copyleft
  ['gpl-3.0', SERVICE, 'review', /"only" nor "or later"/],
  ['gpl-3.0-only', SERVICE, 'allow', /permits/],
  ['gpl-3.0-or-later', PUBLISHED, 'review', /s\.5\(c\)/],
  ['agpl-3.0-only', SERVICE, 'review', /offered its source.*s\.13/],
  ['agpl-3.0-only', { ...SERVICE, hosted: false }, 'allow', /permits/],
  // Meta
  ['llama-license', SERVICE, 'deny', /forbids commercial use.*s\.1\.a/],
  [
    'llama-license',
    { ...RESEARCH, domain: 'surveillance research', validationStudy: 's' },
    'deny',
    /excludes fields of use/,
  ],
  ['llama2', META, 'allow', /include a copy/],
  ['llama2', { ...META, mauAtModelRelease: 7.1e8 }, 'deny', /700 million.*s\.2/],
  ['llama2', { ...META, mauAtModelRelease: 7e8 }, 'allow', /permits/],
  ['llama2', { ...META, mauAtModelRelease: undefined, mauNow: 5 }, 'review', /intendedUse\.mauAtModelRelease/],
  ['llama2', { ...META, mauNow: 9e8 }, 'allow', /permits/],
  ['llama2', { ...META, mauAtModelRelease: 9e8, writtenAuthorization: true }, 'allow', /permits/],
  ['llama2', { ...META, outputsTrainOtherModel: true }, 'deny', /other than Llama 2.*s\.1\.b\.v/],
  ['llama2', { ...META, outputsTrainOtherModel: true, family: 'Llama 2' }, 'allow', /permits/],
  ['llama3', { ...META, outputsTrainOtherModel: true, family: 'mistral' }, 'deny', /other than Llama 3/],
  ['llama3', { ...META, derivedName: 'Llama-Support' }, 'deny', /begin with "Llama 3"/],
  ['llama3', { ...META, derivedName: 'Llama-3-Support' }, 'allow', /Built with Meta Llama 3/],
  ['llama3.1', { ...META, outputsTrainOtherModel: true }, 'allow', /Built with Llama/],
  ['llama3.1', { ...META, derivedName: 'support-bot' }, 'deny', /begin with "Llama".*s\.1\.b\.i/],
  ['llama3.1', { ...META, builtWithDisplayed: false }, 'deny', /Built with Llama.*does not do/],
  ['llama3.1', { ...META, domain: 'military logistics', validationStudy: 's' }, 'deny', /acceptable use policy/],
  ['llama3.2', IN_EUROPE, 'deny', /gives no grant for multimodal models.*use_policy\.md:43/i],
  ['llama3.2', { ...IN_EUROPE, multimodal: false }, 'allow', /permits/],
  ['llama3.2', { ...IN_EUROPE, multimodal: undefined }, 'review', /intendedUse\.multimodal/],
  ['llama3.2', { ...IN_EUROPE, principalPlaceOfBusiness: 'US', region: 'EU' }, 'allow', /permits/],
  ['llama3.3', { ...IN_EUROPE, principalPlaceOfBusiness: undefined, region: 'EU' }, 'deny', /USE_POLICY\.md:65/],
  ['llama3.2', { ...IN_EUROPE, principalPlaceOfBusiness: 'Atlantis' }, 'review', /principalPlaceOfBusiness/],
  ['llama4', { ...IN_EUROPE, multimodal: false }, 'deny', /llama-4-license-2025:91/],
  // use restrictions that go on
  ['gemma', RAIL, 'allow', /enforceable terms/],
  ['gemma', { ...RAIL, passThroughTerms: undefined }, 'review', /enforceable terms.*s\.3\.1, s\.1\.1\(b\)/],
  ['gemma', { ...RAIL, passThroughTerms: false }, 'deny', /enforceable terms/],
  ['gemma', { ...RAIL, passThroughTerms: undefined, hosted: false }, 'allow', /permits/],
  ['gemma', { ...RAIL, automatedDecision: true, domain: 'finance' }, 'deny', /nobody reviews/],
  ['bigscience-bloom-rail-1.0', { ...RAIL, disclosesMachineGenerated: true }, 'allow', /newest version/],
  ['bigscience-bloom-rail-1.0', RAIL, 'review', /made by a machine.*Attachment A/],
  ['bigscience-bloom-rail-1.0', { ...RAIL, domain: 'medical advice', validationStudy: 's' }, 'deny', /excludes fields/],
  ['creativeml-openrail-m', RAIL, 'allow', /permits/],
  ['creativeml-openrail-m', { ...RAIL, domain: 'law enforcement', validationStudy: 's' }, 'deny', /excludes fields/],
  ['openrail++', { ...RAIL, passThroughTerms: false }, 'deny', /enforceable/],
  [
    'bigcode-openrail-m',
    { ...RAIL, domain: 'medical advice', validationStudy: 's' },
    'review',
    /for a person to judge/,
  ],
  [
    'bigcode-openrail-m',
    { ...RAIL, publish: true, disclosesMachineGenerated: true },
    'review',
    /documentation of the same/,
  ],
  ['deepseek', RAIL, 'allow', /no legal basis.*s\.9/],
  [
    'deepseek',
    { ...RAIL, domain: 'credit scoring', validationStudy: 's', automatedDecision: true },
    'deny',
    /nobody reviews/,
  ],
  ['deepseek', { ...RAIL, automatedDecision: undefined }, 'review', /intendedUse\.automatedDecision/],
  // size of the user
  ['qwen', { ...SERVICE, mauNow: 1e8 }, 'allow', /Built with Qwen/],
  ['qwen', { ...SERVICE, mauNow: 1.1e8 }, 'deny', /100 million.*s\.4/],
  ['qwen', { ...SERVICE, commercial: false, mauNow: 1.1e8 }, 'allow', /permits/],
  ['tongyi-qianwen', { ...SERVICE, mauNow: 1, outputsTrainOtherModel: true }, 'deny', /s\.5\.b/],
  [
    'stability-ai-community',
    { ...SERVICE, annualRevenueUsd: 9e5, outputsTrainOtherModel: false },
    'allow',
    /register with Stability/,
  ],
  [
    'stability-ai-community',
    { ...SERVICE, annualRevenueUsd: 2e6, outputsTrainOtherModel: false },
    'deny',
    /USD 1 million/,
  ],
  [
    'kimi-modified-mit',
    { ...SERVICE, builtWithDisplayed: false, mauNow: 2e8, monthlyRevenueUsd: 1 },
    'deny',
    /Kimi K2/,
  ],
  ['kimi-modified-mit', { ...SERVICE, builtWithDisplayed: false, mauNow: 1, monthlyRevenueUsd: 1 }, 'allow', /permits/],
  ['kimi-modified-mit', { ...SERVICE, builtWithDisplayed: false, mauNow: 1 }, 'review', /monthlyRevenueUsd/],
  ['tencent-hunyuan3d', { ...RAIL, region: 'South Korea', mauAtModelRelease: 1 }, 'deny', /South Korea.*s\.1\(l\)/],
  ['tencent-hunyuan3d', { ...RAIL, region: 'US', mauAtModelRelease: 1 }, 'allow', /permits/],
  ['tencent-hunyuan3d', { ...RAIL, region: 'worldwide', mauAtModelRelease: 1 }, 'deny', /does not apply/],
  // permission, production, guardrails
  ['yi-license-1.0', SERVICE, 'review', /written authorisation.*s\.2/],
  ['yi-license-1.0', { ...SERVICE, writtenAuthorization: true }, 'allow', /permits/],
  ['yi-license-1.0', { ...SERVICE, writtenAuthorization: false }, 'deny', /written authorisation/],
  ['falcon-2-11b', { ...SERVICE, passThroughTerms: true }, 'allow', /Falcon LLM technology/],
  ['nvidia-open-model', SERVICE, 'review', /guardrail.*s\.2\.1/],
  ['nvidia-open-model', { ...SERVICE, modify: false }, 'allow', /permits/],
  ['open-aleph-1.0', { ...RESEARCH, domain: 'public administration' }, 'deny', /administrative use.*s\.4/],
  ['exaone-1.1-nc', { ...RESEARCH, outputsTrainOtherModel: true }, 'deny', /any other model.*s\.3\.1/],
  ['flux-1-dev-nc', { ...RESEARCH, hosted: true, outputsTrainOtherModel: false }, 'review', /not for production/],
  ['flux-1-dev-nc', SERVICE, 'deny', /forbids commercial/],
  ['stability-ai-nc', SERVICE, 'deny', /forbids commercial/],
  ['mnpl-0.1', SERVICE, 'deny', /forbids commercial/],
  ['opt-175b', SERVICE, 'deny', /forbids commercial/],
  ['opt-175b', RESEARCH, 'review', /on application/],
  // nothing that is known
  ['openrail', SERVICE, 'review', /names a family/],
  ['GPL', RESEARCH, 'review', /names a family/],
  ['unknown', RESEARCH, 'review', /not known here/],
  ['GPLv3', RESEARCH, 'review', /not in the table/],
  ['apache 2.0', RESEARCH, 'review', /not in the table/],
  ['__proto__', RESEARCH, 'review', /not in the table/],
];

describe('licence evaluator', () => {
  for (const [id, use, verdict, says] of TABLE) {
    it(`says ${verdict} to ${id}, ${says.source}`, () => {
      const { verdict: found, reasons, obligations, howToFix } = judge(id, use);
      const said = [...reasons, ...obligations].map(
        (one) => `${one.text} ${one.clause} ${'source' in one ? one.source : ''}`,
      );
      equal(found, verdict, said.join('\n'));
      match(said.join('\n'), says);
      ok(reasons.every(({ clause, source }) => clause !== '' && source !== ''));
      equal(howToFix.length > 0, verdict !== 'allow');
    });
  }

  it('has a row in this table for every text it judges', () => {
    const asked = new Set(TABLE.map(([id]) => findLicence(id)?.licence.id));
    const creative = (id: string): boolean => id.startsWith('cc-by') && !id.endsWith('4.0');
    const like =
      /^(agpl|gpl|lgpl|mpl|zlib|ncsa|postgresql|bsl|0bsd|unlicense|wtfpl|pddl|cdla-permissive|bigscience-openrail)/;
    deepEqual(
      LICENCES.map(({ id }) => id).filter((id) => !asked.has(id) && !creative(id) && !like.test(id)),
      [],
    );
  });

  const base = (terms: ModelTerms | null): ModelTerms['parents'] => [{ model: 'org/base', terms }];
  const lineages: readonly [string, ModelTerms, LicenceVerdict, RegExp][] = [
    [
      'a known permissive parent',
      { ...declares('mit'), parents: base(declares('apache-2.0')) },
      'allow',
      /Apache-2\.0 permits/,
    ],
    [
      'a parent of which nothing is known',
      { ...declares('mit'), parents: base(null) },
      'review',
      /'org\/base'.*not known/,
    ],
    [
      'a parent that forbids the use',
      { ...declares('mit'), parents: base(declares('cc-by-nc-4.0')) },
      'deny',
      /commercial/,
    ],
    [
      'a grandparent that forbids the use',
      { ...declares('mit'), parents: base({ ...declares('mit'), parents: base(declares('cc-by-nc-4.0')) }) },
      'deny',
      /commercial/,
    ],
    [
      'a restricted parent under a free label',
      { ...declares('mit'), parents: base(declares('gpl-3.0-only')) },
      'review',
      /without the restrictions of GPL/,
    ],
    [
      'the same restrictions as the parent',
      { ...declares('gpl-3.0-only'), parents: base(declares('gpl-3.0-only')) },
      'allow',
      /permits/,
    ],
    ['an adapter without its base', { ...declares('mit'), relation: 'adapter' }, 'review', /names 0 of at least 1/],
    [
      'a merge with one of its parents',
      { ...declares('mit'), relation: 'merge', parents: base(declares('mit')) },
      'review',
      /1 of at least 2/,
    ],
    [
      'two voices that differ',
      {
        ...NO_TERMS,
        declared: [
          { id: 'mit', by: 'the card' },
          { id: 'apache-2.0', by: 'its source' },
        ],
      },
      'review',
      /a conflict never allows/,
    ],
    [
      'two voices that agree',
      {
        ...NO_TERMS,
        declared: [
          { id: 'mit', by: 'the card' },
          { id: 'MIT', by: 'its source' },
        ],
      },
      'allow',
      /permits/,
    ],
    ['one voice with two licences', declares('mit', 'apache-2.0'), 'allow', /MIT permits/],
    ['one voice with a licence too many', declares('mit', 'cc-by-nc-4.0'), 'deny', /commercial/],
    ['nothing declared', NO_TERMS, 'review', /without one, nothing is permitted/],
    ['a gate', { ...declares('mit'), gated: true }, 'review', /person by person/],
    ['a doubt', { ...declares('mit'), doubts: ['the card cannot be read'] }, 'review', /cannot be read/],
    [
      'data for research only',
      { ...declares('mit'), datasets: [{ name: 'd', licence: 'cc-by-nc-4.0' }] },
      'review',
      /not settled/,
    ],
    [
      'free data, and data of unknown terms',
      {
        ...declares('mit'),
        datasets: [
          { name: 'd', licence: 'cc-by-4.0' },
          { name: 'e', licence: null },
        ],
      },
      'allow',
      /permits/,
    ],
  ];
  for (const [title, terms, verdict, says] of lineages) {
    it(`says ${verdict} to ${title}`, () => {
      const judged = judge(terms);
      equal(judged.verdict, verdict);
      match(judged.reasons.map(({ text }) => text).join('\n'), says);
    });
  }

  it('concludes the most restrictive of all that applies, and nothing while a part is unknown', () => {
    equal(judge({ ...declares('mit'), parents: base(declares('cc-by-nc-sa-4.0')) }).concluded, 'cc-by-nc-sa-4.0');
    equal(judge({ ...declares('mit'), parents: base(null) }).concluded, null);
  });

  const domains: readonly [string, LicenceVerdict][] = [
    ['customer-support', 'allow'],
    ['e-commerce search', 'allow'],
    ['ticket triage', 'allow'],
    ['medical diagnosis', 'deny'],
    ['Medical_Diagnosis', 'deny'],
    ['law enforcement', 'deny'],
    ['credit scoring', 'deny'],
    ['CV screening of applicants', 'deny'],
    ['biometric identification', 'deny'],
    ['qwertz', 'review'],
  ];
  for (const [domain, verdict] of domains) {
    it(`says ${verdict} to a free licence for '${domain}' without a study`, () => {
      equal(judge('mit', { ...SERVICE, domain }).verdict, verdict);
      equal(judge('mit', { ...SERVICE, domain, validationStudy: 'a study, doi:10.1/1' }).verdict, 'allow');
    });
  }

  it('refuses a model that does not fit its device by its bytes, and doubts one of unknown size', () => {
    const fits = (hardware: NonNullable<UseFacts['hardware']>, sizeBytes: number | null) =>
      evaluate({ terms: declares('mit'), use: { ...SERVICE, hardware }, sizeBytes, today: '2026-01-01' });
    equal(fits({ ramMb: 90 }, 90e6).verdict, 'allow');
    match(fits({ ramMb: 90 }, 90e6 + 1).reasons[0]?.text ?? '', /files of 91 MB do not fit 90 MB of RAM/);
    equal(fits({ storageMb: 50 }, 90e6).verdict, 'deny');
    equal(fits({ accelerator: { memoryMb: 50 } }, 90e6).verdict, 'deny');
    equal(fits({ ramMb: 90 }, null).verdict, 'review');
    equal(fits({}, null).verdict, 'allow');
  });

  it('is a table of distinct lower-case ids', () => {
    const ids = [...LICENCES.flatMap(({ id, aliases }) => [id, ...aliases]), ...FAMILIES, ...NO_LICENCE];
    equal(new Set(ids).size, ids.length);
    ok(ids.every((id) => id === id.toLowerCase()));
  });

  it('[real-data] agrees with the collected facts, and knows every family of the hub', async function () {
    const data = process.env['ESPALIER_TEST_DATA'];
    if (data === undefined) this.skip();
    const facts = JSON.parse(await readFile(join(data, 'licences/licence-facts.json'), 'utf8')) as {
      id: string;
      ref: string;
      commercial?: unknown;
    }[];
    for (const { id, ref, commercial } of facts) {
      const row = findLicence(id);
      ok(row !== undefined, id);
      equal(findLicence(ref), row, ref);
      if (typeof commercial !== 'boolean') continue;
      equal(
        row.licence.terms.some(({ ask, when }) => ask === 'forbidden' && when === 'commercial'),
        !commercial,
        id,
      );
    }
    const { rows } = JSON.parse(await readFile(join(data, 'licences/hf-licenses.json'), 'utf8')) as {
      rows: { id: string; kind: string; spdx: string | null }[];
    };
    deepEqual(
      rows
        .filter(({ kind }) => kind === 'family')
        .map(({ id }) => id)
        .toSorted(),
      [...FAMILIES].toSorted(),
    );
    for (const { id, spdx } of rows) {
      const row = findLicence(id);
      if (row === undefined) equal(judge(id, RESEARCH).verdict, 'review', id);
      else equal(row.licence.spdx, spdx, id);
    }
  });
});
