/** Facts of licences written for models, in our own words, with the clause of each. Not legal advice. */
import {
  automated,
  builtWith,
  changes,
  fields,
  judgement,
  licence,
  licenceCopy,
  nonCommercial,
  notForProduction,
  noticeFile,
  notices,
  outputs,
  passOn,
  prefix,
  reminder,
  usersLimit,
  ref,
  scancode,
} from './clauses.ts';
import type { Licence } from './terms.ts';

const MILLION = 1e6;

const RESEARCH_ONLY_FIELDS = fields('s.2', ['military', 'weapons', 'surveillance', 'biometric']);

export const MODEL_LICENCES: readonly Licence[] = [
  licence(
    'llama-license',
    null,
    scancode('llama-license-2023'),
    [
      nonCommercial('s.1.a'),
      notForProduction('s.2.a'),
      RESEARCH_ONLY_FIELDS,
      judgement('s.1.a', 'is granted to persons who applied for it, for research'),
      licenceCopy('s.1.b', 'offer'),
    ],
    [ref('llama-license-2023')],
  ),
  licence(
    'qwen',
    null,
    scancode('qwen-2024'),
    [
      usersLimit(
        's.4',
        { mauNow: 100 * MILLION },
        'gives no commercial grant above 100 million monthly users',
        'commercial',
      ),
      licenceCopy('s.3'),
      changes('s.3'),
      noticeFile(
        's.3',
        'Qwen is licensed under the Qwen LICENSE AGREEMENT, Copyright (c) Alibaba Cloud. All Rights Reserved.',
      ),
      builtWith('s.5.b', 'Built with Qwen', 'offer-changed'),
    ],
    [ref('qwen-2024')],
  ),
  licence(
    'tongyi-qianwen',
    null,
    scancode('tongyi-qianwen-2023'),
    [
      usersLimit(
        's.4',
        { mauNow: 100 * MILLION },
        'gives no commercial grant above 100 million monthly users',
        'commercial',
      ),
      outputs('s.5.b', /^(tongyi|qwen)/i, 'outputs must not improve language models other than Tongyi Qianwen'),
      licenceCopy('s.3'),
      changes('s.3'),
      noticeFile(
        's.3',
        'Tongyi Qianwen is licensed under the Tongyi Qianwen LICENSE AGREEMENT, Copyright (c) Alibaba Cloud. All Rights Reserved.',
      ),
    ],
    [ref('tongyi-qianwen-2023')],
  ),
  licence(
    'yi-license-1.0',
    null,
    '01-ai/Yi@03c9c1b3 LICENSE',
    [
      {
        ask: 'promise',
        field: 'writtenAuthorization',
        when: 'commercial',
        clause: 's.2',
        says: 'commercial use needs a written authorisation of the owner',
      },
      fields('s.2', ['military']),
      licenceCopy('s.2'),
    ],
    ['licenseref-yi-1.0', 'yi-license'],
  ),
  licence(
    'falcon-2-11b',
    null,
    scancode('falcon-2-11b-1.0'),
    [
      builtWith('s.4', 'is built using Falcon LLM technology from the Technology Innovation Institute'),
      passOn('s.5 (acceptable use policy, which may change)'),
      licenceCopy('s.4', 'offer'),
    ],
    [ref('falcon-2-11b-1.0')],
  ),
  licence(
    'stability-ai-community',
    null,
    scancode('stability-ai-community-2024'),
    [
      {
        ask: 'limit',
        above: { annualRevenueUsd: MILLION },
        owner: 'other-licence',
        when: 'commercial',
        clause: 's.III',
        says: 'gives no commercial grant above USD 1 million of annual revenue, affiliates included',
      },
      reminder('s.III', 'commercial users register with Stability AI', 'commercial'),
      outputs('s.IV.b', null, 'must not be used to make foundational generative models'),
      builtWith('s.IV.a', 'Powered by Stability AI'),
      licenceCopy('s.IV.a', 'offer'),
      noticeFile(
        's.IV.a (Notice file)',
        'This Stability AI Model is licensed under the Stability AI Community License, Copyright © Stability AI Ltd. All Rights Reserved',
        'offer',
      ),
    ],
    [ref('stability-ai-community-2024')],
  ),
  licence(
    'stability-ai-nc',
    null,
    scancode('stability-ai-nc-2023-12-06'),
    [nonCommercial('the research licence'), notForProduction('the research licence')],
    [ref('stability-ai-nc-2023-12-06')],
  ),
  licence(
    'flux-1-dev-nc',
    null,
    scancode('flux-1-nc'),
    [
      nonCommercial('s.1, s.2'),
      notForProduction('s.1'),
      outputs('s.2', null, 'outputs must not train competing models'),
    ],
    [ref('flux-1-nc'), 'flux-1-dev-non-commercial-license'],
  ),
  licence(
    'exaone-1.1-nc',
    null,
    scancode('exaone-ai-model-1.1-nc'),
    [
      nonCommercial('s.3.1'),
      outputs('s.3.1', null, 'outputs must not improve any other model'),
      prefix('s.2.1', 'EXAONE', 'share-changed'),
      notices('s.4.3'),
    ],
    [ref('exaone-ai-model-1.1-nc')],
  ),
  licence(
    'kimi-modified-mit',
    null,
    scancode('moonshot-ai-modified-mit-2025'),
    [
      notices('the notice clause'),
      builtWith('the display clause', 'Kimi K2', 'commercial', {
        mauNow: 100 * MILLION,
        monthlyRevenueUsd: 20 * MILLION,
      }),
    ],
    [ref('moonshot-ai-modified-mit-2025')],
  ),
  licence(
    'nvidia-open-model',
    null,
    scancode('nvidia-open-model-2025-04-28'),
    [
      judgement(
        's.2.1',
        'rights end by themselves when a guardrail loses its efficacy: fine-tuning may do that',
        'changed',
      ),
      licenceCopy('s.3', 'share'),
      noticeFile('s.3 (Notice file)', 'Licensed by NVIDIA Corporation under the NVIDIA Open Model License'),
      reminder('s.2.1', 'it ends for whoever sues over it; the trustworthy AI terms bind, and may change'),
    ],
    [ref('nvidia-open-model-2025-04-28')],
  ),
  licence(
    'open-aleph-1.0',
    null,
    scancode('open-aleph-1.0'),
    [
      nonCommercial('s.3'),
      {
        ask: 'fields',
        denied: ['public-administration', 'law-enforcement', 'justice', 'migration'],
        when: 'always',
        clause: 's.4',
        says: 'forbids administrative use',
      },
    ],
    [ref('open-aleph-1.0')],
  ),
  licence(
    'opt-175b',
    null,
    'facebookresearch/metaseq@67a3a811 projects/OPT/MODEL_LICENSE.md',
    [
      nonCommercial('s.1'),
      notForProduction('s.2'),
      RESEARCH_ONLY_FIELDS,
      judgement('s.1', 'is granted for research, on application'),
    ],
    ['licenseref-opt-175b'],
  ),
  licence(
    'tencent-hunyuan3d',
    null,
    scancode('tencent-hunyuan-3d-2.0-cla'),
    [
      {
        ask: 'territory',
        outside: ['EU', 'UK', 'KR'],
        of: 'use',
        multimodalOnly: false,
        when: 'always',
        clause: 's.1(l), s.5(c)',
        says: 'does not apply in the EU, the UK and South Korea',
      },
      usersLimit(
        's.4',
        { mauAtModelRelease: MILLION },
        'gives no grant to whoever had more than 1 million monthly users when it was released',
      ),
      automated('acceptable use policy, 14'),
      fields('acceptable use policy', ['military', 'weapons'], ['medical', 'legal', 'finance']),
      passOn('s.3, s.5'),
      licenceCopy('s.3', 'offer'),
      noticeFile(
        's.3 (Notice file)',
        'Tencent Hunyuan 3D 2.0 is licensed under the Tencent Hunyuan 3D 2.0 Community License Agreement, Copyright © 2025 Tencent. All Rights Reserved. The trademark rights of “Tencent Hunyuan” are owned by Tencent or its affiliate.',
        'offer',
      ),
      changes('s.3', 'offer-changed'),
    ],
    [ref('tencent-hunyuan-3d-2.0-cla')],
  ),
  licence(
    'mnpl-0.1',
    null,
    'a quoted copy of the licence',
    [nonCommercial('the grant'), notForProduction('the grant')],
    ['licenseref-mnpl-0.1'],
  ),
];
