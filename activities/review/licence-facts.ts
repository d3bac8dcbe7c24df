/**
 * What each licence permits, in our own words with the clause: facts, apart from the rules that judge them
 * (licence-policy.ts). Not legal advice. One row a text; the Hugging Face id, where it differs, is an alias.
 */

export interface LicenceFacts {
  /** Lower case, as model cards write it. */
  readonly id: string;
  readonly spdx: string | null;
  readonly commercial: boolean;
  /** May what was made from it be given to others. */
  readonly publishDerivatives: 'yes' | 'no' | 'same-licence';
  /** Does offering the model over a network bring duties of its own. */
  readonly hosting: 'free' | 'duties';
  /** Needs a person whatever the use: each sentence says why. */
  readonly conditions: readonly string[];
  /** The clause behind the facts. */
  readonly clause: string;
}

type Extra = Partial<Omit<LicenceFacts, 'id' | 'spdx' | 'clause'>>;

function licence(id: string, spdx: string | null, clause: string, extra: Extra = {}): LicenceFacts {
  return { id, spdx, commercial: true, publishDerivatives: 'yes', hosting: 'free', conditions: [], clause, ...extra };
}

const KEEP_NOTICE = 'use, change and pass on freely; the copyright notice stays';
const CC_VERSIONS = ['2.0', '2.5', '3.0', '4.0'] as const;

const creativeCommons = CC_VERSIONS.flatMap((version) => {
  const cc = (kind: string, clause: string, extra: Extra = {}) =>
    licence(`cc-${kind}-${version}`, `CC-${kind.toUpperCase()}-${version}`, clause, extra);
  const nonCommercial =
    version === '4.0' ? 's.1 and s.2(a)(1): for non-commercial purposes only' : 'non-commercial purposes only';
  const noDerivatives =
    version === '4.0' ? 's.2(a)(1)(B): adapted material may be made but not shared' : 'adaptations may not be shared';
  const shareAlike =
    version === '4.0' ? 's.3(b): adapted material under the same licence' : 'adaptations under the same licence';
  return [
    cc('by', 'attribution and a note of changes when shared'),
    cc('by-sa', shareAlike, { publishDerivatives: 'same-licence' }),
    cc('by-nc', nonCommercial, { commercial: false }),
    cc('by-nd', noDerivatives, { publishDerivatives: 'no' }),
    cc('by-nc-sa', `${nonCommercial}; ${shareAlike}`, { commercial: false, publishDerivatives: 'same-licence' }),
    cc('by-nc-nd', `${nonCommercial}; ${noDerivatives}`, { commercial: false, publishDerivatives: 'no' }),
  ];
});

const LLAMA_LIMIT = 'no grant to whoever had more than 700 million monthly users when the model was released';
const LLAMA_NAME = 'a published model must be named after Llama and say "Built with Llama"';
const LLAMA_USES = 'the acceptable use policy excludes fields of use: compare the domain with it';
const EU_MULTIMODAL = 'no grant for multimodal models to people and companies in the EU';
const llama = (id: string, clause: string, ...conditions: readonly string[]) =>
  licence(id, null, clause, { conditions: [LLAMA_LIMIT, LLAMA_USES, ...conditions] });

const RAIL_USES =
  'use restrictions (medicine, justice, adverse automated decisions, …) bind you and must be passed on: compare the domain with them';
const rail = (id: string, clause: string, ...conditions: readonly string[]) =>
  licence(id, null, clause, { hosting: 'duties', conditions: [RAIL_USES, ...conditions] });

const copyleft = (id: string, spdx: string, network = false) =>
  licence(
    id,
    spdx,
    network ? 's.13: the source goes to users over a network' : 'derived works under the same licence',
    {
      publishDerivatives: 'same-licence',
      hosting: network ? 'duties' : 'free',
      conditions:
        /^a?gpl|^lgpl/.test(id) && !/-only$|-or-later$/.test(id) ? ['the id does not say "only" or "or later"'] : [],
    },
  );

const NOT_FOR_PRODUCTION = 'not for production use';
const nonCommercial = (id: string, clause: string, ...conditions: readonly string[]) =>
  licence(id, null, clause, { commercial: false, conditions });

export const LICENCES: readonly LicenceFacts[] = [
  licence(
    'apache-2.0',
    'Apache-2.0',
    's.4: licence copy, NOTICE and a note of changes when shared; s.3: patent grant ends with a patent suit',
  ),
  licence('mit', 'MIT', KEEP_NOTICE),
  licence('bsd-2-clause', 'BSD-2-Clause', KEEP_NOTICE),
  licence('bsd-3-clause', 'BSD-3-Clause', `${KEEP_NOTICE}; no endorsement`),
  licence('isc', 'ISC', KEEP_NOTICE),
  licence('zlib', 'Zlib', KEEP_NOTICE),
  licence('unlicense', 'Unlicense', 'dedicated to the public domain'),
  licence('cc0-1.0', 'CC0-1.0', 'rights waived; s.4(a): no patent or trademark grant'),
  licence(
    'openmdw-1.0',
    'OpenMDW-1.0',
    'licence copy and notices of origin when shared; ends with a suit over the model',
  ),
  licence('cdla-permissive-2.0', 'CDLA-Permissive-2.0', 'data: agreement text when shared, results free'),
  licence('cdla-sharing-1.0', 'CDLA-Sharing-1.0', 's.3.5: data under the same licence, results free'),
  ...creativeCommons,
  copyleft('gpl-2.0', 'GPL-2.0'),
  copyleft('gpl-3.0', 'GPL-3.0'),
  copyleft('gpl-2.0-only', 'GPL-2.0-only'),
  copyleft('gpl-2.0-or-later', 'GPL-2.0-or-later'),
  copyleft('gpl-3.0-only', 'GPL-3.0-only'),
  copyleft('gpl-3.0-or-later', 'GPL-3.0-or-later'),
  copyleft('agpl-3.0', 'AGPL-3.0', true),
  copyleft('agpl-3.0-only', 'AGPL-3.0-only', true),
  copyleft('agpl-3.0-or-later', 'AGPL-3.0-or-later', true),
  copyleft('lgpl-2.1', 'LGPL-2.1'),
  copyleft('lgpl-3.0', 'LGPL-3.0'),
  copyleft('mpl-2.0', 'MPL-2.0'),
  nonCommercial('llama-license', 's.1.a, s.2.a: non-commercial research only', NOT_FOR_PRODUCTION),
  llama('llama2', 's.1.b.v, s.2', 'outputs must not improve language models other than Llama 2'),
  llama('llama3', 's.1.b, s.2', LLAMA_NAME, 'outputs must not improve language models other than Llama 3'),
  llama('llama3.1', 's.1.b, s.2', LLAMA_NAME),
  llama('llama3.2', 's.1.b, s.2; use policy', LLAMA_NAME, EU_MULTIMODAL),
  llama('llama3.3', 's.1.b, s.2; use policy', LLAMA_NAME, EU_MULTIMODAL),
  llama('llama4', 's.1.b, s.2; use policy', LLAMA_NAME, EU_MULTIMODAL),
  licence('gemma', null, 's.1.1(e), 3.1, 3.2: hosting is distribution; models trained on outputs are derivatives', {
    hosting: 'duties',
    conditions: [
      'the use restrictions exclude automated decisions in finance, law, employment, health care, housing, insurance and welfare, and must be passed on: compare the domain with them',
    ],
  }),
  rail('bigscience-bloom-rail-1.0', 's.4, 5, 7, Attachment A', 'it must be disclosed that text was made by a machine'),
  rail('bigscience-openrail-m', 'Attachment A'),
  rail('creativeml-openrail-m', 's.4, 5, Attachment A'),
  rail('bigcode-openrail-m', 's.5, Attachment A', 'documentation of equal quality comes with a published model'),
  rail('deepseek', 'paragraph 5, s.9', 'no legal basis is given for personal data in the model'),
  nonCommercial('opt-175b', 'non-commercial research only', NOT_FOR_PRODUCTION),
  nonCommercial('mnpl-0.1', 'non-production licence', NOT_FOR_PRODUCTION),
  nonCommercial('exaone-1.1-nc', 's.3.1: non-commercial; outputs must not train models'),
  nonCommercial('flux-1-dev-nc', 'non-commercial', NOT_FOR_PRODUCTION),
  nonCommercial('stability-ai-nc', 'non-commercial', NOT_FOR_PRODUCTION),
];

/** Ids that name many texts: which one applies, only a person can find out. */
export const FAMILIES: readonly string[] = ['bsd', 'cc', 'gfdl', 'gpl', 'lgpl', 'odbl', 'odc-by', 'openrail'];

/** Ids that name no text. */
export const NO_LICENCE: readonly string[] = ['unknown', 'other'];
