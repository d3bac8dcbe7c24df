import assert from 'node:assert/strict';
import { appendFile, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatasetSummary } from '../../activities/contract/data.ts';
import type { StepRecord } from '../../activities/step.ts';
import { STEPS_NOW } from '../../activities/index.ts';
import { digestJson } from '../../artifacts/digest.ts';
import { stepRecordKey } from '../../artifacts/step-records.ts';
import { countedRows, planOf, recordedIn, type EarlierRun, type Recorded } from '../../client/plan-run.ts';
import type { TextGeneration } from '../../pipelines/definition.ts';
import { packageRoot } from '../../pipelines/load.ts';
import { mostAnswers } from '../../pipelines/prompt-search.ts';
import { dataServices, prepare } from '../data/fixtures.ts';
import { generatorInput, pictureInput, ref, retrievalInput, runInput, type TextRun } from '../support/workflow.ts';

const all: Recorded = () => Promise.resolve('kept');
const none: Recorded = () => Promise.resolve('gone');

/** A run of `input` that finished every step, each within seven seconds. */
function finished(input = runInput()): EarlierRun {
  const ids = [
    'data',
    'resolve:one',
    'import:one',
    'export:one',
    'profile:one',
    'probe:one',
    'rank',
    'train',
    'evaluate',
    'gates',
  ];
  const startedAt = '2026-01-01T00:00:00.000Z';
  const finishedAt = '2026-01-01T00:00:07.000Z';
  const steps = ids.map((id) => ({ id, state: 'done' as const, key: digestJson(id), startedAt, finishedAt }));
  return { runId: 'before', input, steps };
}

function seeded(asked: { readonly seeds?: number; readonly fewRows?: number }): TextRun {
  const input = runInput();
  const { selection } = input.pipeline;
  const prototype = { ...selection.prototype, ...asked };
  return { ...input, pipeline: { ...input.pipeline, selection: { ...selection, prototype } } };
}

function budgeted(input: TextRun, budget: TextRun['pipeline']['budget']): TextRun {
  return { ...input, pipeline: { ...input.pipeline, budget } };
}

describe('the plan of a run before it begins', () => {
  it('has a stated time for every step where no run has shown one, and says so', async () => {
    const { steps, seconds } = await planOf(runInput(), [], all);
    assert.ok(steps.every(({ what, from }) => what === 'person' || from === 'stated'));
    assert.deepEqual(
      steps.filter(({ what }) => what === 'person').map(({ id }) => id),
      ['approve-review', 'approve-release'],
    );
    assert.equal(steps.find(({ id }) => id === 'train')?.queue, 'espalier-gpu');
    assert.equal(steps.find(({ id }) => id === 'prototype:two:2')?.what, 'maybe', 'half of the candidates get there');
    assert.ok(seconds > 100);
  });

  it('has each seed of a try, as what only few rows are for, and what it takes at most with them', async () => {
    const { steps, seconds, most } = await planOf(seeded({ seeds: 3 }), [], none);
    const tries = steps.filter(({ id }) => id.startsWith('prototype:one:2'));
    assert.deepEqual(
      tries.map(({ id, what, queue }) => [id, what, queue]),
      [
        ['prototype:one:2', 'run', 'espalier-gpu'],
        ['prototype:one:2:2', 'few-rows', 'espalier-gpu'],
        ['prototype:one:2:3', 'few-rows', 'espalier-gpu'],
      ],
    );
    assert.equal(tries[2]?.title, 'fine-tune one on 10 % of the training rows (64 at least), seed 3');
    assert.equal(steps.find(({ id }) => id === 'prototype:two:2:2')?.what, 'maybe', 'half of the candidates get there');
    const ofOne = await planOf(seeded({ seeds: 1 }), [], none);
    assert.equal(seconds, ofOne.seconds);
    // Both candidates on the first rung, one on the second, each twice more.
    assert.equal(most.seconds, seconds + 2 * (2 + 1) * 25);
    assert.equal(ofOne.most.seconds, ofOne.seconds, 'nothing hangs on the rows');
    assert.equal((await planOf(seeded({ fewRows: 0 }), [], none)).most.seconds, ofOne.seconds, 'no rows are few');
  });

  it('says that a run is over its budget where only its further seeds are, which the default has for few rows', async () => {
    const prices = { version: 1, currency: 'EUR', source: 'test', perHour: { 'espalier-gpu': 3600 } } as const;
    const { seconds, money, most } = await planOf(runInput(), [], none, prices);
    assert.equal((most.money ?? 0) - (money ?? 0), 150, 'six tries of 25 s');
    const budget = { time: `${seconds + 1}s`, money: (money ?? 0) + 1 };
    const { over } = await planOf(budgeted(runInput(), budget), [], none, prices);
    assert.equal(over.length, 2);
    assert.match(over[0] ?? '', /^up to \d+ s \(where the training rows are few\) until the training has ended/);
    assert.match(over[1] ?? '', /^up to \d+\.00 \(where the training rows are few\), and the budget is/);
    assert.deepEqual((await planOf(budgeted(seeded({ seeds: 1 }), budget), [], none, prices)).over, []);
    const tight = await planOf(budgeted(runInput(), { time: '1s' }), [], none);
    assert.match(tight.over[0] ?? '', /^about \d+ s, up to \d+ s \(where the training rows are few\) until/);
  });

  it('takes the training rows from an earlier run of the same data, and counts the seeds that they ask for', async () => {
    const unknown = await planOf(runInput(), [finished()], none);
    const few = await planOf(runInput(), [{ ...finished(), trainRows: 999 }], none);
    assert.deepEqual(few.trainRows, { rows: 999, from: 'before' });
    assert.equal(few.steps.find(({ id }) => id === 'prototype:one:2:3')?.what, 'run');
    assert.equal(few.seconds, unknown.most.seconds);
    assert.deepEqual(few.most, { seconds: few.seconds, money: null });
    const many = await planOf(runInput(), [{ ...finished(), trainRows: 1000 }], none);
    assert.ok(!many.steps.some(({ id }) => id.startsWith('prototype:') && id.split(':').length === 4));
    assert.deepEqual([many.seconds, many.most.seconds], [unknown.seconds, unknown.seconds]);
    const input = runInput();
    const data = { ...input.pipeline.data, text: 'other' };
    const others = { ...finished({ ...input, pipeline: { ...input.pipeline, data } }), trainRows: 1000 };
    const { trainRows, most } = await planOf(input, [others], none);
    assert.equal(trainRows, null, 'how many rows other data have says nothing');
    assert.equal(most.seconds, unknown.most.seconds);
  });

  it('leaves out what the definition has no work for, as the run does', async () => {
    const ids = async (input: typeof frozen) => (await planOf(input, [], none)).steps.map(({ id }) => id);
    const frozen = retrievalInput();
    const tuned = retrievalInput({ training: {} });
    const [found, foundTuned] = [await ids(frozen), await ids(tuned)];
    for (const id of ['privacy', 'train', 'export']) assert.ok(!found.includes(id), id);
    assert.ok(found.includes('index') && found.includes('export:one'));
    assert.deepEqual(
      foundTuned.filter((id) => !found.includes(id)),
      ['train', 'export'],
    );
    const { seconds } = await planOf(frozen, [], none);
    assert.equal((await planOf(tuned, [], none)).seconds, seconds + 120 + 20);
    const [whole, head] = [await ids(pictureInput()), await ids(pictureInput({ training: { method: 'head' } }))];
    const tries = whole.filter((id) => !head.includes(id));
    assert.ok(tries.length > 5 && tries.every((id) => /^(?:subset|prototype|halve|choose)/.test(id)), tries.join());
    assert.ok(head.includes('train') && (await ids(runInput())).includes('privacy'));
  });

  it('reckons a further seed like the first where no run had it', async () => {
    const before = finished();
    const tried = before.steps.filter(({ id }) => id === 'train').map((step) => ({ ...step, id: 'prototype:one:1' }));
    const { steps } = await planOf(runInput(), [{ ...before, steps: tried }], none);
    const third = steps.find(({ id }) => id === 'prototype:one:1:3');
    assert.deepEqual([third?.seconds, third?.from], [7, 'before']);
  });

  it("reads the rows in the record that a run's data step left", async () => {
    const services = await dataServices();
    const things = ['lamp', 'river', 'ticket', 'engine', 'garden', 'mirror', 'violin', 'harbour'];
    const verbs = ['broke', 'arrived', 'sings', 'vanished', 'glows'];
    const texts = things.flatMap((thing) => verbs.map((verb) => `the ${thing} ${verb}`));
    const rows = texts.map((text, at) => `${text},${at % 2 === 0 ? 'a' : 'b'}`);
    const output = await prepare(services, [{ path: 'a.csv', content: `text,label\n${rows.join('\n')}\n` }]);
    assert.ok(output.rows.train > 0 && output.rows.train < 40);
    const step = { id: 'data', state: 'reused', key: digestJson('data') } as const;
    const record: Pick<StepRecord<DatasetSummary>, 'output'> = { output };
    await services.pointers.create(stepRecordKey(step.key), record);
    assert.equal(await countedRows(services.pointers, [step]), output.rows.train);
    assert.equal(await countedRows(services.pointers, [{ ...step, key: digestJson('gone') }]), undefined);
    assert.equal(await countedRows(services.pointers, []), undefined);
  });

  it('knows what an earlier run of the same inputs has finished, and whose record is still there', async () => {
    const { steps } = await planOf(runInput(), [finished()], all);
    const of = (id: string) => steps.find((one) => one.id === id);
    assert.deepEqual([of('train')?.what, of('train')?.seconds, of('train')?.from], ['reuse', 0, 'before']);
    const gone = await planOf(runInput(), [finished()], none);
    assert.deepEqual(
      gone.steps.filter(({ id }) => id === 'train').map(({ what, seconds, from }) => [what, seconds, from]),
      [['run', 7, 'before']],
    );
  });

  it('takes as known only what a changed setting does not reach', async () => {
    const input = runInput();
    const changed = { ...input, pipeline: { ...input.pipeline, training: { ...input.pipeline.training, epochs: 9 } } };
    const { steps } = await planOf(changed, [finished()], all);
    const known = steps.filter(({ what }) => what === 'reuse').map(({ id }) => id);
    assert.ok(known.includes('probe:one') && known.includes('data'));
    assert.ok(!known.includes('train') && !known.includes('evaluate') && !known.includes('gates'));
    const other = { ...input, candidates: [{ id: 'one', model: 'local:other', optional: false }] } as typeof input;
    const again = await planOf(other, [finished()], all);
    assert.ok(!again.steps.some(({ id, what }) => id === 'export:one' && what === 'reuse'));
    assert.ok(again.steps.some(({ id, what }) => id === 'data' && what === 'reuse'));
  });

  it('runs again what other code has computed, and what stands on it', async () => {
    const of = async (outdated: string) => {
      const recorded: Recorded = (key) => Promise.resolve(key === digestJson(outdated) ? 'outdated' : 'kept');
      const { steps } = await planOf(runInput(), [finished()], recorded);
      return steps.filter(({ what }) => what === 'reuse').map(({ id }) => id);
    };
    const afterProbe = await of('probe:one');
    assert.ok(afterProbe.includes('data') && afterProbe.includes('profile:one'), afterProbe.join());
    for (const id of ['probe:one', 'rank', 'train', 'evaluate']) assert.ok(!afterProbe.includes(id), id);
    assert.ok(!(await of('data')).includes('probe:one'));
  });

  it('takes a record for outdated by the code that there is now, step by step', async () => {
    const { pointers } = await dataServices();
    const now = STEPS_NOW.get('selection.rank')?.version ?? 0;
    const standing = async (type: string, codeVersion: number) => {
      const key = digestJson([type, codeVersion]);
      const record = { version: 1, type, codeVersion, stepId: 'rank', key, output: {} };
      await pointers.create(stepRecordKey(key), record);
      return recordedIn(pointers, STEPS_NOW)(key);
    };
    assert.ok(now > 1);
    assert.equal(await standing('selection.rank', now), 'kept');
    assert.equal(await standing('selection.rank', now - 1), 'outdated');
    assert.equal(await standing('selection.no-more', 1), 'outdated');
    assert.equal(await recordedIn(pointers, STEPS_NOW)(digestJson('nowhere')), 'gone');
  });

  it('takes an evaluation for outdated once a built-in table that it asked by is another, wherever it ran', async () => {
    const { pointers } = await dataServices();
    const home = await mkdtemp(join(tmpdir(), 'espalier-plan-'));
    try {
      await cp(join(packageRoot(), 'pipelines'), join(home, 'pipelines'), { recursive: true });
      const elsewhere = new Map(
        [...STEPS_NOW].map(([type, { version, tables }]) => [
          type,
          { version, ...(tables === undefined ? {} : { tables: () => tables(home) }) },
        ]),
      );
      const asked = [
        ['validation.evaluate', 'corruptions.jsonl'],
        ['validation.evaluate', 'edits.jsonl'],
        ['retrieval.evaluate', 'corruptions.jsonl'],
        ['generation.evaluate', 'identity-sentences.jsonl'],
      ] as const;
      for (const [type, file] of asked) {
        const { version = 0, tables } = STEPS_NOW.get(type) ?? {};
        const key = digestJson([type, file]);
        const environment = { cpu: 'another', ...tables?.() };
        const record = { version: 1, type, codeVersion: version, stepId: 'evaluate', key, environment, output: {} };
        await pointers.create(stepRecordKey(key), record);
        assert.equal(await recordedIn(pointers, elsewhere)(key), 'kept', type);
        const path = join(home, 'pipelines', 'behaviour', 'built-in', file);
        const bytes = await readFile(path);
        await appendFile(path, '\n');
        assert.equal(await recordedIn(pointers, elsewhere)(key), 'outdated', `${type} by ${file}`);
        await writeFile(path, bytes);
      }
    } finally {
      await rm(home, { recursive: true });
    }
  });

  it('costs what the prices say, and says where it is over the budget', async () => {
    const prices = { version: 1, currency: 'EUR', source: 'test', perHour: { 'espalier-gpu': 3600 } } as const;
    const input = runInput();
    const budget = { time: '1s', money: 1 };
    const { over, money, currency } = await planOf(
      { ...input, pipeline: { ...input.pipeline, budget } },
      [],
      all,
      prices,
    );
    assert.equal(currency, 'EUR');
    assert.ok((money ?? 0) >= 120, 'a second of the gpu queue is one euro');
    assert.match(over.join(' '), /budget is 1s.*budget is 1/);
    const unpriced = await planOf({ ...input, pipeline: { ...input.pipeline, budget } }, [], all);
    assert.match(unpriced.over.join(' '), /ESPALIER_PRICES/);
  });

  it('counts the training of a generator and its search, and knows nothing of guidelines that say something else', async () => {
    const input = generatorInput();
    const startedAt = '2026-01-01T00:00:00.000Z';
    const steps = ['data', 'prompt:one', 'format', 'evaluate'].map((id) => ({
      id,
      state: 'done' as const,
      key: digestJson(id),
      startedAt,
      finishedAt: '2026-01-01T00:00:07.000Z',
    }));
    const before: EarlierRun = { runId: 'before', input, steps };
    const reused = async (now: typeof input) =>
      (await planOf(now, [before], all)).steps.filter(({ what }) => what === 'reuse').map(({ id }) => id);
    assert.deepEqual(await reused(input), ['data', 'prompt:one', 'format', 'evaluate']);
    assert.deepEqual(await reused({ ...input, guidelines: ref('others') }), ['data']);
    // Tables of behaviour tests are checked with the data, by the guidelines; from which share on it is enough the gates say.
    const table = { kind: 'invariance', file: 'a.jsonl', min: 0.5, severity: 'fail' } as const;
    const tabled = { ...input, pipeline: { ...input.pipeline, behaviour: { table } } };
    assert.deepEqual(await reused(tabled), []);
    const earlier: EarlierRun = { ...before, input: tabled };
    const reusedThen = async (now: typeof input) =>
      (await planOf(now, [earlier], all)).steps.filter(({ what }) => what === 'reuse').map(({ id }) => id);
    const stricter = { ...input.pipeline, behaviour: { table: { ...table, min: 0.9 } } };
    assert.deepEqual(await reusedThen({ ...tabled, pipeline: stricter }), ['data', 'prompt:one', 'format', 'evaluate']);
    assert.deepEqual(await reusedThen({ ...tabled, guidelines: ref('others') }), []);
    const pipeline = { ...input.pipeline, budget: { time: '4m' } };
    const plan = await planOf({ ...input, pipeline }, [], none);
    assert.match(plan.over.join(' '), /until the training has ended/);
    assert.equal(plan.steps.find(({ id }) => id === 'memorisation')?.queue, 'espalier-cpu');
    const { selection, generation } = input.pipeline as TextGeneration;
    assert.deepEqual(plan.search, { answers: mostAnswers(selection.prompts), tokens: generation.maxNewTokens });
    assert.equal((await planOf(runInput(), [], none)).search, null);
  });
});
