/** Facts of licences whose use restrictions go on to every user: RAIL, Gemma, DeepSeek. Not legal advice. */
import {
  automated,
  changes,
  disclose,
  fields,
  judgement,
  licence,
  licenceCopy,
  noticeFile,
  notices,
  passOn,
  reminder,
  ref,
  scancode,
} from './clauses.ts';
import type { Licence, Term } from './terms.ts';

// Responsible AI licences: restrictions in an attachment, to be passed on.
const rail = (id: string, source: string, aliases: readonly string[], ...terms: readonly Term[]): Licence =>
  licence(
    id,
    null,
    source,
    [
      fields(
        'Attachment A',
        ['medical', 'law-enforcement', 'justice', 'migration', 'malware', 'impersonation'],
        ['military', 'weapons', 'surveillance'],
      ),
      automated('Attachment A'),
      passOn('paragraphs 4 and 5'),
      licenceCopy('paragraph 4', 'offer'),
      notices('paragraph 4', 'offer'),
      changes('paragraph 4', 'offer-changed'),
      reminder('s.1', 'models trained on its outputs are derivatives too'),
      reminder('paragraph 7', 'use the newest version that the owner offers, with reasonable effort'),
      ...terms,
    ],
    aliases,
  );

export const RESPONSIBLE_LICENCES: readonly Licence[] = [
  licence(
    'gemma',
    null,
    scancode('gemma-tou-2025-03-24, gemma-pup-2024-02-21'),
    [
      // Making it available over a network is distribution, by s.1.1(b).
      passOn('s.3.1, s.1.1(b)'),
      licenceCopy('s.3.1', 'offer'),
      changes('s.3.1', 'offer-changed'),
      noticeFile(
        's.3.1 (Notice file)',
        'Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms',
      ),
      fields(
        's.3.2, prohibited use policy',
        ['malware', 'sexually-explicit', 'impersonation', 'weapons', 'surveillance'],
        ['medical', 'legal', 'military'],
      ),
      automated('prohibited use policy', [
        'finance',
        'legal',
        'employment',
        'medical',
        'housing',
        'insurance',
        'welfare',
        'credit',
      ]),
      reminder('s.1.1(e)', 'models trained on its outputs are derivatives too'),
      reminder('s.3.2', 'the owner may restrict use remotely, and may change the terms'),
    ],
    [ref('gemma-tou-2025-03-24'), ref('gemma-tou-2024-04-01')],
  ),
  rail(
    'bigscience-bloom-rail-1.0',
    scancode('bigscience-rail-1.0'),
    [ref('bigscience-rail-1.0')],
    disclose('Attachment A, 5'),
  ),
  rail('bigscience-openrail-m', scancode('bigscience-open-rail-m'), [ref('bigscience-open-rail-m')]),
  rail('creativeml-openrail-m', scancode('stable-diffusion-2022-08-22'), [ref('stable-diffusion-2022-08-22')]),
  rail('openrail++', scancode('bigscience-open-rail-m2'), [ref('bigscience-open-rail-m2')]),
  licence(
    'bigcode-openrail-m',
    null,
    scancode('bigcode-open-rail-m-v1'),
    [
      fields('Attachment A', ['malware'], ['medical', 'impersonation', 'military', 'weapons', 'surveillance']),
      automated('Attachment A, (i) and (n)'),
      passOn('s.5'),
      disclose('Attachment A'),
      licenceCopy('s.4', 'offer'),
      notices('s.4', 'offer'),
      judgement('s.5', 'a shared model needs documentation of the same or better quality', 'share'),
    ],
    [ref('bigcode-open-rail-m-v1')],
  ),
  licence(
    'deepseek',
    null,
    scancode('deepseek-la-1.0'),
    [
      fields('Attachment A', ['military', 'weapons'], ['impersonation', 'malware', 'surveillance']),
      automated('Attachment A'),
      passOn('paragraphs 4 and 5'),
      licenceCopy('paragraph 4', 'offer'),
      notices('paragraph 4', 'offer'),
      reminder('s.1', 'models trained on its outputs are derivatives too'),
      reminder('s.9', 'no legal basis is given for personal data that the model may hold'),
    ],
    [ref('deepseek-la-1.0')],
  ),
];
