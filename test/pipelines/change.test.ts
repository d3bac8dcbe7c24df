import assert from 'node:assert/strict';
import {
  ImageClassificationSchema,
  TextClassificationSchema,
  TextGenerationSchema,
} from '../../pipelines/definition.ts';
import { changeableSection, settingAt, settingProblems, withSettings } from '../../pipelines/change.ts';

const definition = {
  name: 'sorter',
  intendedUse: { commercial: false, domain: 'support' },
  candidates: [{ id: 'tiny', model: 'hf:org/name' }],
  approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'owner' }] } },
  deploy: { model: 'sorter' },
} as const;
const pipeline = TextClassificationSchema.parse({
  ...definition,
  task: 'text-classification',
  data: { files: ['rows.csv'], text: 'text', label: 'label', licence: 'CC0-1.0', source: 'ours' },
});

describe('a setting changed while a run is under way', () => {
  it('is put at its path and nowhere else, and nothing is changed in place', () => {
    const before = structuredClone(pipeline);
    const changed = withSettings(pipeline, { 'training.lora.rank': 4, 'gates.accuracy.min': 0.7 });
    assert.equal(changed.training.lora.rank, 4);
    assert.equal(changed.training.lora.alpha, 16);
    assert.equal(changed.gates.accuracy.min, 0.7);
    assert.equal(changed.data, pipeline.data);
    assert.deepEqual(pipeline, before);
    assert.equal(settingAt(changed, 'training.lora.rank'), 4);
  });

  it('may be one that the definition leaves out', () => {
    assert.deepEqual(settingProblems(pipeline, { 'selection.maxLatencyP95Ms': 40 }), []);
    assert.equal(settingAt(pipeline, 'selection.maxLatencyP95Ms'), undefined);
    assert.equal(withSettings(pipeline, { 'selection.maxLatencyP95Ms': 40 }).selection.maxLatencyP95Ms, 40);
  });

  it('is not refused for a limit that the run has had since before the limit meant something else', () => {
    const generator = TextGenerationSchema.parse({
      ...definition,
      task: 'text-generation',
      data: { files: ['pairs.jsonl'], prompt: 'prompt', completion: 'completion', licence: 'CC0-1.0', source: 'ours' },
      guidelines: 'guidelines.yaml',
      gates: { domainShift: { max: 0.6 } },
    });
    assert.deepEqual(settingProblems(generator, { 'gates.adherence.min': 0.7 }), []);
    assert.equal(settingProblems(generator, { 'gates.domainShift.max': 0.7 })[0]?.path, 'gates.domainShift.max');
  });

  it('turns no attack on that the run did not plan', () => {
    const pictures = ImageClassificationSchema.parse({
      ...definition,
      task: 'image-classification',
      data: { files: ['pictures'], licence: 'CC0-1.0', source: 'ours' },
    });
    const [on, milder] = [{ 'gates.pgdRobustness.severity': 'fail' }, { 'gates.pgdRobustness.min': 0.2 }];
    assert.match(settingProblems(pictures, on)[0]?.message ?? '', /attack that this run did not plan/);
    const asked = {
      ...pictures,
      gates: { ...pictures.gates, fgsmRobustness: { min: 0.5, severity: 'fail' as const } },
    };
    assert.deepEqual([settingProblems(asked, on), settingProblems(asked, milder)], [[], []]);
    // Another attack is another step, and a graph may have been chosen for it.
    const squares = { 'gates.squareRobustness.severity': 'warn' };
    assert.match(settingProblems(asked, squares)[0]?.message ?? '', /attack that this run did not plan/);
    const bySquares = {
      ...pictures,
      gates: { ...pictures.gates, squareRobustness: { min: 0.5, severity: 'fail' as const } },
    };
    assert.deepEqual(settingProblems(bySquares, squares), []);
    assert.match(settingProblems(bySquares, on)[0]?.message ?? '', /attack that this run did not plan/);
  });

  it('takes another method only where candidates are measured and exported alike for it', () => {
    assert.deepEqual(settingProblems(pipeline, { 'training.method': 'lora' }), []);
    const [problem] = settingProblems(pipeline, { 'training.method': 'head' });
    assert.match(problem?.message ?? '', /measured and exported, which 'head' would need otherwise/);
    const head = { ...pipeline, training: { ...pipeline.training, method: 'head' as const } };
    assert.deepEqual(settingProblems(head, { 'training.method': 'head' }), []);
    assert.equal(settingProblems(head, { 'training.method': 'full' }).length, 1);
  });

  const refused: [string, unknown, RegExp][] = [
    ['training.learningRat', 1e-4, /is not a setting here .*learningRate/],
    ['training.learningRate', 'fast', /must be a number, got 'fast'/],
    ['training.learningRate', -1, /must be more than 0/],
    ['gates.accuracy.min', 85, /shares are written 0–1/],
    ['gates.latency.max', 85, /is not a setting here/],
    ['training.lora', { rank: 2 }, /is a group of settings/],
    ['training.seed', { value: 2 }, /is a group of settings/],
    ['selection.maxLength', 128, /unlike would be compared with unlike/],
    ['selection.windows', { overlap: 0.25, most: 4 }, /unlike would be compared with unlike/],
    ['selection.hardware.cores', 4, /unlike would be compared with unlike/],
    ['selection.windows.most', 4, /unlike would be compared with unlike/],
    ['training.search', { trials: 4 }, /planned when it begins/],
    ['training.search.trials', 4, /planned when it begins/],
    ['selection.prototype.seeds', 3, /planned when it begins/],
    ['data.onBadRow', 'drop', /cannot change while a run is under way/],
    ['name', 'other', /cannot change while a run is under way/],
    ['training', {}, /cannot change while a run is under way/],
    ['training.__proto__.seed', 1, /cannot change while a run is under way/],
    ['training.constructor.name', 'x', /is not a setting here/],
    ['trainingX.seed', 1, /cannot change while a run is under way/],
  ];
  for (const [path, value, reason] of refused) {
    it(`is refused with the reason: ${path} = ${JSON.stringify(value)}`, () => {
      const [problem] = settingProblems(pipeline, { [path]: value });
      assert.ok(problem, 'refused');
      assert.match(`${problem.message} ${problem.fix ?? ''}`, reason);
      assert.ok(path.startsWith(problem.path) || problem.path.startsWith(path), problem.path);
    });
  }

  it('belongs to one of three sections', () => {
    assert.deepEqual(
      ['training.seed', 'gates.accuracy.min', 'selection.tolerance', 'monitor.every', 'gates'].map(changeableSection),
      ['training', 'gates', 'selection', undefined, undefined],
    );
  });
});
