/**
 * Cases with the answers that a reader of the licences gives: every row of the table under three uses, and every trap that
 * is known to catch engines. Written from the facts and their clauses, not from what the evaluator says.
 */
import type { LicenceVerdict } from '../../../pipelines/licence/decision.ts';
import type { UseFacts } from '../../../pipelines/licence/use.ts';
import { RESEARCH, SERVICE } from './ask.ts';

export interface TableCase {
  readonly id: string;
  readonly declared: object;
  readonly intendedUse: UseFacts;
  readonly verdict: LicenceVerdict;
}

const named = (id: string): string => (id.startsWith('exaone') ? 'EXAONE-x' : 'Llama-3-x');
/** A small American company that publishes its model and keeps every duty. */
export const small = (id: string): UseFacts => ({
  ...SERVICE,
  publish: true,
  region: 'US',
  principalPlaceOfBusiness: 'US',
  mauAtModelRelease: 1000,
  mauNow: 1000,
  annualRevenueUsd: 500_000,
  monthlyRevenueUsd: 40_000,
  outputsTrainOtherModel: false,
  automatedDecision: false,
  multimodal: false,
  derivedName: named(id),
  builtWithDisplayed: true,
  licenseCopyIncluded: true,
  noticesRetained: true,
  changesStated: true,
  passThroughTerms: true,
  disclosesMachineGenerated: true,
});

/** a(llow), r(eview) or d(eny) for: a service of which little is said; the same, all said and published; research kept private. */
const ROWS = `
apache-2.0 aaa; mit aaa; bsd-2-clause aaa; bsd-3-clause aaa; isc aaa; ncsa aaa; postgresql aaa; bsl-1.0 aaa; zlib aaa;
0bsd aaa; unlicense aaa; wtfpl aaa; cc0-1.0 aaa; pddl aaa; openmdw-1.0 aaa; cdla-permissive-2.0 aaa;
cdla-sharing-1.0 aaa; c-uda aaa; mpl-2.0 aaa;
cc-by-2.0 aaa; cc-by-sa-2.0 aaa; cc-by-nc-2.0 dda; cc-by-nd-2.0 ada; cc-by-nc-sa-2.0 dda; cc-by-nc-nd-2.0 dda;
cc-by-2.5 aaa; cc-by-sa-2.5 aaa; cc-by-nc-2.5 dda; cc-by-nd-2.5 ada; cc-by-nc-sa-2.5 dda; cc-by-nc-nd-2.5 dda;
cc-by-3.0 aaa; cc-by-sa-3.0 aaa; cc-by-nc-3.0 dda; cc-by-nd-3.0 ada; cc-by-nc-sa-3.0 dda; cc-by-nc-nd-3.0 dda;
cc-by-4.0 aaa; cc-by-sa-4.0 aaa; cc-by-nc-4.0 dda; cc-by-nd-4.0 ada; cc-by-nc-sa-4.0 dda; cc-by-nc-nd-4.0 dda;
gpl-2.0 rrr; gpl-2.0-only aaa; gpl-2.0-or-later aaa; gpl-3.0 rrr; gpl-3.0-only aaa; gpl-3.0-or-later aaa;
agpl-3.0 rrr; agpl-3.0-only rra; agpl-3.0-or-later rra;
lgpl-2.1 rrr; lgpl-2.1-only aaa; lgpl-2.1-or-later aaa; lgpl-3.0 rrr; lgpl-3.0-only aaa; lgpl-3.0-or-later aaa;
llama2 rar; llama3 rar; llama3.1 rar; llama3.2 rar; llama3.3 rar; llama4 rar; llama-license ddr; opt-175b ddr;
gemma raa; bigscience-bloom-rail-1.0 rar; bigscience-openrail-m rar; creativeml-openrail-m rar; openrail++ rar;
bigcode-openrail-m rrr; deepseek rar; qwen raa; tongyi-qianwen rar; yi-license-1.0 rra; falcon-2-11b raa;
stability-ai-community rar; stability-ai-nc dda; flux-1-dev-nc ddr; exaone-1.1-nc ddr; kimi-modified-mit aaa;
nvidia-open-model rrr; open-aleph-1.0 dda; tencent-hunyuan3d rar; mnpl-0.1 dda`;

const VERDICTS: Readonly<Record<string, LicenceVerdict>> = { a: 'allow', r: 'review', d: 'deny' };

function* rowCases(): Generator<TableCase> {
  for (const row of ROWS.split(';')) {
    const [id = '', verdicts = ''] = row.trim().split(' ');
    const uses = { service: SERVICE, small: small(id), research: RESEARCH };
    for (const [index, [name, intendedUse]] of Object.entries(uses).entries()) {
      const verdict = VERDICTS[verdicts[index] ?? ''];
      if (verdict === undefined) throw new Error(`no verdict for ${id}, ${name}`);
      yield { id: `${id}/${name}`, declared: { license: id }, intendedUse, verdict };
    }
  }
}

type Trap = readonly [id: string, declared: object, use: UseFacts, verdict: LicenceVerdict];
const like = (id: string, more: UseFacts = {}): UseFacts => ({ ...small(id), ...more });
const declares = (license: string, more: object = {}): object => ({ license, ...more });

const TRAPS: readonly Trap[] = [
  // thresholds: measured at the release of the model, or now
  ['700 M at the release', declares('llama3.1'), like('', { mauAtModelRelease: 700_000_001 }), 'deny'],
  ['700 M at the release, small since', declares('llama2'), like('', { mauAtModelRelease: 8e8, mauNow: 10 }), 'deny'],
  ['small at the release, 700 M now', declares('llama3.1'), like('', { mauNow: 8e8 }), 'allow'],
  ['exactly 700 M', declares('llama3.1'), like('', { mauAtModelRelease: 7e8 }), 'allow'],
  ['only users of now are said', declares('llama3.1'), like('', { mauAtModelRelease: undefined }), 'review'],
  [
    'above 700 M with a grant of the owner',
    declares('llama3.1'),
    like('', { mauAtModelRelease: 8e8, writtenAuthorization: true }),
    'allow',
  ],
  ['100 M now', declares('qwen'), like('', { mauNow: 1.1e8 }), 'deny'],
  ['100 M at the release, small now', declares('qwen'), like('', { mauAtModelRelease: 1.1e8 }), 'allow'],
  ['100 M now, not commercial', declares('qwen'), like('', { mauNow: 1.1e8, commercial: false }), 'allow'],
  ['a million of revenue', declares('stability-ai-community'), like('', { annualRevenueUsd: 1_000_001 }), 'deny'],
  [
    'a million of revenue, research',
    declares('stability-ai-community'),
    like('', { annualRevenueUsd: 2e6, commercial: false }),
    'allow',
  ],
  ['revenue unsaid', declares('stability-ai-community'), like('', { annualRevenueUsd: undefined }), 'review'],
  [
    'Kimi, large and not displayed',
    declares('kimi-modified-mit'),
    like('', { mauNow: 1.1e8, builtWithDisplayed: false }),
    'deny',
  ],
  ['Kimi, small and not displayed', declares('kimi-modified-mit'), like('', { builtWithDisplayed: false }), 'allow'],
  ['Kimi, rich and displayed', declares('kimi-modified-mit'), like('', { monthlyRevenueUsd: 3e7 }), 'allow'],
  [
    'Hunyuan, a million at the release',
    declares('tencent-hunyuan3d'),
    like('', { mauAtModelRelease: 1_000_001 }),
    'deny',
  ],
  // territory
  [
    'a multimodal Llama 3.2 of a German company',
    declares('llama3.2'),
    like('', { principalPlaceOfBusiness: 'DE', multimodal: true }),
    'deny',
  ],
  [
    'a text-only Llama 3.2 of a German company',
    declares('llama3.2'),
    like('', { principalPlaceOfBusiness: 'DE' }),
    'allow',
  ],
  [
    'Llama 4 of a French company, called text-only',
    declares('llama4'),
    like('', { principalPlaceOfBusiness: 'France' }),
    'deny',
  ],
  [
    'Llama 4 used in the EU by an American company',
    declares('llama4'),
    like('', { region: 'EU', multimodal: true }),
    'allow',
  ],
  [
    'Llama 3.3, home unsaid, multimodal',
    declares('llama3.3'),
    like('', { principalPlaceOfBusiness: undefined, multimodal: true }),
    'review',
  ],
  [
    'Llama 3.3, multimodal unsaid, in the EU',
    declares('llama3.3'),
    like('', { principalPlaceOfBusiness: 'IT', multimodal: undefined }),
    'review',
  ],
  [
    'Llama 3.1 has no such clause',
    declares('llama3.1'),
    like('', { principalPlaceOfBusiness: 'DE', multimodal: true }),
    'allow',
  ],
  ['Hunyuan in South Korea', declares('tencent-hunyuan3d'), like('', { region: 'South Korea' }), 'deny'],
  ['Hunyuan in the UK', declares('tencent-hunyuan3d'), like('', { region: 'GB' }), 'deny'],
  ['Hunyuan worldwide', declares('tencent-hunyuan3d'), like('', { region: 'worldwide' }), 'deny'],
  ['Hunyuan in Japan', declares('tencent-hunyuan3d'), like('', { region: 'JP' }), 'allow'],
  ['Hunyuan in a place nobody knows', declares('tencent-hunyuan3d'), like('', { region: 'Atlantis' }), 'review'],
  // training on outputs
  [
    'Llama 2 teaches another model',
    declares('llama2'),
    like('', { outputsTrainOtherModel: true, family: 'mine' }),
    'deny',
  ],
  [
    'Llama 2 teaches Llama 2',
    declares('llama2'),
    like('', { outputsTrainOtherModel: true, family: 'Llama 2' }),
    'allow',
  ],
  [
    'Llama 2 teaches Llama 3',
    declares('llama2'),
    like('', { outputsTrainOtherModel: true, family: 'llama 3' }),
    'deny',
  ],
  [
    'Llama 3.1 teaches another model',
    declares('llama3.1'),
    like('', { outputsTrainOtherModel: true, family: 'mine' }),
    'allow',
  ],
  ['Tongyi teaches another model', declares('tongyi-qianwen'), like('', { outputsTrainOtherModel: true }), 'deny'],
  ['Qwen teaches another model', declares('qwen'), like('', { outputsTrainOtherModel: true }), 'allow'],
  [
    'Stability teaches a foundation model',
    declares('stability-ai-community'),
    like('', { outputsTrainOtherModel: true }),
    'deny',
  ],
  [
    'EXAONE teaches itself',
    declares('exaone-1.1-nc'),
    like('exaone', { commercial: false, outputsTrainOtherModel: true, family: 'exaone' }),
    'deny',
  ],
  // names and words
  ['Llama without its name', declares('llama3.1'), like('', { derivedName: 'sorter' }), 'deny'],
  ['Llama at the end of the name', declares('llama3.1'), like('', { derivedName: 'sorter-llama' }), 'deny'],
  ['Llama 3 called Llama only', declares('llama3'), like('', { derivedName: 'Llama-x' }), 'deny'],
  ['Llama in capitals and dashes', declares('llama3'), like('', { derivedName: 'LLAMA_3_x' }), 'allow'],
  [
    'Llama kept at home needs no name',
    declares('llama3.1'),
    like('', { derivedName: 'x', publish: false, hosted: false }),
    'allow',
  ],
  ['“Built with” refused', declares('llama3.1'), like('', { builtWithDisplayed: false }), 'deny'],
  [
    'EXAONE published under another name',
    declares('exaone-1.1-nc'),
    like('', { commercial: false, derivedName: 'x' }),
    'deny',
  ],
  ['Apache without its copy', declares('apache-2.0'), like('', { licenseCopyIncluded: false }), 'deny'],
  [
    'Apache without its copy, kept at home',
    declares('apache-2.0'),
    like('', { licenseCopyIncluded: false, publish: false }),
    'allow',
  ],
  ['MIT without its notice', declares('mit'), like('', { noticesRetained: false }), 'deny'],
  ['CC-BY without saying what changed', declares('cc-by-4.0'), like('', { changesStated: false }), 'deny'],
  // restrictions that go on
  [
    'Gemma hosted, and nobody is bound',
    declares('gemma'),
    like('', { passThroughTerms: false, publish: false }),
    'deny',
  ],
  [
    'Gemma kept at home',
    declares('gemma'),
    like('', { passThroughTerms: false, publish: false, hosted: false }),
    'allow',
  ],
  ['RAIL, and nobody is bound', declares('creativeml-openrail-m'), like('', { passThroughTerms: false }), 'deny'],
  ['BLOOM, undisclosed', declares('bigscience-bloom-rail-1.0'), like('', { disclosesMachineGenerated: false }), 'deny'],
  [
    'CreativeML need not disclose',
    declares('creativeml-openrail-m'),
    like('', { disclosesMachineGenerated: false }),
    'allow',
  ],
  ['share-alike, published under other terms', declares('cc-by-sa-4.0'), like('', { passThroughTerms: false }), 'deny'],
  [
    'share-alike, unpublished',
    declares('cc-by-sa-4.0'),
    like('', { passThroughTerms: false, publish: false }),
    'allow',
  ],
  ['AGPL behind a network', declares('agpl-3.0-only'), SERVICE, 'review'],
  ['AGPL unchanged behind a network', declares('agpl-3.0-only'), { ...SERVICE, modify: false }, 'allow'],
  // fields
  [
    'BLOOM in medicine, with a study',
    declares('bigscience-bloom-rail-1.0'),
    like('', { domain: 'medical diagnosis', validationStudy: 's' }),
    'deny',
  ],
  [
    'BigCode in medicine, with a study',
    declares('bigcode-openrail-m'),
    like('', { domain: 'medical advice', validationStudy: 's', publish: false }),
    'review',
  ],
  [
    'OPT watches people, for research',
    declares('opt-175b'),
    { ...RESEARCH, domain: 'surveillance', validationStudy: 's' },
    'deny',
  ],
  [
    'LLaMA identifies faces, for research',
    declares('llama-license'),
    { ...RESEARCH, domain: 'face recognition', validationStudy: 's' },
    'deny',
  ],
  [
    'Llama in a power grid',
    declares('llama3.1'),
    like('', { domain: 'power grid control', validationStudy: 's' }),
    'deny',
  ],
  [
    'DeepSeek in the army',
    declares('deepseek'),
    like('', { domain: 'military logistics', validationStudy: 's' }),
    'deny',
  ],
  [
    'Aleph in an office of the state',
    declares('open-aleph-1.0'),
    { ...RESEARCH, domain: 'public administration' },
    'deny',
  ],
  [
    'Gemma decides about credit alone',
    declares('gemma'),
    like('', { domain: 'credit scoring', automatedDecision: true, validationStudy: 's' }),
    'deny',
  ],
  [
    'Gemma decides about credit, reviewed',
    declares('gemma'),
    like('', { domain: 'credit scoring', validationStudy: 's' }),
    'allow',
  ],
  [
    'RAIL decides, and nobody says about what',
    declares('creativeml-openrail-m'),
    like('', { automatedDecision: undefined }),
    'review',
  ],
  // sensitive domains, whatever the licence
  ['medicine without a study', declares('mit'), { ...SERVICE, domain: 'medical diagnosis' }, 'deny'],
  [
    'medicine with a study',
    declares('mit'),
    { ...SERVICE, domain: 'medical diagnosis', validationStudy: 'doi:10.1/1' },
    'allow',
  ],
  ['police without a study', declares('apache-2.0'), { ...SERVICE, domain: 'law enforcement' }, 'deny'],
  ['credit without a study', declares('apache-2.0'), { ...SERVICE, domain: 'credit scoring' }, 'deny'],
  ['hiring without a study', declares('apache-2.0'), { ...SERVICE, domain: 'employment screening' }, 'deny'],
  ['biometrics without a study', declares('apache-2.0'), { ...SERVICE, domain: 'biometric identification' }, 'deny'],
  ['an empty study', declares('mit'), { ...SERVICE, domain: 'qwertz' }, 'review'],
  ['no domain', declares('mit'), { commercial: true, publish: false, hosted: true, modify: true }, 'review'],
  // nothing, families, unknown, similar
  ['no licence', {}, SERVICE, 'review'],
  ['null', { license: null }, SERVICE, 'review'],
  ['an empty list', { license: [] }, SERVICE, 'review'],
  ['unknown', declares('unknown'), SERVICE, 'review'],
  ['other', declares('other', { license_name: 'mit' }), SERVICE, 'review'],
  ['a family: openrail', declares('openrail'), RESEARCH, 'review'],
  ['a family: cc', declares('cc'), RESEARCH, 'review'],
  ['a family: gpl', declares('gpl'), RESEARCH, 'review'],
  ['a family: bsd', declares('bsd'), SERVICE, 'review'],
  ['a similar id is not corrected', declares('apache2'), SERVICE, 'review'],
  ['GPLv3 is not corrected', declares('GPLv3'), RESEARCH, 'review'],
  ['openmdw-1.1 is another text', declares('openmdw-1.1'), SERVICE, 'review'],
  ['SPDX spelling', declares('Apache-2.0'), SERVICE, 'allow'],
  ['a prototype is no licence', declares('constructor'), SERVICE, 'review'],
  ['one good licence beside one that is not known', { license: ['mit', 'acme'] }, SERVICE, 'review'],
  // lineage
  [
    'a label that says more than its base',
    declares('apache-2.0', { base_model: 'q', parents: [{ model: 'q', license: 'qwen' }] }),
    like(''),
    'review',
  ],
  [
    'MIT over Llama 3.1 in a big company',
    declares('mit', { parents: [{ model: 'l', license: 'llama3.1' }] }),
    like('', { mauAtModelRelease: 8e8 }),
    'deny',
  ],
  [
    'MIT over LLaMA-1',
    declares('mit', { base_model: 'l', parents: [{ model: 'l', license: 'llama-license' }] }),
    SERVICE,
    'deny',
  ],
  ['a base of unknown terms', declares('mit', { base_model: 'a/b' }), SERVICE, 'review'],
  [
    'a base of the same terms',
    declares('mit', { base_model: 'a/b', parents: [{ model: 'a/b', license: 'mit' }] }),
    SERVICE,
    'allow',
  ],
  ['an adapter without its base', declares('mit', { base_model_relation: 'adapter' }), SERVICE, 'review'],
  [
    'an adapter of a base that forbids',
    declares('mit', { base_model_relation: 'adapter', parents: [{ model: 'a', license: 'cc-by-nc-4.0' }] }),
    SERVICE,
    'deny',
  ],
  [
    'a merge with one parent',
    declares('mit', { base_model_relation: 'merge', parents: [{ model: 'a', license: 'mit' }] }),
    SERVICE,
    'review',
  ],
  [
    'a merge of two free ones',
    declares('mit', {
      base_model_relation: 'merge',
      parents: [
        { model: 'a', license: 'mit' },
        { model: 'b', license: 'isc' },
      ],
    }),
    SERVICE,
    'allow',
  ],
  [
    'a merge with one that forbids',
    declares('mit', {
      base_model_relation: 'merge',
      parents: [
        { model: 'a', license: 'mit' },
        { model: 'b', license: 'cc-by-nc-4.0' },
      ],
    }),
    SERVICE,
    'deny',
  ],
  [
    'quantised from one that forbids',
    declares('mit', { base_model_relation: 'quantized', parents: [{ model: 'a', license: 'cc-by-nc-4.0' }] }),
    SERVICE,
    'deny',
  ],
  [
    'a grandparent that forbids',
    declares('mit', { parents: [{ model: 'a', license: 'mit', parents: [{ model: 'b', license: 'opt-175b' }] }] }),
    SERVICE,
    'deny',
  ],
  ['a relation nobody knows', declares('mit', { base_model_relation: 'distilled' }), SERVICE, 'review'],
  // conflicts
  ['timm: hub says apache, the source not', declares('apache-2.0', { upstream: 'cc-by-nc-4.0' }), SERVICE, 'deny'],
  ['card and source differ, both free', declares('mit', { upstream: { license: 'apache-2.0' } }), SERVICE, 'review'],
  ['card and source agree', declares('mit', { upstream: 'mit' }), SERVICE, 'allow'],
  // data, gates, what nobody understands
  [
    'data that are not free',
    declares('mit', { datasets: [{ name: 'd', license: 'cc-by-nc-4.0' }] }),
    SERVICE,
    'review',
  ],
  ['data of no terms', declares('mit', { datasets: ['d'] }), SERVICE, 'allow'],
  ['a gate', declares('mit', { extra_gated_prompt: 'agree' }), SERVICE, 'review'],
  ['a field about licences that nobody knows', declares('mit', { license_terms: 'ask us' }), SERVICE, 'review'],
  ['Yi without a permission', declares('yi-license-1.0'), like('', { writtenAuthorization: false }), 'deny'],
  ['Yi with a permission', declares('yi-license-1.0'), like('', { writtenAuthorization: true }), 'allow'],
  [
    'not commercial, with a permission: somebody reads it',
    declares('cc-by-nc-4.0'),
    { ...SERVICE, writtenAuthorization: true },
    'review',
  ],
  ['no derivatives: tuned and kept', declares('cc-by-nd-4.0'), SERVICE, 'allow'],
  ['no derivatives: tuned and published', declares('cc-by-nd-4.0'), like(''), 'deny'],
  ['no derivatives: published as it is', declares('cc-by-nd-4.0'), like('', { modify: false }), 'allow'],
  ['NVIDIA, tuned', declares('nvidia-open-model'), like(''), 'review'],
  ['NVIDIA, as it is', declares('nvidia-open-model'), like('', { modify: false }), 'allow'],
  [
    'commercial unsaid',
    declares('cc-by-nc-4.0'),
    { domain: 'support', publish: false, hosted: true, modify: true },
    'review',
  ],
  // devices: sizes are not known in a table
  ['a device, and no size', declares('mit'), { ...SERVICE, hardware: { ramMb: 64 } }, 'review'],
];

export const CASES: readonly TableCase[] = [
  ...rowCases(),
  ...TRAPS.map(([id, declared, intendedUse, verdict]) => ({ id, declared, intendedUse, verdict })),
];
