import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { judgeBy } from '../../activities/generation/judge.ts';
import { checkRates } from '../../activities/generation/metrics/adherence.ts';
import { degenerationScore } from '../../activities/generation/metrics/degeneration.ts';
import { GuidelinesSchema } from '../../pipelines/guidelines/guidelines.ts';

/** The shares that docs/generation.md states, a little rounded up. */
const MOST_ACCUSED: Readonly<Record<string, number>> = {
  language: 0.002,
  'no-shouting': 0.001,
  plain: 0.001,
  markdown: 0.001,
  repetition: 0,
  'no-role-leak': 0,
  refusal: 0.004,
};

describe('what people wrote', () => {
  it('[real-data] is hardly ever accused by guidelines that it keeps, and never degenerate', function () {
    const data = process.env['ESPALIER_TEST_DATA'];
    if (data === undefined) return this.skip();
    const judge = judgeBy(
      GuidelinesSchema.parse({
        version: 1,
        checks: [
          { id: 'language', kind: 'language', language: 'en' },
          { id: 'plain', kind: 'format', format: 'plain' },
          { id: 'markdown', kind: 'format', format: 'markdown' },
          { id: 'refusal', kind: 'refusal', must: 'answer' },
          ...['no-shouting', 'repetition', 'no-role-leak'].map((kind) => ({ id: kind, kind })),
        ],
      }),
    );
    const replies = readFileSync(join(data, 'datasets/sgd-replies/train.jsonl'), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { readonly user: string; readonly reply: string });
    const rates = checkRates(
      judge,
      replies.map(({ user, reply }) => judge.of(reply, { prompt: user })),
    );
    for (const { id, kept } of rates) {
      assert.equal(kept.rows, 2549);
      assert.ok(1 - (kept.value ?? 0) <= MOST_ACCUSED[id]!, `${id} accuses ${1 - (kept.value ?? 0)}`);
    }
    const stories = readFileSync(join(data, 'datasets/tinystories-sample/tinystories_sample.txt'), 'utf8')
      .split('<|endoftext|>')
      .filter((text) => text.trim() !== '')
      .slice(0, 2000);
    for (const texts of [replies.map(({ reply }) => reply), stories]) {
      assert.equal(degenerationScore(texts.map((text) => ({ text, finish: 'end' }))).score.value, 0);
    }
  }).timeout(60_000);
});
