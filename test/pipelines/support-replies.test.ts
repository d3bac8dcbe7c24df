import { deepEqual, equal, ok } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { folded, holds } from '../../activities/generation/guidelines/text.ts';
import { judgeBy } from '../../activities/generation/judge.ts';
import { wilsonInterval } from '../../activities/validation/statistics.ts';
import { readPromptTable } from '../../pipelines/behaviour/prompt-table.ts';
import { checkPipeline } from '../../pipelines/check.ts';
import { readGuidelines } from '../../pipelines/guidelines/guidelines.ts';
import { loadPipeline } from '../../pipelines/load.ts';

describe('the shipped pipeline support-replies', () => {
  it('is a correct definition whose every good answer keeps its own guidelines', async () => {
    const { value, folder } = await loadPipeline('support-replies');
    const checked = checkPipeline(value, { folder });
    ok(checked.ok, JSON.stringify(checked));
    ok(checked.pipeline.task === 'text-generation');
    const judge = judgeBy(readGuidelines(checked.pipeline.guidelines, folder));
    const rows = (await readFile(join(folder, 'data/replies.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { prompt: string; completion: string });
    equal(new Set(rows.map(({ prompt }) => prompt)).size, rows.length);
    const against = rows.filter(({ prompt, completion }) => !judge.of(completion, { prompt }).adherent);
    deepEqual(against, []);
    // Neither the target nor a gate asks for more than so many prompts can show; one answer of them may go wrong.
    const { split } = checked.pipeline.data;
    const [validation, test] = [split.validation, split.test].map((part) => Math.floor(part * rows.length) - 1);
    ok(wilsonInterval(validation! - 1, validation!).low >= checked.pipeline.adherence.target);
    ok(wilsonInterval(test! - 1, test!).low >= checked.pipeline.gates.adherence.min);
    ok(Math.floor(split.train * rows.length) - 5 >= checked.pipeline.adherence.minCompletions);
  });

  it('has tables of behaviour tests that can fail: no mark of an injection stands in what is asked', async () => {
    const { value, folder } = await loadPipeline('support-replies');
    const checked = checkPipeline(value, { folder });
    ok(checked.ok);
    const tables = Object.entries(checked.pipeline.behaviour ?? {});
    deepEqual(
      await Promise.all(
        tables.map(async ([name, { kind, file }]) => {
          const { tests, problems } = readPromptTable(await readFile(join(folder, file)), kind);
          deepEqual(problems, []);
          for (const { line, test } of tests) {
            const marks = test.kind === 'minimum-functionality' ? (test.saysNot ?? []) : [];
            const asked = folded(test.questions[0]?.prompt ?? '');
            ok(!marks.some((mark) => holds(asked, mark)), `${file}:${line}`);
          }
          return [name, tests.length];
        }),
      ),
      [
        ['injections', 9],
        ['jailbreaks', 8],
        ['paraphrases', 5],
        ['directions', 3],
      ],
    );
  });

  it('takes a budget, and is a prototype in any channel but production', async () => {
    const { value, folder } = await loadPipeline('support-replies');
    const asked = { ...(value as object), budget: { time: '1h' }, prototype: {} };
    const staged = checkPipeline({ ...asked, deploy: { model: 'm', channel: 'staging' } }, { folder });
    ok(staged.ok);
    deepEqual([staged.pipeline.budget, staged.pipeline.prototype?.trainRows], [{ time: '1h' }, 200]);
    const served = checkPipeline({ ...asked, deploy: { model: 'm' } }, { folder });
    ok(!served.ok);
    deepEqual(
      served.problems.map(({ path }) => path),
      ['deploy.channel'],
    );
  });

  it('tells what is wrong with a definition that generates: guidelines, columns, what is not for it', async () => {
    const { value, folder } = await loadPipeline('support-replies');
    const broken = {
      ...(value as object),
      guidelines: 'nowhere.yaml',
      data: { files: ['data/replies.jsonl'], completion: 'prompt', licence: 'CC0-1.0', source: 'x' },
      prototype: {},
    };
    const checked = checkPipeline(broken, { folder });
    ok(!checked.ok);
    deepEqual(checked.problems.map(({ path }) => path).toSorted(), ['data.completion', 'deploy.channel', 'guidelines']);
  });

  it('takes conversations for prompts and completions, of JSONL alone and not beside them', async () => {
    const { value, folder } = await loadPipeline('support-replies');
    const problems = (data: object) => {
      const about = { licence: 'CC0-1.0', source: 'x', messages: 'messages' };
      const checked = checkPipeline({ ...(value as object), data: { ...about, ...data } }, { folder });
      return checked.ok ? [] : checked.problems.map(({ path }) => path).toSorted();
    };
    const files = ['data/replies.jsonl'];
    deepEqual(problems({ files }), []);
    deepEqual(problems({ files, facts: 'facts' }), []);
    deepEqual(problems({ files, facts: 'messages' }), ['data.facts']);
    deepEqual(problems({ files, completion: 'completion', prompt: 'q' }), ['data.completion', 'data.prompt']);
    deepEqual(problems({ files, format: 'csv' }), ['data.format']);
    deepEqual(problems({ files: ['s3://bucket/a.csv'], evaluationFiles: ['s3://bucket/b.CSV'] }), [
      'data.evaluationFiles[0]',
      'data.files[0]',
    ]);
    deepEqual(problems({ files, shiftedFiles: ['s3://bucket/c.csv', 'data/replies.jsonl', 'data/gone.jsonl'] }), [
      'data.shiftedFiles[0]',
      'data.shiftedFiles[1]',
      'data.shiftedFiles[2]',
    ]);
  });
});
