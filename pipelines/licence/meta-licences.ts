/** Facts of the Llama community licences, in our own words, with the clause of each. Not legal advice. */
import {
  builtWith,
  fields,
  licence,
  licenceCopy,
  noticeFile,
  outputs,
  prefix,
  usersLimit,
  ref,
  scancode,
} from './clauses.ts';
import type { Licence, Term } from './terms.ts';

const MILLION = 1e6;

// Meta. Whoever was too large on the day of the release has no grant, however small since.
const meta = (id: string, name: string, source: string, alias: string, ...terms: readonly Term[]): Licence => {
  const agreement = id === 'llama2' ? 'LLAMA 2' : id === 'llama3' ? 'Meta Llama 3' : name;
  const sign = id === 'llama2' ? '(c)' : '©';
  const subject = id === 'llama3' ? 'Meta Llama 3' : name;
  const notice = `${subject} is licensed under the ${agreement} Community License, Copyright ${sign} Meta Platforms, Inc. All Rights Reserved.`;
  return licence(
    id,
    null,
    source,
    [
      usersLimit(
        's.2',
        { mauAtModelRelease: 700 * MILLION },
        `gives no grant to whoever had more than 700 million monthly users when ${name} was released`,
      ),
      licenceCopy('s.1.b', 'offer'),
      noticeFile('s.1.b (Notice file)', notice, 'offer'),
      ...terms,
    ],
    [alias],
  );
};
const META_USES = fields(
  'acceptable use policy',
  ['military', 'weapons', 'critical-infrastructure', 'malware', 'sexually-explicit', 'surveillance'],
  ['medical', 'legal', 'finance', 'employment', 'credit', 'housing', 'impersonation', 'biometric', 'law-enforcement'],
);
const META_NAME = [prefix('s.1.b.i', 'Llama'), builtWith('s.1.b.i', 'Built with Llama')];
const noEurope = (clause: string, multimodalOnly = true): Term => ({
  ask: 'territory',
  outside: ['EU'],
  of: 'home',
  multimodalOnly,
  when: 'always',
  clause,
  says: 'gives no grant for multimodal models to people and companies of the EU',
});

export const META_LICENCES: readonly Licence[] = [
  meta(
    'llama2',
    'Llama 2',
    'llama-models: models/llama2',
    ref('llama-2-license-2023'),
    outputs('s.1.b.v', /^llama[ -]?2\b/i, 'outputs must not improve language models other than Llama 2'),
    META_USES,
  ),
  meta(
    'llama3',
    'Llama 3',
    'llama-models: models/llama3',
    'licenseref-llama3',
    outputs('s.1.b.v', /^llama[ -]?3\b/i, 'outputs must not improve language models other than Llama 3'),
    prefix('s.1.b.i', 'Llama 3'),
    builtWith('s.1.b.i', 'Built with Meta Llama 3'),
    META_USES,
  ),
  meta(
    'llama3.1',
    'Llama 3.1',
    'llama-models: models/llama3_1 LICENSE, USE_POLICY',
    ref('llama-3.1-license-2024'),
    ...META_NAME,
    META_USES,
  ),
  meta(
    'llama3.2',
    'Llama 3.2',
    'llama-models: models/llama3_2 LICENSE, USE_POLICY.md:43',
    ref('llama-3.2-license-2024'),
    ...META_NAME,
    META_USES,
    noEurope('use policy'),
  ),
  meta(
    'llama3.3',
    'Llama 3.3',
    'llama-models: models/llama3_3 LICENSE, USE_POLICY.md:65',
    ref('llama-3.3-license-2024'),
    ...META_NAME,
    META_USES,
    noEurope('use policy'),
  ),
  // Every Llama 4 is multimodal.
  meta(
    'llama4',
    'Llama 4',
    scancode('llama-4-cla-2025, llama-4-license-2025:91'),
    ref('llama-4-cla-2025'),
    ...META_NAME,
    META_USES,
    noEurope('use policy', false),
  ),
];
