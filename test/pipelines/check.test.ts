import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkPipeline } from '../../pipelines/check.ts';
import { describeProblem } from '../../pipelines/explain.ts';
import type { PipelineDefinition } from '../../pipelines/definition.ts';

const GOOD: PipelineDefinition = {
  name: 'sorter',
  task: 'text-classification',
  data: { files: ['rows.csv'], text: 'text', label: 'label', licence: 'CC0-1.0', source: 'ours' },
  intendedUse: { commercial: false, domain: 'support' },
  candidates: [{ id: 'tiny', model: `hf:org/name@${'0'.repeat(40)}` }],
  approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'owner' }] } },
  deploy: { model: 'sorter' },
};

/** The good definition with some sections replaced, typed loosely: mistakes are the point. */
const withParts = (parts: Record<string, unknown>): unknown => ({ ...GOOD, ...parts });

function problemsOf(value: unknown, folder?: string): Record<string, string> {
  const checked = checkPipeline(value, folder === undefined ? {} : { folder });
  return checked.ok
    ? {}
    : Object.fromEntries(checked.problems.map((one) => [one.path, `${one.message} | ${one.fix ?? ''}`]));
}

describe('checkPipeline', () => {
  it('asks for one seed of a try, or for three and more', () => {
    const seeds = (count: number | string) => problemsOf(withParts({ selection: { prototype: { seeds: count } } }));
    assert.match(seeds(2)['selection.prototype.seeds'] ?? '', /two seeds hardly tell/);
    assert.match(seeds(10)['selection.prototype.seeds'] ?? '', /at most 9, got 10/);
    assert.match(seeds('many')['selection.prototype.seeds'] ?? '', /must be a number or 'by-rows', got 'many'/);
    assert.match(seeds(1.5)['selection.prototype.seeds'] ?? '', /must be a whole number or 'by-rows', got 1\.5/);
    for (const count of [1, 3, 9, 'by-rows']) assert.deepEqual(seeds(count), {});
  });

  it('resolves every default of a correct definition', () => {
    const checked = checkPipeline(GOOD);
    assert.ok(checked.ok && checked.pipeline.task === 'text-classification');
    assert.equal(checked.pipeline.training.schedule, 'linear');
    assert.equal(checked.pipeline.training.epochs, undefined, 'model and rows decide');
    assert.deepEqual(checked.pipeline.data.split, { train: 0.7, validation: 0.15, test: 0.15, seed: 7 });
    assert.equal(checked.pipeline.gates.accuracy.severity, 'fail');
    assert.deepEqual(
      checked.notes.map(({ message }) => message),
      ['comes from the Hugging Face hub: a run must be able to reach it'],
    );
  });

  it('takes an action on personal data for all kinds or kind by kind, and asks why consent is named without being the basis', () => {
    const data = (parts: object) => withParts({ data: { ...GOOD.data, ...parts } });
    assert.deepEqual(problemsOf(data({ onPersonalData: { email: 'redact', secret: 'fail' } })), {});
    assert.deepEqual(problemsOf(data({ legalBasis: 'consent', consent: 'form 7', retention: 'two years' })), {});
    assert.deepEqual(Object.keys(problemsOf(data({ onPersonalData: 'hide' }))), ['data.onPersonalData']);
    assert.ok(
      Object.keys(problemsOf(data({ onPersonalData: { name: 'redact' } })))
        .join()
        .includes('onPersonalData'),
    );
    assert.deepEqual(Object.keys(problemsOf(data({ consent: 'form 7' }))), ['data.consent']);
    const missing = problemsOf(data({ evaluationFiles: ['none.csv'], croissant: 'none.json' }), tmpdir());
    assert.ok(missing['data.evaluationFiles[0]'] !== undefined && missing['data.croissant'] !== undefined);
  });

  it('takes a search for settings with its defaults, and refuses one that has nothing to find', () => {
    const asked = (training: unknown) => withParts({ training });
    const checked = checkPipeline(asked({ search: {} }));
    assert.ok(checked.ok && checked.pipeline.task === 'text-classification');
    assert.deepEqual(checked.pipeline.training.search, { trials: 8, rungs: [0.1, 0.3, 1], seeds: 3, fewRows: 1000 });
    const named = { headLearningRate: 1e-3, batchSize: 8, epochs: 3, weightDecay: 0 };
    assert.deepEqual(problemsOf(asked({ search: {}, ...named })), {}, 'the rate is open');
    assert.match(
      problemsOf(asked({ search: {}, method: 'head', ...named }))['training.search'] ?? '',
      /has nothing to search: the definition names all of headLearningRate, .* or `search`/,
    );
    assert.deepEqual(problemsOf(asked({ method: 'head', ...named })), {});
    assert.deepEqual(
      Object.keys(problemsOf(asked({ search: { trials: 1, rungs: [0.5, 0.3], grid: true } }))).toSorted(),
      ['training.search.grid', 'training.search.rungs', 'training.search.trials'],
    );
  });

  it('reads long texts in windows where it is asked to, with an overlap and a bound that have defaults', () => {
    const asked = (windows: unknown) => checkPipeline(withParts({ selection: { windows } }));
    const read = asked({});
    assert.ok(read.ok && read.pipeline.task === 'text-classification');
    assert.deepEqual(read.pipeline.selection.windows, { overlap: 0.25, most: 8 });
    const plain = checkPipeline(GOOD);
    assert.ok(plain.ok && !('windows' in plain.pipeline.selection), 'long texts are cut where nothing is said');
    for (const windows of [{ overlap: 0.6 }, { most: 1 }, { most: 65 }, { size: 3 }, true]) {
      assert.ok(!asked(windows).ok, JSON.stringify(windows));
    }
  });

  it('names all mistakes at once, of the schema and between fields, in the order of the definition', () => {
    const checked = checkPipeline(
      withParts({
        name: 'Sorter!',
        data: { ...GOOD.data, split: { train: 0.7, validation: 0.3, test: 0.3 } },
        candidates: [
          { id: 'tiny', model: 'hf:org/name' },
          { id: 'tiny', model: 'pypi:thing' },
        ],
        training: { epochs: 2.5, epoch: 3, learningRate: '1e-4' },
        gates: { accuracy: { min: 85 }, latency: { max: 1 } },
        monitor: { minRows: 200, windowRows: 100 },
        approvals: { review: { seats: [{ role: 'legal' }, { role: 'legal' }] } },
        colour: 'green',
      }),
    );
    assert.ok(!checked.ok);
    assert.deepEqual(
      checked.problems.map((problem) => problem.path),
      [
        'colour',
        'name',
        'data.split',
        'candidates[1].id',
        'candidates[1].model',
        'training.epochs',
        'training.learningRate',
        'training.epoch',
        'gates.latency',
        'gates.accuracy.min',
        'approvals.release',
        'monitor.windowRows',
      ],
    );
  });

  it('lets nothing wait for longer than a year', () => {
    const waiting = (timeout: string) =>
      problemsOf(
        withParts({
          approvals: { review: { seats: [{ role: 'legal' }], timeout }, release: { seats: [{ role: 'owner' }] } },
        }),
      );
    assert.deepEqual(waiting('365d'), {});
    for (const timeout of ['366d', '8761h', '99999999999s']) {
      assert.match(
        waiting(timeout)['approvals.review.timeout'] ?? '',
        /longer than a year: write at most '365d'/,
        timeout,
      );
    }
    assert.match(waiting('a year')['approvals.review.timeout'] ?? '', /write a duration like/);
  });

  it('refuses a new run on drift that could only repeat the last one', () => {
    const drifting = (files: unknown) =>
      problemsOf(withParts({ data: { ...GOOD.data, files }, monitor: { onDrift: 'start-run' } }));
    assert.match(drifting(['rows.csv'])['monitor.onDrift'] ?? '', /same bytes again.*read anew by each run.*'report'/);
    assert.match(drifting({ train: ['a.csv'], test: ['b.csv'] })['monitor.onDrift'] ?? '', /same bytes again/);
    assert.deepEqual(drifting(['rows.csv', 's3://bucket/new.csv']), {});
    assert.deepEqual(drifting({ train: ['s3://bucket/new.csv'], test: ['b.csv'] }), {});
  });

  it('says what was expected and what was found in words', () => {
    const problems = problemsOf(
      withParts({
        task: 'text-clasification',
        training: { epochs: 0, method: 'lore', learningRate: '1e-4', dropout: 1.5, seed: Number.NaN },
        approvals: { review: { seats: [] }, release: { seats: [{ role: 'Owner' }], timeout: 'a week' } },
      }),
    );
    assert.deepEqual(problems, {
      task: "must be 'text-classification' or 'image-classification' or 'image-retrieval' or 'text-generation', got 'text-clasification' | did you mean 'text-classification'?",
      'training.method': "must be 'full' or 'lora' or 'head', got 'lore' | did you mean 'lora'?",
      'training.epochs': 'must be at least 1, got 0 | ',
      'training.learningRate': "must be a number, got '1e-4' | ",
      'training.dropout': 'must be at most 1, got 1.5 | ',
      'training.seed': 'must be a number, got NaN | ',
      'approvals.review.seats': 'must not be empty | ',
      'approvals.release.seats[0].role':
        "has a form that is not allowed: 'Owner' | write a role like 'legal' or 'product-owner'",
      'approvals.release.timeout':
        "has a form that is not allowed: 'a week' | write a duration like '30s', '15m', '6h' or '7d'",
    });
  });

  it('shows how a duration is written to who wrote a number, and which shares are not ascending', () => {
    const problems = problemsOf(
      withParts({
        budget: { time: 0 },
        training: { checkpoints: { every: 5 } },
        selection: { prototype: { rungs: [0.5, 0.2, 0.5] } },
      }),
    );
    const form = "write a duration like '30s', '15m', '6h' or '7d'";
    assert.deepEqual(problems, {
      'budget.time': `must be text, got 0 | ${form}`,
      'training.checkpoints.every': `must be 'auto' or text, got 5 | ${form}`,
      'selection.prototype.rungs':
        'must be shares of which each is larger than the one before, got [0.5, 0.2, 0.5]: write [0.2, 0.5] | ',
    });
  });

  it('suggests the setting that was meant, and lists the known ones when nothing is near', () => {
    const problems = problemsOf(
      withParts({
        training: { leaningRate: 1, lora: { ranks: 4 } },
        deploy: { model: 'm', xyzzy: 1 },
        data: { ...GOOD.data, files: { trian: ['a.csv'] } },
      }),
    );
    assert.match(problems['training.leaningRate'] ?? '', /did you mean 'learningRate'/);
    assert.match(problems['training.lora.ranks'] ?? '', /did you mean 'rank'/);
    assert.match(problems['deploy.xyzzy'] ?? '', /known here: model, channel, recordText/);
    assert.match(problems['data.files.trian'] ?? '', /did you mean 'train'/);
    assert.match(problems['data.files.train'] ?? '', /is missing \| add a list/);
  });

  it('refuses the name of the folder in which a bundle keeps an index, and no name like it', () => {
    const problems = problemsOf(withParts({ deploy: { model: 'index' } }));
    assert.match(problems['deploy.model'] ?? '', /is 'index', and a bundle keeps under that name .* \| choose another/);
    assert.equal(problemsOf(withParts({ deploy: { model: 'index-2' } }))['deploy.model'], undefined);
  });

  for (const value of [undefined, null, 7, 'text', [], () => 1]) {
    it(`refuses ${String(value) || '[]'} as a definition without throwing`, () => {
      const checked = checkPipeline(value);
      assert.ok(!checked.ok);
      assert.equal(checked.problems[0]?.path, '');
      assert.match(describeProblem(checked.problems[0]), /^the definition: (is missing|must be an object)/);
    });
  }

  it('judges data files by ending, scheme and repetition', () => {
    const problems = problemsOf(
      withParts({
        data: { ...GOOD.data, label: 'text', files: ['a.csv', 'a.csv', 'b.xlsx', 's3://B/x.csv', 'https://x/y.csv'] },
      }),
    );
    assert.match(problems['data.label'] ?? '', /same column as data.text/);
    assert.match(problems['data.files[1]'] ?? '', /again \(also data.files\[0\]\)/);
    assert.match(problems['data.files[2]'] ?? '', /cannot be told by its ending/);
    assert.match(problems['data.files[3]'] ?? '', /not an S3 object/);
    assert.match(problems['data.files[4]'] ?? '', /cannot be read from 'https:\/\/'/);
    assert.deepEqual(
      problemsOf(withParts({ data: { ...GOOD.data, format: 'csv', files: ['rows.txt', 's3://bucket/rows'] } })),
      {},
    );
  });

  it('takes data files of the hub and of wheels, and says which revision can move', () => {
    const files = [`hf:org/set@${'a'.repeat(40)}#data/a.csv`, 'hf:org/set#b.csv', 'pypi:name==1.0#pkg/c.csv'];
    const checked = checkPipeline(withParts({ data: { ...GOOD.data, files } }));
    assert.ok(checked.ok);
    const notes = checked.notes.filter(({ path }) => path.startsWith('data.files'));
    assert.deepEqual(
      notes.map(({ path }) => path),
      ['data.files[1]'],
    );
    assert.match(notes[0]?.message ?? '', /'main' can move/);
    const wrong = ['hf:org/set', 'hf:org/set#../a.csv', 'pypi:name#a.csv', 'hf:org/set@a b#a.csv', 'S3://bucket/a.csv'];
    const problems = problemsOf(withParts({ data: { ...GOOD.data, format: 'csv', files: wrong } }));
    assert.match(problems['data.files[0]'] ?? '', /names no file of a data set.*hf:ORG\/NAME@REVISION#FILE/s);
    assert.match(problems['data.files[1]'] ?? '', /names no file of a data set/);
    assert.match(problems['data.files[2]'] ?? '', /data source 'pypi:name#a\.csv'.*pypi:NAME==VERSION#FILE/s);
    assert.match(problems['data.files[3]'] ?? '', /is not a Hugging Face repository/);
    assert.match(problems['data.files[4]'] ?? '', /not an S3 object/);
  });

  it('wants a share or a file for each split', () => {
    const split = { train: 1, validation: 0, test: 0 };
    assert.deepEqual(Object.keys(problemsOf(withParts({ data: { ...GOOD.data, split } }))), [
      'data.split.validation',
      'data.split.test',
    ]);
    const files = { train: ['a.csv'], validation: ['b.csv'], test: ['c.csv'] };
    assert.deepEqual(problemsOf(withParts({ data: { ...GOOD.data, split, files } })), {});
  });

  it('accepts shares that add up to 1 in decimal though not in binary', () => {
    assert.deepEqual(
      problemsOf(withParts({ data: { ...GOOD.data, split: { train: 0.7, validation: 0.1, test: 0.2 } } })),
      {},
    );
  });

  it('notes a moving revision without refusing it', () => {
    const checked = checkPipeline(withParts({ candidates: [{ id: 'a', model: 'hf:org/name' }] }));
    assert.ok(checked.ok);
    assert.equal(checked.notes[0]?.path, 'candidates[0].model');
    assert.match(checked.notes[0].message, /'main' can move/);
  });

  describe('with the definition in a folder', () => {
    let folder: string;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'espalier-check-'));
      await writeFile(join(folder, 'rows.csv'), 'text,label\na,b\n');
      await writeFile(join(folder, 'empty.csv'), '');
      await mkdir(join(folder, 'model'));
      await writeFile(join(folder, 'model', 'config.json'), '{}');
    });
    after(() => rm(folder, { recursive: true }));

    it('looks for the local files and model folders that are named', () => {
      const candidates = [
        { id: 'a', model: './model' },
        { id: 'b', model: './nowhere' },
      ];
      const problems = problemsOf(
        withParts({
          candidates,
          data: { ...GOOD.data, files: ['rows.csv', 'empty.csv', 'gone.csv', 'model'], format: 'csv' },
        }),
        folder,
      );
      assert.match(problems['data.files[1]'] ?? '', /is empty/);
      assert.match(problems['data.files[2]'] ?? '', /there is no file 'gone.csv'/);
      assert.match(problems['data.files[3]'] ?? '', /is not a file/);
      assert.match(problems['candidates[0].model'] ?? '', /has no model.safetensors/);
      assert.match(problems['candidates[1].model'] ?? '', /there is no folder '.\/nowhere'/);
      assert.equal(Object.keys(problems).length, 5);
    });
  });
});
