import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkPipeline } from '../../pipelines/check.ts';
import { describeProblem } from '../../pipelines/explain.ts';
import { planRun } from '../../workflows/plan.ts';

const definition = {
  name: 'parts',
  task: 'image-classification',
  data: { files: ['pictures'], licence: 'CC0-1.0', source: 'ours' },
  intendedUse: { commercial: false, domain: 'sorting' },
  candidates: [{ id: 'resnet', model: 'hf:org/name' }],
  approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'owner' }] } },
  deploy: { model: 'parts' },
};

describe('a definition of pictures', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-picture-definition-'));
    await mkdir(join(folder, 'pictures'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  function problems(change: object): string {
    const checked = checkPipeline({ ...definition, ...change }, { folder });
    return checked.ok ? '' : checked.problems.map(describeProblem).join('\n');
  }

  it('is whole without what only texts have, and its gates are those that pictures can be measured by', () => {
    const checked = checkPipeline(definition, { folder });
    ok(checked.ok, JSON.stringify(checked));
    const { pipeline } = checked;
    ok(pipeline.task === 'image-classification');
    equal(pipeline.training.augmentation, null);
    ok(!('maxLength' in pipeline.selection) && !('pooling' in (pipeline.candidates[0] ?? {})));
    ok('accuracy' in pipeline.gates && !('noiseFlips' in pipeline.gates) && !('identityFlips' in pipeline.gates));
    const { gates } = planRun(pipeline).reduce(
      (seen, { id, needs }) => (needs.every((need) => need in seen) ? { ...seen, [id]: true } : seen),
      {} as Record<string, boolean>,
    );
    equal(gates, true);
  });

  const refused: [string, object, RegExp][] = [
    ['a gate of words', { gates: { noiseFlips: { max: 0.1 } } }, /gates\.noiseFlips: is not a setting here/],
    ['a length in tokens', { selection: { maxLength: 64 } }, /selection\.maxLength: is not a setting here/],
    ['pooling', { candidates: [{ id: 'a', model: 'hf:o/n', pooling: 'cls' }] }, /candidates\[0\]\.pooling: is not/],
    ['a folder that is not there', { data: { ...definition.data, files: ['nowhere'] } }, /there is no 'nowhere'/],
    ['the text of predictions', { deploy: { model: 'parts', recordText: true } }, /pictures are not recorded/],
    [
      'a crop of nothing',
      { training: { augmentation: { minimumCropArea: 0 } } },
      /minimumCropArea: must be more than 0/,
    ],
    [
      'consent without its basis',
      { data: { ...definition.data, consent: 'asked' } },
      /data\.consent: is given, but data\.legalBasis is missing/,
    ],
    [
      'a description that is not there',
      { data: { ...definition.data, croissant: 'about.json' } },
      /data\.croissant: there is no file 'about\.json'/,
    ],
    [
      'drift that trains on the same bytes again',
      { monitor: { onDrift: 'start-run' } },
      /monitor\.onDrift: 'start-run' would train on the same bytes again/,
    ],
  ];
  for (const [what, change, message] of refused) {
    it(`refuses ${what}`, () => match(problems(change), message));
  }

  it('attacks where a gate of it is named, and not a graph, which has no gradients', async () => {
    const gates = { pgdRobustness: { min: 0.3 } };
    const plain = checkPipeline(definition, { folder });
    const asked = checkPipeline({ ...definition, gates, attack: { epsilonLevels: 8, steps: 20 } }, { folder });
    ok(plain.ok && asked.ok && asked.pipeline.task === 'image-classification');
    deepEqual(asked.pipeline.attack, { epsilonLevels: 8, steps: 20, queries: 1000, pictures: 200 });
    ok(!planRun(plain.pipeline).some(({ id }) => id === 'attack'));
    const plan = planRun(asked.pipeline);
    deepEqual(
      ['attack', 'gates'].map((step) => plan.find(({ id }) => id === step)?.needs),
      [['evaluate'], ['attack']],
    );
    match(problems({ attack: { steps: 5 } }), /attack: says how hard to attack, but no gate asks for an attack/);
    match(
      problems({ gates: { pgdRobustness: { severity: 'off' } }, attack: {} }),
      /attack: says how hard to attack, but no gate asks/,
    );
    match(problems({ gates, attack: { epsilonLevels: 0 } }), /attack\.epsilonLevels: must be more than 0/);
    match(
      problems({ gates, attack: { epsilonLevels: 8, steps: 5, stepLevels: 1 } }),
      /attack\.stepLevels: .*do not reach/,
    );
    match(problems({ gates: { pgdRobustness: { min: 30 } } }), /gates\.pgdRobustness\.min: is 30/);

    await mkdir(join(folder, 'frozen'));
    for (const file of ['model.onnx', 'preprocessor_config.json']) await writeFile(join(folder, 'frozen', file), '{}');
    const candidates = [{ id: 'graph', model: './frozen' }];
    match(
      problems({ candidates, gates }),
      /candidates\[0\]\.model: is a graph .* no gradients to attack by.*name gates\.squareRobustness/,
    );
    deepEqual(problems({ candidates, gates: { squareRobustness: {} }, attack: { queries: 100 } }), '');
    await writeFile(join(folder, 'frozen', 'model.safetensors'), 'weights');
    await writeFile(join(folder, 'frozen', 'config.json'), '{}');
    deepEqual(problems({ candidates, gates }), '');
  });

  it('attacks without gradients where that gate is named, after an attack through them where both are', () => {
    const needs = (gates: object) => {
      const checked = checkPipeline({ ...definition, gates }, { folder });
      ok(checked.ok);
      const plan = planRun(checked.pipeline);
      return ['attack', 'square-attack', 'gates'].map((step) => plan.find(({ id }) => id === step)?.needs);
    };
    deepEqual(needs({ squareRobustness: {} }), [undefined, ['evaluate'], ['square-attack']]);
    deepEqual(needs({ squareRobustness: {}, fgsmRobustness: {} }), [['evaluate'], ['attack'], ['square-attack']]);
    match(
      problems({ gates: { squareRobustness: {} }, attack: { pictures: 1000, queries: 400 } }),
      /attack\.pictures: times queries must be at most 300000/,
    );
  });

  it('asks a thousand times about a picture, less often about more pictures, and takes back what was filled in before', () => {
    const queries = (attack: object) => {
      const checked = checkPipeline({ ...definition, gates: { squareRobustness: {} }, attack }, { folder });
      ok(checked.ok && checked.pipeline.task === 'image-classification');
      return checked.pipeline.attack.queries;
    };
    deepEqual(
      [{}, { pictures: 300 }, { pictures: 400 }, { pictures: 1000 }, { pictures: 400, queries: 20 }].map(queries),
      [1000, 1000, 750, 300, 20],
    );
    const plain = checkPipeline(definition, { folder });
    ok(plain.ok && plain.pipeline.task === 'image-classification');
    const { attack } = plain.pipeline;
    deepEqual([problems({ attack }), problems({ attack: { ...attack, queries: 300 } })], ['', '']);
    match(problems({ attack: { ...attack, queries: 299 } }), /no gate asks for an attack/);
  });

  it('takes a local graph without weights, but not without the way to prepare a picture', async () => {
    const candidates = [{ id: 'graph', model: './graph' }];
    await mkdir(join(folder, 'graph'));
    await writeFile(join(folder, 'graph', 'model.onnx'), 'graph');
    match(problems({ candidates }), /has no preprocessor_config\.json/);
    await writeFile(join(folder, 'graph', 'preprocessor_config.json'), '{}');
    deepEqual(problems({ candidates }), '');
  });
});
