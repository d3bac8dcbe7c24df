import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { settingProblems } from '../../pipelines/change.ts';
import { checkPipeline } from '../../pipelines/check.ts';
import { describeProblem } from '../../pipelines/explain.ts';
import { planRun } from '../../workflows/plan.ts';

const definition = {
  name: 'part-finder',
  task: 'image-retrieval',
  data: { files: ['pictures'], licence: 'CC0-1.0', source: 'ours' },
  intendedUse: { commercial: false, domain: 'sorting' },
  candidates: [{ id: 'resnet', model: 'hf:org/name' }],
  approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'owner' }] } },
  deploy: { model: 'parts' },
};

describe('a definition that finds pictures', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-retrieval-definition-'));
    await mkdir(join(folder, 'pictures'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const check = (change: object) => checkPipeline({ ...definition, ...change }, { folder });
  function problems(change: object): string {
    const checked = check(change);
    return checked.ok ? '' : checked.problems.map(describeProblem).join('\n');
  }

  it('trains nothing unless it says so, and looks at ten neighbours', () => {
    const checked = check({});
    ok(checked.ok, JSON.stringify(checked));
    const { pipeline } = checked;
    ok(pipeline.task === 'image-retrieval');
    deepEqual([pipeline.training, pipeline.retrieval], [null, { k: 10 }]);
    ok(!('prototype' in pipeline.selection) && 'recallAtK' in pipeline.gates && !('accuracy' in pipeline.gates));
    const tuned = check({ training: {} });
    ok(tuned.ok && tuned.pipeline.training?.method === 'full');
  });

  it('has a graph in which each step comes after what it needs, the index between export and evaluation', () => {
    const steps = planRun({ ...definition, task: 'image-retrieval', candidates: [] });
    const seen = new Set<string>();
    for (const { id, needs } of steps) {
      ok(
        needs.every((need) => seen.has(need)),
        id,
      );
      seen.add(id);
    }
    const ids = steps.map(({ id }) => id);
    deepEqual(ids.slice(ids.indexOf('train'), ids.indexOf('package')), [
      'train',
      'export',
      'index',
      'evaluate',
      'gates',
    ]);
    ok(!ids.some((id) => id.startsWith('prototype')));
  });

  it('attacks where a gate of it is named, and a graph only by questions', async () => {
    const gates = { pgdRobustness: { min: 0.3 } };
    const asked = check({ gates, attack: { epsilonLevels: 8 } });
    ok(asked.ok && asked.pipeline.task === 'image-retrieval');
    deepEqual(asked.pipeline.attack, { epsilonLevels: 8, steps: 10, queries: 1000, pictures: 200 });
    const needs = planRun(asked.pipeline).find(({ id }) => id === 'gates')?.needs;
    deepEqual(needs, ['attack']);
    const plain = check({});
    ok(plain.ok && check({ ...plain.pipeline }).ok, 'what was checked, with every default, can be checked again');
    match(problems({ attack: {} }), /attack: says how hard to attack, but no gate asks for an attack/);
    await mkdir(join(folder, 'frozen'));
    for (const file of ['model.onnx', 'preprocessor_config.json']) await writeFile(join(folder, 'frozen', file), '{}');
    const candidates = [{ id: 'graph', model: './frozen' }];
    match(problems({ candidates, gates }), /candidates\[0\]\.model: is a graph .*name gates\.squareRobustness/);
    deepEqual(problems({ candidates, gates: { squareRobustness: {} } }), '');
    const checked = check({});
    ok(checked.ok);
    match(
      settingProblems(checked.pipeline, { 'gates.squareRobustness.severity': 'fail' })[0]?.message ?? '',
      /did not plan/,
    );
  });

  const refused: [string, object, RegExp][] = [
    [
      'a head, which leaves the embeddings as they are',
      { training: { method: 'head' } },
      /training\.method: must be 'full' or 'lora', got 'head'/,
    ],
    ['a gate of classifiers', { gates: { accuracy: { min: 0.9 } } }, /gates\.accuracy: is not a setting here/],
    [
      'a threshold in percent',
      { gates: { recallAtK: { min: 90 } } },
      /gates\.recallAtK\.min: is 90, but what it bounds lies from 0 to 1/,
    ],
    ['no neighbours', { retrieval: { k: 0 } }, /retrieval\.k: must be at least 1, got 0/],
    [
      'trying candidates on parts of the data',
      { selection: { prototype: {} } },
      /selection\.prototype: is not a setting here/,
    ],
    [
      'groups',
      { data: { ...definition.data, groups: ['site'] } },
      /data\.groups: a model that finds pictures is not measured group by/,
    ],
    ['texts of predictions', { deploy: { model: 'parts', recordText: true } }, /pictures are not recorded/],
  ];
  for (const [what, change, message] of refused) {
    it(`refuses ${what}`, () => match(problems(change), message));
  }

  it('lets its own thresholds change on the way, within what they bound', () => {
    const checked = check({});
    ok(checked.ok);
    equal(settingProblems(checked.pipeline, { 'gates.recallAtK.min': 0.7 }).length, 0);
    equal(settingProblems(checked.pipeline, { 'gates.recallAtK.min': 7 }).length, 1);
    ok(settingProblems(checked.pipeline, { 'training.epochs': 3 }).length > 0, 'there is no training to change');
  });
});
