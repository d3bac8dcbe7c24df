/**
 * Step `generation.format`: conversations as the trainer learns them: the prompt in the model's own chat format, with what
 * it will be told, and a good answer. The loss is on the answer alone.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import { answerText, chatText, withPrompt } from '../../inference/generation/chat.ts';
import { parseGeneratorConfig } from '../../inference/generation/config.ts';
import type { Split } from '../contract/data.ts';
import type { FormatPromptsInput, FormattedPrompts } from '../contract/prompting.ts';
import { SPLITS } from '../data/dataset.ts';
import { jsonLine, promptRows } from '../data/prompts.ts';
import type { StepDefinition } from '../step.ts';
import { asked, type PromptSpec } from './answers.ts';
import { readJudge } from './judge.ts';

/** Throws BadData where fewer good answers are left than the definition asks for. */
export const formatPrompts: StepDefinition<FormatPromptsInput, FormattedPrompts> = {
  type: 'generation.format',
  version: 1,
  async run({ dataset, generator, prompt, guidelines, onlyAdherent, minCompletions }, context) {
    const { store, workDir, signal } = context;
    const judge = await readJudge(store, guidelines);
    const { system } = await store.getJson<PromptSpec>(prompt);
    const config = await store.fileInTree(generator, 'generator.json', signal);
    const { chatFormat } = parseGeneratorConfig(await readFile(config, 'utf8'), 'generator.json');
    const folder = join(workDir, 'conversations');
    await mkdir(folder);
    const rows = { train: 0, validation: 0, test: 0 };
    const leftOut = { withoutCompletion: 0, againstGuidelines: 0 };
    for (const split of SPLITS) {
      await writeFile(join(folder, `${split}.jsonl`), linesOf(split), { signal });
    }
    if (rows.train < minCompletions || rows.validation === 0) {
      throw new EspalierError(
        'BadData',
        `${rows.train} training and ${rows.validation} validation answers are left to learn from (${leftOut.againstGuidelines} break a guideline, ${leftOut.withoutCompletion} rows have none)`,
        {
          where: 'data.completion',
          fix: `give at least ${minCompletions} good answers (adherence.minCompletions), or set training.onlyAdherent to false`,
        },
      );
    }
    return { dataset: await store.putTree(folder, 'conversations', { signal }), rows, leftOut };

    async function* linesOf(split: Split): AsyncGenerator<string> {
      for await (const row of promptRows(store, dataset, split, signal)) {
        if (row.completion === undefined) leftOut.withoutCompletion += 1;
        else if (onlyAdherent && !judge.of(row.completion, row).adherent) leftOut.againstGuidelines += 1;
        else {
          rows[split] += 1;
          // Examples stand in the prompt so that a model need not have learnt: this one learns.
          const messages = withPrompt({ system, examples: [] }, [{ role: 'user', content: asked(row) }]);
          yield jsonLine({
            prompt: chatText(chatFormat, messages),
            completion: answerText(chatFormat, row.completion),
          });
        }
      }
    }
  },
};
