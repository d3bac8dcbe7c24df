/**
 * Step `generation.format`: conversations as the trainer learns them: the prompt in the model's own chat format, with what
 * it will be told, and a good answer. The loss is on answers alone: of a conversation, on all that keep the guidelines.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import { parseGeneratorConfig } from '../../inference/generation/config.ts';
import { PromptTokenizer } from '../../inference/generation/prompt-tokens.ts';
import { readVocabulary } from '../../inference/generation/vocabulary.ts';
import type { Split } from '../contract/data.ts';
import type { FormatPromptsInput, FormattedPrompts } from '../contract/prompting.ts';
import { SPLITS } from '../data/dataset.ts';
import { jsonLine, promptRows } from '../data/prompts.ts';
import type { StepDefinition } from '../step.ts';
import type { PromptSpec } from './answers.ts';
import { readJudge } from './judge.ts';
import { learntRow, type LearntBy, type LearntRow } from './learnt-row.ts';

/** Throws BadData where fewer good answers are left than the definition asks for. */
export const formatPrompts: StepDefinition<FormatPromptsInput, FormattedPrompts> = {
  type: 'generation.format',
  version: 2,
  async run({ dataset, generator, prompt, guidelines, onlyAdherent, minCompletions, longest }, context) {
    const { store, workDir, signal } = context;
    const judge = await readJudge(store, guidelines);
    const { system } = await store.getJson<PromptSpec>(prompt);
    const config = await store.fileInTree(generator, 'generator.json', signal);
    const { chatFormat, vocabularySize } = parseGeneratorConfig(await readFile(config, 'utf8'), 'generator.json');
    const tokens = await readFile(await store.fileInTree(generator, 'tokenizer.json', signal), 'utf8');
    const { special } = readVocabulary(tokens, vocabularySize, 'tokenizer.json');
    const tokenizer = new PromptTokenizer(tokens, special, 'tokenizer.json');
    const by: LearntBy = {
      format: chatFormat,
      // Examples stand in the prompt so that a model need not have learnt: this one learns.
      system,
      judge: onlyAdherent ? judge : null,
      fits: async (row) => longest === null || (await tokensOf(tokenizer, row)) <= longest,
      spells: (parts) => tokenizer.spells(parts),
      signal,
    };
    const folder = join(workDir, 'conversations');
    await mkdir(folder);
    const rows = { train: 0, validation: 0, test: 0 };
    const leftOut = { withoutCompletion: 0, againstGuidelines: 0, spellsSpecial: 0 };
    const conversations = { rows: 0, shortened: 0 };
    for (const split of SPLITS) {
      await writeFile(join(folder, `${split}.jsonl`), linesOf(split), { signal });
    }
    if (rows.train < minCompletions || rows.validation === 0) {
      throw new EspalierError(
        'BadData',
        `${rows.train} training and ${rows.validation} validation answers are left to learn from (${leftOut.againstGuidelines} break a guideline, ${leftOut.withoutCompletion} rows have none, in ${leftOut.spellsSpecial} a text spells a special token of the model)`,
        {
          where: 'data.completion',
          fix: `give at least ${minCompletions} good answers (adherence.minCompletions) without special tokens in any text, also not in the prompt's system text, or set training.onlyAdherent to false`,
        },
      );
    }
    return {
      dataset: await store.putTree(folder, 'conversations', { signal }),
      rows,
      leftOut,
      ...(conversations.rows === 0 ? {} : { conversations }),
    };

    async function* linesOf(split: Split): AsyncGenerator<string> {
      for await (const row of promptRows(store, dataset, split, signal)) {
        const learnt = await learntRow(row, by);
        if (row.completion === undefined) leftOut.withoutCompletion += 1;
        else if (learnt === undefined) leftOut.againstGuidelines += 1;
        else if (learnt.spells) leftOut.spellsSpecial += 1;
        else {
          rows[split] += 1;
          if (split === 'train' && row.history !== undefined) {
            conversations.rows += 1;
            conversations.shortened += Number(learnt.dropped > 0);
          }
          yield jsonLine(learnt.row);
        }
      }
    }
  },
};

/** As the trainer counts them, with the token that ends the answer. */
async function tokensOf(tokenizer: PromptTokenizer, { prompt, completion }: LearntRow): Promise<number> {
  const [before, after] = await Promise.all([tokenizer.ids(prompt), tokenizer.continuation(completion)]);
  return before.length + after.length + 1;
}
