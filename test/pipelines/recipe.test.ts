import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { TextClassificationSchema } from '../../pipelines/definition.ts';
import { GeneratorTrainingSchema } from '../../pipelines/definition/generation.ts';
import { ImageTrainingSchema } from '../../pipelines/definition/images.ts';
import { TrainingSchema } from '../../pipelines/definition/training.ts';
import { IMAGE_FAMILIES, TEXT_FAMILIES } from '../../pipelines/families.ts';
import { completed, OPEN_SETTINGS, recommended, type RecipeFacts } from '../../pipelines/recipe.ts';

const BASE: RecipeFacts = { input: 'text', method: 'full', parameters: 110e6, trainRows: 8000 };
const of = (facts: Partial<RecipeFacts>) => completed(TrainingSchema.parse({}), { ...BASE, ...facts });

describe('the numbers of a training that a definition leaves open', () => {
  const figures: readonly (readonly [
    what: string,
    facts: Partial<RecipeFacts>,
    expected: Partial<ReturnType<typeof of>>,
  ])[] = [
    [
      'BERT-base on thousands of rows',
      {},
      { learningRate: 3e-5, epochs: 4, batchSize: 16, weightDecay: 0.01, warmupFraction: 0.1, headLearningRate: 1e-3 },
    ],
    [
      'a small encoder on few rows',
      { parameters: 22e6, trainRows: 600 },
      { learningRate: 1e-4, epochs: 10, batchSize: 16 },
    ],
    [
      'a miniature on hardly any',
      { parameters: 4e6, trainRows: 120 },
      { learningRate: 2e-4, epochs: 10, batchSize: 8 },
    ],
    [
      'a large encoder on many',
      { parameters: 335e6, trainRows: 500_000 },
      { learningRate: 1e-5, epochs: 2, batchSize: 32, warmupFraction: 0.06 },
    ],
    ['adapters of BERT-base', { method: 'lora' }, { learningRate: 3e-4, weightDecay: 0 }],
    ['adapters of a miniature, which have a ceiling', { method: 'lora', parameters: 4e6 }, { learningRate: 1e-3 }],
    ['a ResNet', { input: 'image', parameters: 11e6, trainRows: 2000 }, { learningRate: 1e-4, epochs: 6 }],
    [
      'an ALBERT, whose few weights move all its layers',
      { family: 'albert', parameters: 11.7e6 },
      { learningRate: 2e-5 },
    ],
    ['an ELECTRA-base', { family: 'electra' }, { learningRate: 5e-5 }],
    [
      'a DeBERTa-v3-small, whose words make it look large',
      { family: 'deberta-v2', parameters: 141e6 },
      { learningRate: 4.5e-5 },
    ],
    ['a DeBERTa-v3-base', { family: 'deberta-v2', parameters: 184e6 }, { learningRate: 2e-5 }],
    ['an XLM-RoBERTa-base, likewise', { family: 'xlm-roberta', parameters: 278e6 }, { learningRate: 2e-5 }],
    ['a DistilBERT', { family: 'distilbert', parameters: 66e6 }, { learningRate: 5e-5 }],
    ['a BERT, by its size alone', { family: 'bert' }, { learningRate: 3e-5 }],
    ['adapters of an ELECTRA-base', { family: 'electra', method: 'lora' }, { learningRate: 5e-4 }],
    ['a ViT-S', { input: 'image', family: 'vit', parameters: 22e6 }, { learningRate: 5e-5, weightDecay: 0.01 }],
    [
      'a ResNet-50',
      { input: 'image', family: 'resnet', parameters: 23.5e6 },
      { learningRate: 1e-4, weightDecay: 0.01 },
    ],
    ['a ConvNeXt-T', { input: 'image', family: 'convnext', parameters: 28e6 }, { learningRate: 5e-5, weightDecay: 0 }],
    ['a large vision model', { input: 'image', parameters: 86e6 }, { learningRate: 3e-5 }],
  ];
  for (const [what, facts, expected] of figures) {
    it(`are those of ${what}`, () => {
      const found = of(facts);
      for (const [name, value] of Object.entries(expected))
        assert.equal(found[name as keyof typeof found], value, name);
    });
  }

  it('are faster ones where a miniature tuned whole has few rows for each of many labels, and nowhere else', () => {
    const scarce = { family: 'bert', parameters: 1.9e6, trainRows: 1200, labels: 77 };
    const [hastened, usual] = [of(scarce), of({ ...scarce, labels: undefined })];
    assert.deepEqual([hastened.learningRate, hastened.headLearningRate], [8e-4, 3e-3]);
    assert.deepEqual({ ...hastened, learningRate: 2e-4, headLearningRate: 1e-3 }, usual);
    const reasons = recommended({}, { ...BASE, ...scarce }).filter(({ path }) => path.endsWith('earningRate'));
    for (const { reason } of reasons) assert.match(reason, /^77 labels of some 16 rows each: \d times what would be /);
    for (const other of [
      { labels: 6 },
      { labels: 49 },
      { trainRows: 77 * 30 },
      { parameters: 22e6 },
      { method: 'lora' as const },
      { input: 'image' as const },
      { family: 'albert', parameters: 11.1e6 },
      { family: 'electra', parameters: 13.5e6 },
      // Of a run that was under way before families were told: people may have approved its rates.
      { family: undefined },
    ]) {
      const facts = { ...scarce, ...other };
      assert.deepEqual(of(facts), of({ ...facts, labels: undefined }), JSON.stringify(other));
    }
  });

  it('never touch what the definition names, and give no reason for it', () => {
    const asked = TrainingSchema.parse({ epochs: 1, learningRate: 0.5, warmupFraction: 0 });
    assert.deepEqual({ ...completed(asked, BASE), ...asked }, completed(asked, BASE));
    const paths = recommended(asked, BASE).map(({ path }) => path);
    assert.deepEqual(paths, ['training.batchSize', 'training.headLearningRate', 'training.weightDecay']);
    const named = completed(asked, BASE);
    assert.deepEqual(recommended(named, BASE), []);
    assert.deepEqual(completed(named, { ...BASE, trainRows: 3, parameters: 1 }), named, 'completed once, it stays');
  });

  it('are numbers that the schema takes, each with a reason that names what decided', () => {
    const facts = fc.record({
      input: fc.constantFrom('text' as const, 'image' as const),
      method: fc.constantFrom('full' as const, 'lora' as const, 'head' as const),
      family: fc.option(fc.constantFrom(...TEXT_FAMILIES, ...IMAGE_FAMILIES), { nil: undefined }),
      labels: fc.option(fc.integer({ min: 1, max: 5000 }), { nil: undefined }),
      parameters: fc.nat(2 ** 31 - 1),
      trainRows: fc.nat(5_000_000),
    });
    fc.assert(
      fc.property(facts, (known) => {
        const schema = known.input === 'text' ? TrainingSchema : ImageTrainingSchema;
        const found = completed(schema.parse({ method: known.method }), known);
        assert.deepEqual(schema.parse(found), found);
        const reasons = recommended({}, known);
        assert.deepEqual(
          reasons.map(({ path }) => path),
          OPEN_SETTINGS.map((name) => `training.${name}`),
        );
        for (const { reason } of reasons) assert.match(reason, /\w{3}/);
        const [rate] = reasons.filter(({ path }) => path === 'training.learningRate');
        // The rate of what is not tuned claims nothing of tuning.
        assert.equal(/nothing learns at this rate/.test(rate?.reason ?? ''), known.method === 'head');
        assert.match(reasons[0]?.reason ?? '', new RegExp(`^${known.trainRows} training rows: `));
      }),
    );
  });

  it('never rise with the size of the model, nor their passes with the rows', () => {
    fc.assert(
      fc.property(
        fc.nat(10 ** 9),
        fc.nat(10 ** 9),
        fc.constantFrom(undefined, ...TEXT_FAMILIES),
        (one, other, family) => {
          const [less, more] = [Math.min(one, other), Math.max(one, other)];
          assert.ok(of({ family, parameters: more }).learningRate <= of({ family, parameters: less }).learningRate);
          assert.ok(of({ trainRows: more }).epochs <= of({ trainRows: less }).epochs);
        },
      ),
    );
  });

  it("are a language model's by its method, size and good answers, without a head's rate", () => {
    const figures = [
      ['full', 124e6, 1159, 5e-5, 4, 16],
      ['lora', 124e6, 1159, 2e-4, 5, 16],
      ['lora', 4e6, 200, 1e-3, 10, 8],
      ['full', 7e9, 100_000, 2e-5, 2, 32],
      ['lora', 70e9, 30_000, 1e-4, 3, 32],
    ] as const;
    for (const [method, parameters, trainRows, learningRate, epochs, batchSize] of figures) {
      const known: RecipeFacts = { input: 'answer', method, parameters, trainRows };
      const asked = GeneratorTrainingSchema.parse({ method });
      const rows = recommended(asked, known);
      const named = { ...asked, ...Object.fromEntries(rows.map(({ path, value }) => [path.slice(9), value])) };
      assert.deepEqual(GeneratorTrainingSchema.parse(named), named, 'the schema takes them');
      assert.deepEqual([named.learningRate, named.epochs, named.batchSize], [learningRate, epochs, batchSize]);
      assert.match(rows[0]?.reason ?? '', new RegExp(`^${trainRows} good answers: `));
      assert.equal(completed(asked, known).headLearningRate, learningRate, 'there is one rate');
      assert.deepEqual(recommended(GeneratorTrainingSchema.parse(named), known), [], 'what is named stays');
    }
  });

  it('are left open by a definition that names none', () => {
    const { training } = TextClassificationSchema.shape;
    const parsed = training.parse({});
    for (const name of OPEN_SETTINGS) assert.equal(parsed[name], undefined, name);
  });
});
