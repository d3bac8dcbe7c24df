import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { FAMILIES, LICENCES } from '../../activities/review/licence-facts.ts';
import { decideLicence, LICENCE_POLICY_DIGEST } from '../../activities/review/licence-policy.ts';
import type { LicenceVerdict } from '../../activities/contract.ts';

const INTERNAL = { commercial: true, domain: 'customer-support', publish: false, hosted: true };
const RESEARCH = { ...INTERNAL, commercial: false };
const PUBLISHED = { ...INTERNAL, publish: true };
const OFFLINE = { ...INTERNAL, hosted: false };

describe('licence policy', () => {
  const table: readonly [string | readonly string[] | null, typeof INTERNAL, LicenceVerdict, string | null, RegExp][] =
    [
      ['apache-2.0', INTERNAL, 'allow', 'Apache-2.0', /permits the intended use/],
      ['Apache-2.0', PUBLISHED, 'allow', 'Apache-2.0', /NOTICE/],
      [' MIT ', INTERNAL, 'allow', 'MIT', /copyright notice/],
      ['bsd-2-clause', PUBLISHED, 'allow', 'BSD-2-Clause', /permits/],
      ['bsd-3-clause', PUBLISHED, 'allow', 'BSD-3-Clause', /no endorsement/],
      ['cc0-1.0', INTERNAL, 'allow', 'CC0-1.0', /permits/],
      ['openmdw-1.0', PUBLISHED, 'allow', 'OpenMDW-1.0', /permits/],
      ['cc-by-4.0', PUBLISHED, 'allow', 'CC-BY-4.0', /attribution/],
      ['cc-by-sa-4.0', INTERNAL, 'allow', 'CC-BY-SA-4.0', /permits/],
      ['cc-by-sa-4.0', PUBLISHED, 'review', 'CC-BY-SA-4.0', /same licence/],
      ['cc-by-nc-4.0', INTERNAL, 'deny', 'CC-BY-NC-4.0', /forbids commercial use \(s\.1 and s\.2\(a\)\(1\)/],
      ['cc-by-nc-4.0', RESEARCH, 'allow', 'CC-BY-NC-4.0', /permits/],
      ['CC-BY-NC-SA-3.0', INTERNAL, 'deny', 'CC-BY-NC-SA-3.0', /forbids commercial use/],
      ['cc-by-nd-4.0', INTERNAL, 'allow', 'CC-BY-ND-4.0', /may be made but not shared/],
      ['cc-by-nd-4.0', PUBLISHED, 'deny', 'CC-BY-ND-4.0', /forbids publishing a fine-tuned model/],
      ['cc-by-nc-nd-4.0', { ...RESEARCH, publish: true }, 'deny', 'CC-BY-NC-ND-4.0', /forbids publishing/],
      ['gpl-3.0', INTERNAL, 'review', 'GPL-3.0', /"only" or "or later"/],
      ['gpl-3.0-only', INTERNAL, 'allow', 'GPL-3.0-only', /permits/],
      ['gpl-3.0-only', PUBLISHED, 'review', 'GPL-3.0-only', /same licence/],
      ['agpl-3.0-only', INTERNAL, 'review', 'AGPL-3.0-only', /duties on hosting \(s\.13/],
      ['llama2', INTERNAL, 'review', null, /700 million.*other than Llama 2/s],
      ['llama3', INTERNAL, 'review', null, /other than Llama 3/],
      ['llama3.1', INTERNAL, 'review', null, /named after Llama/],
      ['llama3.2', INTERNAL, 'review', null, /multimodal models .* EU/],
      ['llama3.3', INTERNAL, 'review', null, /multimodal models .* EU/],
      ['gemma', INTERNAL, 'review', null, /hosting is distribution/],
      ['gemma', OFFLINE, 'review', null, /use restrictions/],
      ['bigscience-bloom-rail-1.0', INTERNAL, 'review', null, /made by a machine/],
      ['creativeml-openrail-m', OFFLINE, 'review', null, /use restrictions/],
      ['opt-175b', INTERNAL, 'deny', null, /forbids commercial use/],
      ['opt-175b', RESEARCH, 'review', null, /not for production/],
      ['openrail', INTERNAL, 'review', null, /family/],
      ['bsd', INTERNAL, 'review', null, /family/],
      ['cc', INTERNAL, 'review', null, /family/],
      ['GPL', INTERNAL, 'review', null, /family/],
      ['unknown', RESEARCH, 'review', null, /declared as 'unknown'/],
      ['other', RESEARCH, 'review', null, /not known here/],
      ['GPLv3', RESEARCH, 'review', null, /not in the policy table/],
      ['apache 2.0', RESEARCH, 'review', null, /not in the policy table/],
      ['mit or gpl-3.0', RESEARCH, 'review', null, /not in the policy table/],
      ['', RESEARCH, 'review', null, /no licence is declared/],
      [null, RESEARCH, 'review', null, /no licence is declared/],
      [[], RESEARCH, 'review', null, /no licence is declared/],
      [['mit', 'apache-2.0'], INTERNAL, 'allow', null, /MIT permits.*Apache-2\.0 permits/s],
      [['apache-2.0', 'cc-by-nc-4.0'], INTERNAL, 'deny', null, /forbids commercial/],
      [['apache-2.0', 'unknown'], INTERNAL, 'review', null, /not known here/],
      [['MIT', 'MIT'], INTERNAL, 'allow', 'MIT', /permits/],
    ];
  for (const [declared, use, verdict, spdx, reason] of table) {
    const purpose = Object.entries(use)
      .filter(([, value]) => value === true)
      .map(([name]) => name)
      .join(', ');
    it(`says ${verdict} to ${JSON.stringify(declared)} for ${purpose || 'private research'}`, () => {
      const decision = decideLicence({ declared }, use);
      deepEqual([decision.verdict, decision.spdx], [verdict, spdx]);
      match(decision.reasons.join('\n'), reason);
      equal(decision.howToFix.length > 0, verdict !== 'allow');
      equal(decision.policyDigest, LICENCE_POLICY_DIGEST);
    });
  }

  it('names what a card with `license: other` calls it', () => {
    const { reasons, declared } = decideLicence(
      { declared: 'other', licenceName: 'acme-1.0', licenceLink: 'LICENSE' },
      INTERNAL,
    );
    deepEqual(
      [declared, reasons],
      ['other', ["the licence is declared as 'other', named 'acme-1.0' (LICENSE): its terms are not known here"]],
    );
  });

  it('says why nothing was declared', () => {
    match(
      decideLicence({ declared: null, note: 'the front matter is not valid YAML' }, INTERNAL).reasons[0] ?? '',
      /not valid YAML/,
    );
  });

  const use = fc.record({
    commercial: fc.boolean(),
    publish: fc.boolean(),
    hosted: fc.boolean(),
    domain: fc.constant('x'),
  });

  it('never allows what it does not know, whatever else is declared', () => {
    const known = new Set(LICENCES.map(({ id }) => id));
    const strange = fc
      .oneof(
        fc.string(),
        fc.constantFrom('unknown', 'Other', ...FAMILIES),
        fc.constantFrom(...known).map((id) => `${id}x`),
      )
      .filter((id) => !known.has(id.trim().toLowerCase()) && id.trim() !== '');
    fc.assert(
      fc.property(strange, fc.subarray(['mit', 'apache-2.0', 'cc-by-nc-4.0']), use, (id, others, intended) => {
        ok(decideLicence({ declared: [...others, id] }, intended).verdict !== 'allow');
      }),
    );
  });

  it('is at least as strict on a list as on each of its members', () => {
    const strictness = { allow: 0, review: 1, deny: 2 };
    const ids = fc.array(fc.constantFrom(...LICENCES.map(({ id }) => id)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(ids, use, (declared, intended) => {
        const each = declared.map((id) => strictness[decideLicence({ declared: id }, intended).verdict]);
        equal(strictness[decideLicence({ declared }, intended).verdict], Math.max(...each));
      }),
    );
  });

  it('is a table of distinct lower-case ids', () => {
    const ids = [...LICENCES.map(({ id }) => id), ...FAMILIES];
    equal(new Set(ids).size, ids.length);
    ok(ids.every((id) => id === id.toLowerCase()));
  });

  it('[real-data] agrees with the collected facts on commercial use, and knows every family of the hub', async function () {
    const data = process.env['ESPALIER_TEST_DATA'];
    if (data === undefined) this.skip();
    const facts = JSON.parse(await readFile(join(data, 'licences/licence-facts.json'), 'utf8')) as {
      id: string;
      commercial?: unknown;
    }[];
    let compared = 0;
    for (const { id, commercial } of facts) {
      const ours = LICENCES.find((licence) => licence.id === id);
      if (ours === undefined || typeof commercial !== 'boolean') continue;
      equal(ours.commercial, commercial, id);
      compared += 1;
    }
    ok(compared >= 15, `${compared}`);
    const { rows } = JSON.parse(await readFile(join(data, 'licences/hf-licenses.json'), 'utf8')) as {
      rows: { id: string; kind: string; spdx: string | null }[];
    };
    deepEqual(
      rows
        .filter(({ kind }) => kind === 'family')
        .map(({ id }) => id)
        .toSorted(),
      FAMILIES.toSorted(),
    );
    for (const { id, spdx } of rows) {
      const ours = LICENCES.find((licence) => licence.id === id);
      if (ours !== undefined) equal(ours.spdx, spdx, id);
      else equal(decideLicence({ declared: id }, RESEARCH).verdict, 'review', id);
    }
  });
});
