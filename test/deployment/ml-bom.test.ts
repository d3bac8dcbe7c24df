import { deepEqual, equal, match, notEqual, ok, rejects } from 'node:assert/strict';
import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
import type { PackageModelInput } from '../../activities/contract/deployment.ts';
import { requireValidBom } from '../../activities/deployment/bom-schema.ts';
import { classifierBom } from '../../activities/deployment/ml-bom.ts';
import { packageModel } from '../../activities/deployment/package-model.ts';
import type { ActivityServices } from '../../activities/step.ts';
import type { EspalierError } from '../../artifacts/errors.ts';
import { runStep } from '../support/step.ts';
import { packageInput, withServices, type BundleOptions } from '../support/bundle.ts';

interface Component {
  readonly name: string;
  readonly version: string;
  readonly licenses?: readonly { readonly license: Readonly<Record<string, string>> }[];
  readonly components: readonly { readonly name: string; readonly hashes: readonly { readonly content: string }[] }[];
  readonly properties: readonly { readonly name: string; readonly value: string }[];
}
interface Bom {
  readonly serialNumber: string;
  readonly components: readonly Component[];
  readonly metadata: {
    readonly component: Component & {
      readonly pedigree: { readonly ancestors: readonly Component[] };
      readonly modelCard: {
        readonly quantitativeAnalysis: { readonly performanceMetrics: readonly Readonly<Record<string, unknown>>[] };
        readonly considerations: {
          readonly technicalLimitations: readonly string[];
          readonly useCases: readonly string[];
          readonly ethicalConsiderations: readonly { readonly name: string; readonly mitigationStrategy: string }[];
          readonly fairnessAssessments: readonly Readonly<Record<string, string>>[];
          readonly environmentalConsiderations?: unknown;
        };
      };
    };
  };
}

/** The document with one thing in it left out, made a number, made empty, or added: one at a time, everywhere. */
function* changesOf(value: unknown): Generator<{ readonly path: string; readonly changed: string }> {
  for (const path of pathsOf(value)) {
    for (const change of ['gone', 7, '', 'not one: <x>', { more: true }] as const) {
      const copy = structuredClone(value) as Record<string, unknown>;
      const last = path.at(-1) ?? '';
      const holder = path.slice(0, -1).reduce((at, key) => at[key] as Record<string, unknown>, copy);
      if (change === 'gone') delete holder[last];
      else holder[last] = change;
      const changed = JSON.stringify(copy, (_, part: unknown) =>
        Array.isArray(part) ? part.filter(() => true) : part,
      );
      yield { path: `${path.join('/')} ${JSON.stringify(change)}`, changed };
    }
  }
}

/** Of every list the first part stands for all. */
function pathsOf(value: unknown, at: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [];
  const keys = Array.isArray(value) ? Object.keys(value).slice(0, 1) : Object.keys(value);
  return keys.flatMap((key) => {
    const path = [...at, key];
    return [path, ...pathsOf((value as Record<string, unknown>)[key], path)];
  });
}

describe('the bill of materials', () => {
  let services: ActivityServices;
  before(async () => {
    services = await withServices();
  });

  async function bomOf(
    options: BundleOptions = {},
    change = (input: PackageModelInput) => input,
  ): Promise<{ readonly text: string; readonly bom: Bom; readonly input: PackageModelInput }> {
    const input = change(await packageInput(services, options));
    const [classifier, dataset, base] = await Promise.all(
      [input.classifier, input.dataset.dataset, input.baseModel.model].map((tree) => services.store.tree(tree)),
    );
    if (!classifier || !dataset || !base) throw new Error('a tree is missing');
    const text = classifierBom(input, 'text', { served: classifier, dataset, base });
    return { text, bom: JSON.parse(text) as Bom, input };
  }

  const licence = (declared: string | null, spdx: string | null): BundleOptions => ({
    base: {
      licence: {
        verdict: 'review',
        declared,
        spdx,
        reasons: [],
        howToFix: [],
        policyDigest: `sha256:${'0'.repeat(64)}`,
      },
    },
  });
  const cases: readonly (readonly [string, BundleOptions])[] = [
    ['a declared and concluded licence', {}],
    ['no licence at all', licence(null, null)],
    ['a licence that SPDX does not list', licence('my-licence', 'LicenseRef-my-licence')],
    ['labels and names that no format foresaw', { labels: ['a "quoted" <b>', 'ünïcode\n'] }],
  ];
  for (const [what, options] of cases) {
    it(`is CycloneDX 1.6 to the strict schema, with ${what}`, async () => {
      const { text } = await bomOf(options);
      const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
      equal(await validator.validate(text), null);
      const broken = text.replace('"machine-learning-model"', '"learned-machine"');
      notEqual(await validator.validate(broken), null, 'the validator does validate');
    });
  }

  it('is judged at packaging as the strict schema judges it, whatever is changed in it', async () => {
    const { text } = await bomOf();
    requireValidBom(text, 'bom.cdx.json');
    const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
    const refusal = (changed: string): string | undefined => {
      try {
        requireValidBom(changed, 'bom.cdx.json');
        return undefined;
      } catch (error) {
        return (error as EspalierError).where;
      }
    };
    const verdicts = { valid: 0, invalid: 0 };
    for (const { path, changed } of changesOf(JSON.parse(text))) {
      const theirs = (await validator.validate(changed)) === null;
      const where = refusal(changed);
      equal(where === undefined, theirs, `${path} in ${where}`);
      verdicts[theirs ? 'valid' : 'invalid'] += 1;
    }
    ok(verdicts.valid > 20 && verdicts.invalid > 50, JSON.stringify(verdicts));
    equal(
      refusal(text.replace('"machine-learning-model"', '"learned-machine"')),
      'bom.cdx.json#/metadata/component/pedigree/ancestors/0/type',
    );
  });

  it('fails the packaging with the path of what is not valid', async () => {
    const input = await packageInput(services);
    const pipeline = { ...input.pipeline, description: ['a list'] as unknown as string };
    await rejects(runStep(packageModel, { ...input, pipeline }, services), {
      kind: 'BadData',
      message: /^bom\.cdx\.json is not CycloneDX 1\.6: \/metadata\/component\/description must be string$/,
    });
  });

  it('names the model, the base model as its ancestor, the data, and every file by its hash', async () => {
    const { bom, input } = await bomOf();
    const { component } = bom.metadata;
    equal(component.name, input.model);
    deepEqual(
      component.components.map(({ name }) => name),
      ['classifier.json', 'model.onnx', 'tokenizer.json'].map((file) => `${input.model}/1/${file}`),
    );
    const { entries } = await services.store.tree(input.classifier);
    deepEqual(
      component.components.map(({ hashes }) => `sha256:${hashes[0]?.content}`),
      entries.map(({ digest }) => digest),
    );
    const [base] = component.pedigree.ancestors;
    deepEqual([base?.name, base?.version], [input.base.source, input.base.revision]);
    deepEqual(
      base?.licenses?.map(({ license }) => [license['id'] ?? license['name'], license['acknowledgement']]),
      [
        ['apache-2.0', 'declared'],
        ['Apache-2.0', 'concluded'],
      ],
    );
    const [data] = bom.components;
    deepEqual(
      data?.components.map(({ name }) => name),
      ['dataset/test.jsonl', 'dataset/train.jsonl', 'dataset/validation.jsonl'],
    );
    const property = (of: Component | undefined, name: string) =>
      of?.properties.find((one) => one.name === `espalier:${name}`)?.value;
    equal(property(data, 'tree'), input.dataset.dataset.digest);
    equal(property(component, 'training:seed'), String(input.pipeline.training.seed));
  });

  it('gives every measure with its interval, and none that was not taken', async () => {
    const { bom } = await bomOf({}, (input) => ({
      ...input,
      evaluation: {
        ...input.evaluation,
        measures: {
          ...input.evaluation.measures,
          macroF1: { value: null, interval: null, rows: 24 },
        },
      },
    }));
    const metrics = bom.metadata.component.modelCard.quantitativeAnalysis.performanceMetrics;
    const of = (type: string) => metrics.filter((metric) => metric['type'] === type);
    deepEqual(of('accuracy'), [
      {
        type: 'accuracy',
        value: '0.9',
        slice: 'test split, 24 rows',
        confidenceInterval: { lowerBound: '0.85', upperBound: '0.9500000000000001' },
      },
    ]);
    deepEqual(of('macroF1'), []);
    match(bom.metadata.component.modelCard.considerations.technicalLimitations[0] ?? '', /decisions about people/);
  });

  it('concludes the most restrictive licence of all that apply, and nothing while one is unknown', async () => {
    const of = async (declaredName: string, concluded: string | null) => {
      const licence = { ...decision, declared: declaredName, concluded };
      const { bom } = await bomOf({ base: { licence } });
      return bom.metadata.component.licenses?.map(({ license }) => license['id'] ?? license['name']);
    };
    const decision = {
      verdict: 'review',
      spdx: 'MIT',
      reasons: [],
      howToFix: [],
      policyDigest: `sha256:${'0'.repeat(64)}`,
    } as const;
    deepEqual(await of('mit', 'llama3.1'), ['llama3.1']);
    deepEqual(await of('mit', 'mit'), ['MIT']);
    deepEqual(await of('mit', null), []);
  });

  it('says what is on record of risks and fairness, and nothing that was not measured', async () => {
    const { bom, input } = await bomOf({}, (given) => ({
      ...given,
      dataset: { ...given.dataset, personalData: { rowsDropped: 3, rowsRedacted: 12, values: {} } },
    }));
    const { considerations } = bom.metadata.component.modelCard;
    match(considerations.useCases[0] ?? '', new RegExp(input.pipeline.intendedUse.domain));
    match(considerations.ethicalConsiderations[0]?.mitigationStrategy ?? '', /3 rows were left out and 12 redacted/);
    match(considerations.fairnessAssessments[0]?.['groupAtRisk'] ?? '', /^not assessed/);
    match(considerations.fairnessAssessments[0]?.['harms'] ?? '', /F1 0\.9 on 12 rows/);
    equal(considerations.environmentalConsiderations, undefined, 'no energy was measured');
  });

  it('is the same for the same model, with a serial number of its content', async () => {
    const [first, again, other] = [await bomOf(), await bomOf(), await bomOf({ labels: ['gerade', 'ungerade'] })];
    equal(again.text, first.text);
    match(first.bom.serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    notEqual(other.bom.serialNumber, first.bom.serialNumber);
  });
});
