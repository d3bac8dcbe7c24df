/**
 * How near the time of a whole answer is that a generator's cost is reckoned by (`answerTime`): profiled as the step does it, by
 * questions alone and a few with more before them, and answers of 32 tokens, against answers that were timed with the prompt and of the length that it is reckoned for.
 *
 *   npx tsx bench/answer-time.ts [answers = 10]
 *
 * The model is a random Llama of 25 M parameters.
 */
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { timeGenerator, type GeneratorTimes, type ProfileTask } from '../activities/generation/profile-generator.ts';
import { askChild } from '../activities/selection/measuring-child.ts';
import { withPrompt, type Message } from '../inference/generation/chat.ts';
import { answerTime } from '../pipelines/answer-time.ts';
import { pythonForTests } from '../test/support/python.ts';
import { exportedOnce } from '../test/support/tiny-generator.ts';
import { tinyGpt } from '../test/support/tiny-gpt.ts';

const WORDS = 'the order is late and the money was sent ';
const QUESTION = WORDS.repeat(2);
const MAKE = `
import sys, torch, transformers
torch.manual_seed(1)
config = transformers.LlamaConfig(vocab_size=320, hidden_size=512, intermediate_size=1376, num_hidden_layers=8, num_attention_heads=8,
    max_position_embeddings=1536, bos_token_id=0, eos_token_id=0, pad_token_id=0)
transformers.LlamaForCausalLM(config).save_pretrained(sys.argv[1])`;

/** Words that a system prompt has, and tokens that may be written. */
const CASES = [
  { system: 0, maxNewTokens: 128 },
  { system: 20, maxNewTokens: 32 },
  { system: 20, maxNewTokens: 128 },
  { system: 40, maxNewTokens: 256 },
  { system: 60, maxNewTokens: 32 },
  { system: 80, maxNewTokens: 128 },
] as const;

const { signal } = new AbortController();
const answers = Number(process.argv[2] ?? 10);
const asked = (system: number): readonly (readonly Message[])[] =>
  Array.from({ length: answers + 2 }, () =>
    withPrompt({ system: WORDS.repeat(system), examples: [] }, [{ role: 'user', content: QUESTION }]),
  );
const program = new URL('../activities/generation/profile-child.ts', import.meta.url);
const timed = (task: ProfileTask): Promise<GeneratorTimes> => askChild<GeneratorTimes>(program, task, signal);

const scratch = await mkdtemp(join(tmpdir(), 'espalier-bench-answer-time-'));
try {
  const model = join(scratch, 'llama');
  await promisify(execFile)(pythonForTests().executable, ['-c', MAKE, model]);
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
    await copyFile(join((await tinyGpt()).model, name), join(model, name));
  }
  const folder = join(await exportedOnce(model, 'answer-time'), 'generator');
  const profile = await timeGenerator({ folder, conversations: asked(0), maxNewTokens: 128, longer: true }, signal);
  console.log(
    `profiled: ${profile.answer!.promptTokens} tokens read, ${profile.answer!.meanTokens} written: ${profile.answer!.meanMs.toFixed(0)} ms`,
  );
  for (const { promptTokens, firstMs, tokens, tokenMs } of profile.answer!.longer!) {
    console.log(
      `  and ${promptTokens} read, ${tokens} written: ${firstMs.toFixed(0)} ms to the first, then ${tokenMs?.toFixed(1)} each`,
    );
  }
  for (const { system, maxNewTokens } of CASES) {
    const { answer, answers: count } = await timed({ folder, conversations: asked(system), maxNewTokens });
    if (answer === undefined) throw new Error('nothing was timed');
    const { meanMs, meanTokens, promptTokens } = answer;
    const { ms } = answerTime(profile, { promptTokens: promptTokens!, answerTokens: meanTokens })!;
    console.log(
      `${promptTokens} read, ${meanTokens.toFixed(0)} written (${count} answers): took ${meanMs.toFixed(0)} ms, reckoned ${ms.toFixed(0)} ms ` +
        `(${(100 * (ms / meanMs - 1)).toFixed(0)} %), the mean of what was timed ${profile.answer!.meanMs.toFixed(0)} ms`,
    );
  }
} finally {
  await rm(scratch, { recursive: true });
}
