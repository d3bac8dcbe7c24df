import { deepEqual, equal, ok } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { judgeBy } from '../../activities/generation/judge.ts';
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
  });

  it('refuses a budget and a prototype with the reason and the way out', async () => {
    const { value, folder } = await loadPipeline('support-replies');
    const asked = {
      ...(value as object),
      budget: { time: '1h' },
      prototype: {},
      deploy: { model: 'm', channel: 'staging' },
    };
    const checked = checkPipeline(asked, { folder });
    ok(!checked.ok);
    deepEqual(
      checked.problems.map(({ path, message }) => `${path} ${message}`),
      [
        'budget is not for text-generation: set selection.prompts.budgetTokens',
        'prototype is not for text-generation: the search for a prompt comes before any training',
      ],
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
    deepEqual(checked.problems.map(({ path }) => path).toSorted(), [
      'data.completion',
      'deploy.channel',
      'guidelines',
      'prototype',
    ]);
  });
});
