import { deepEqual, equal, ok } from 'node:assert/strict';
import * as fc from 'fast-check';
import type { ModelTerms } from '../../../pipelines/licence/decision.ts';
import { evaluate, SEVERITY } from '../../../pipelines/licence/evaluate.ts';
import { FAMILIES, NO_LICENCE } from '../../../pipelines/licence/open-licences.ts';
import { compilePolicy, PolicySchema } from '../../../pipelines/licence/policy.ts';
import { findLicence, LICENCES } from '../../../pipelines/licence/rows.ts';
import type { UseFacts } from '../../../pipelines/licence/use.ts';
import { UseFactsSchema } from '../../../pipelines/licence/use.ts';
import { declares, judge, NO_TERMS, SERVICE } from './ask.ts';
import { small } from './case-table.ts';
import { objections } from './oracle.ts';

const RUNS = { numRuns: 1000 };
const MANY = { numRuns: 5000 };
const fact = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined, freq: 3 });
const amount = fact(fc.constantFrom(0, 999_999, 1_000_001, 1e8, 1.1e8, 7e8, 7.1e8));
const place = fact(fc.constantFrom('DE', 'EU', 'US', 'South Korea', 'UK', 'worldwide', 'Atlantis'));
const use: fc.Arbitrary<UseFacts> = fc.record({
  commercial: fact(fc.boolean()),
  domain: fact(
    fc.constantFrom(
      'customer support',
      'medical diagnosis',
      'finance',
      'military',
      'research',
      'qwertz',
      'public administration',
      'credit scoring',
      'face recognition',
      'power grid control',
      'nsfw',
    ),
  ),
  publish: fact(fc.boolean()),
  hosted: fact(fc.boolean()),
  modify: fact(fc.boolean()),
  region: place,
  principalPlaceOfBusiness: place,
  mauAtModelRelease: amount,
  mauNow: amount,
  annualRevenueUsd: amount,
  monthlyRevenueUsd: amount,
  outputsTrainOtherModel: fact(fc.boolean()),
  family: fact(fc.constantFrom('llama 2', 'llama 3', 'qwen', 'mine')),
  automatedDecision: fact(fc.boolean()),
  multimodal: fact(fc.boolean()),
  derivedName: fact(fc.constantFrom('Llama-3-x', 'Llama-x', 'EXAONE-x', 'x', ' ', 'LLAMA_3.1')),
  builtWithDisplayed: fact(fc.boolean()),
  licenseCopyIncluded: fact(fc.boolean()),
  noticesRetained: fact(fc.boolean()),
  changesStated: fact(fc.boolean()),
  passThroughTerms: fact(fc.boolean()),
  disclosesMachineGenerated: fact(fc.boolean()),
  writtenAuthorization: fact(fc.boolean()),
  validationStudy: fact(fc.constant('a study')),
});
const knownId = fc.constantFrom(...LICENCES.flatMap(({ id, aliases }) => [id, ...aliases]));
const strangeId = fc
  .oneof(
    fc.string(),
    fc.constantFrom(...NO_LICENCE, ...FAMILIES),
    knownId.map((id) => `${id}x`),
  )
  .filter((id) => findLicence(id) === undefined);
/** A model with up to three ancestors in a line, as its card and others tell it. */
const terms: fc.Arbitrary<ModelTerms> = fc
  .array(fc.array(fc.oneof({ weight: 9, arbitrary: knownId }, { weight: 1, arbitrary: strangeId }), { maxLength: 2 }), {
    minLength: 1,
    maxLength: 4,
  })
  .map(
    (line) =>
      line.reduceRight<ModelTerms | undefined>((above, ids) => {
        const parents = above === undefined ? [] : [{ model: 'org/base', terms: above }];
        return { ...declares(...ids), parents };
      }, undefined) ?? NO_TERMS,
  );
const severity = (of: ModelTerms, facts: UseFacts): number => SEVERITY[judge(of, facts).verdict];

/** With `false` the user refuses what Espalier does by itself when nothing is said: taking that back is no loss of knowledge. */
const REFUSALS: readonly (keyof UseFacts)[] = [
  'builtWithDisplayed',
  'licenseCopyIncluded',
  'noticesRetained',
  'changesStated',
];

describe('licence evaluator, whatever the case', () => {
  it('is never looser for one more parent, at any depth', () => {
    fc.assert(
      fc.property(terms, terms, use, (model, parent, facts) => {
        const more = { ...model, parents: [...model.parents, { model: 'org/other', terms: parent }] };
        ok(severity(more, facts) >= Math.max(severity(model, facts), severity({ ...parent, doubts: [] }, facts)));
        ok(severity({ ...declares('mit'), parents: [{ model: 'm', terms: more }] }, facts) >= severity(more, facts));
      }),
      RUNS,
    );
  });

  it('never allows what it does not know, wherever it stands', () => {
    fc.assert(
      fc.property(terms, strangeId, use, fc.boolean(), (model, id, facts, above) => {
        const strange = above
          ? { ...model, parents: [...model.parents, { model: 'm', terms: declares(id) }] }
          : { ...model, declared: [...model.declared, { id, by: 'the card' }] };
        ok(severity(strange, facts) > 0);
        ok(severity({ ...model, parents: [...model.parents, { model: 'm', terms: null }] }, facts) > 0);
      }),
      RUNS,
    );
  });

  it('never allows what it did not allow because a fact is dropped', () => {
    fc.assert(
      fc.property(terms, use, (model, facts) => {
        const before = severity(model, facts);
        for (const name of Object.keys(facts) as (keyof UseFacts)[]) {
          if (REFUSALS.includes(name) || before === 0) continue;
          ok(severity(model, { ...facts, [name]: undefined }) > 0, name);
        }
        // Of what is declared: the licence, or what is known of a parent.
        if (before === 0) return;
        ok(severity({ ...model, declared: [] }, facts) > 0);
        ok(severity({ ...model, parents: model.parents.map((one) => ({ ...one, terms: null })) }, facts) > 0);
      }),
      RUNS,
    );
  });

  it('allows nothing to which a reader of the terms would object', () => {
    const relation = fc.constantFrom(null, null, null, 'adapter', 'merge', 'quantized', 'finetune' as const);
    let allowed = 0;
    fc.assert(
      fc.property(terms, use, relation, fc.boolean(), (model, facts, made, gated) => {
        const asked = { ...model, relation: made, gated: gated && made !== null };
        if (severity(asked, facts) > 0) return;
        allowed += 1;
        deepEqual(objections(asked, facts), []);
      }),
      MANY,
    );
    ok(allowed > 0, 'some were allowed at all');
  });

  it('allows every licence in some use, or says which cannot be', () => {
    // The other way round: where a reader objects to nothing, the case is allowed.
    fc.assert(
      fc.property(knownId, use, (id, facts) => {
        if (objections(declares(id), facts).length === 0) equal(judge(declares(id), facts).verdict, 'allow');
      }),
      MANY,
    );
  });

  it('asks about every field of the intended use, in every licence that it matters to', () => {
    const asked = new Set<string>();
    const facts = Object.keys(UseFactsSchema.shape) as (keyof UseFacts)[];
    const values = [undefined, true, false, 1e12, 'EU', 'medical diagnosis', 'llama 2'];
    const stated = (id: string): UseFacts[] => [
      small(id),
      { ...small(id), commercial: false, outputsTrainOtherModel: true, validationStudy: 'a study' },
      { ...small(id), domain: 'credit scoring', mauNow: 1e12 },
      { ...small(id), builtWithDisplayed: false },
      { ...small(id), principalPlaceOfBusiness: 'DE' },
    ];
    for (const { id } of LICENCES) {
      for (const use of stated(id)) {
        const { verdict } = judge(id, use);
        for (const field of facts) {
          const possible = values.filter((value) => UseFactsSchema.shape[field].safeParse(value).success);
          if (possible.some((value) => judge(id, { ...use, [field]: value }).verdict !== verdict)) asked.add(field);
        }
      }
    }
    // A device is compared with the sizes of files, which a property of licences has none of.
    deepEqual(facts.filter((field) => !asked.has(field)).toSorted(), ['hardware']);
  });

  it('never allows what is too large for its device, or of unknown size', () => {
    const megabytes = fc.option(fc.integer({ min: 1, max: 4000 }), { nil: undefined });
    const hardware = fc.record({
      ramMb: megabytes,
      storageMb: megabytes,
      accelerator: fc.option(fc.record({ memoryMb: fc.integer({ min: 1, max: 4000 }) }), { nil: undefined }),
    });
    fc.assert(
      fc.property(hardware, fc.option(fc.integer({ min: 0, max: 5e9 })), (device, sizeBytes) => {
        const rooms = [device.ramMb, device.storageMb, device.accelerator?.memoryMb].filter((one) => one !== undefined);
        const fits = rooms.every((room) => sizeBytes !== null && sizeBytes <= room * 1e6);
        const asked = { terms: declares('mit'), use: { ...SERVICE, hardware: device as UseFacts['hardware'] } };
        equal(evaluate({ ...asked, sizeBytes, today: '2026-01-01' }).verdict === 'allow', fits);
      }),
      RUNS,
    );
  });

  it('never allows a conflict', () => {
    fc.assert(
      fc.property(knownId, knownId, use, (one, other, facts) => {
        const both = {
          ...NO_TERMS,
          declared: [
            { id: one, by: 'the card' },
            { id: other, by: 'its source' },
          ],
        };
        ok(findLicence(one) === findLicence(other) || severity(both, facts) > 0);
        ok(severity(both, facts) >= Math.max(severity(declares(one), facts), severity(declares(other), facts)));
      }),
      RUNS,
    );
  });

  it('is never looser under an organisation’s rules', () => {
    const rule = fc.record({
      id: fc.constant('r'),
      when: fc.record({
        use: fc.record(
          { commercial: fc.boolean(), domain: fc.constantFrom('finance', 'Customer Support') },
          { requiredKeys: [] },
        ),
      }),
      // oxlint-disable-next-line unicorn/no-thenable -- the word of the policy file
      then: fc.constantFrom('review', 'deny'),
      reason: fc.constant('because'),
      howToFix: fc.constant('ask'),
    });
    const level = fc.constantFrom('review', 'deny');
    const policy = fc.record(
      {
        version: fc.constant(1),
        defaults: fc.record({ unknownLicence: level, conflict: level, datasetNonCommercial: level }),
        allow: fc.record({ licences: fc.array(knownId, { minLength: 1, maxLength: 5 }) }),
        rules: fc.array(rule, { maxLength: 2 }),
      },
      { requiredKeys: ['version'] },
    );
    fc.assert(
      fc.property(policy, terms, use, (file, model, facts) => {
        const compiled = compilePolicy(PolicySchema.parse(file));
        ok(SEVERITY[judge(model, facts, compiled).verdict] >= severity(model, facts));
      }),
      RUNS,
    );
  });
});
