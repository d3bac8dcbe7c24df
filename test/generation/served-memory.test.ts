import { deepEqual, equal } from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UNPROMPTED, type Answer } from '../../activities/generation/answers.ts';
import { memoryTask, servedMemory } from '../../activities/generation/served-memory.ts';
import { MOST_TURNS } from '../../inference/workers.ts';
import { tinyGenerator } from '../support/tiny-generator.ts';

const answerOf = (prompt: string, promptTokens: number, more: Partial<Answer> = {}): Answer => ({
  row: { id: prompt, prompt },
  text: '',
  promptTokens,
  tokens: 0,
  finish: 'length',
  ...more,
});
const task = (answers: readonly Answer[], maxNewTokens = 256) =>
  memoryTask({ folder: 'model', answers, prompt: { system: 'Be short.', examples: [] }, maxNewTokens });

describe('the memory of a served generator', () => {
  it('is that of the longest conversation in every turn, whatever shorter ones stand beside it', () => {
    const answers = [
      answerOf('short', 10),
      answerOf('the longest', 4000),
      answerOf('refused', 0, { refused: 'no room' }),
    ];
    const { conversations, maxNewTokens } = task(answers);
    const longest = [
      { role: 'system', content: 'Be short.' },
      { role: 'user', content: 'the longest' },
    ];
    deepEqual(
      conversations,
      Array.from({ length: MOST_TURNS }, () => longest),
    );
    equal(maxNewTokens, 64);
    equal(task(answers, 8).maxNewTokens, 8);
    deepEqual(task([answerOf('refused', 0, { refused: 'no room' })]).conversations, []);
  });

  it('counts as written what every answer came to, not what it may come to', async () => {
    const folder = join(await tinyGenerator(), 'generator');
    const scratch = await mkdtemp(join(tmpdir(), 'espalier-served-memory-'));
    try {
      const config = JSON.parse(await readFile(join(folder, 'generator.json'), 'utf8')) as { vocabularySize: number };
      const writtenOf = async (name: string, endTokens: readonly number[], answers = [answerOf('the order is', 3)]) => {
        const copy = join(scratch, name);
        await cp(folder, copy, { recursive: true });
        await writeFile(join(copy, 'generator.json'), JSON.stringify({ ...config, endTokens }));
        const asked = { folder: copy, answers, prompt: UNPROMPTED, maxNewTokens: 16 };
        const { newTokens, promptTokens, processMb } = await servedMemory(asked, AbortSignal.timeout(60_000));
        return [newTokens, promptTokens, processMb > 0];
      };
      deepEqual(await writtenOf('endless', []), [16, 3, true]);
      deepEqual(await writtenOf('silent', [...Array(config.vocabularySize).keys()]), [0, 3, true]);
      deepEqual(await writtenOf('unasked', [], []), [0, 0, true]);
    } finally {
      await rm(scratch, { recursive: true });
    }
  });
});
