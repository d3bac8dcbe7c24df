/** Step `generation.search-prompts`: the best way of asking this model, by how its answers to validation prompts keep the guidelines. */
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import type { PromptSearch, SearchPromptsInput } from '../contract/prompting.ts';
import { countPrompts, promptRows, samplePrompts } from '../data/prompts.ts';
import type { StepDefinition } from '../step.ts';
import { answerAll, asked, judged } from './answers.ts';
import { brokenCounts, goodAnswers } from './examples.ts';
import { readJudge } from './judge.ts';
import { withGenerator } from './load.ts';
import { remembering } from './remembered.ts';
import { searchPrompt, type Asked, type NamedPrompt, type SearchRules } from './search.ts';
import { promptVariants, rulesVariant } from './variants.ts';
import { FIRST_PROMPTS } from '../../pipelines/prompt-search.ts';

/** Of the code that asks and judges: answers of another one are not remembered. */
const ASKED_VERSION = 2;

export const searchPrompts: StepDefinition<SearchPromptsInput, PromptSearch> = {
  type: 'generation.search-prompts',
  version: 4,
  identity({ stopAt: _stopAt, ...input }) {
    return input;
  },
  keeps: ({ outOfTime }) => outOfTime !== true,
  async run({ generator: tree, dataset, guidelines, search, generation, seed, stopAt }, context) {
    const { store, signal, progress } = context;
    const judge = await readJudge(store, guidelines);
    const validation = [store, dataset, 'validation', signal] as const;
    const { rows } = await samplePrompts(validation, search.maxPrompts, { seed, stream: 2 });
    const train = [store, dataset, 'train', signal] as const;
    const good = await goodAnswers(promptRows(...train), await countPrompts(...train), judge, seed);
    const until = stopAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(stopAt);
    const rules: SearchRules = {
      rows: rows.length,
      firstRows: FIRST_PROMPTS,
      budgetTokens: search.budgetTokens,
      outOfTime: () => Date.now() >= until,
    };
    const about = { generator: tree, dataset, guidelines, generation, seed };
    const { found, untried } = await withGenerator(tree, context, async (generator) => {
      const askNow = async ({ name, prompt }: NamedPrompt, from: number, to: number): Promise<readonly Asked[]> => {
        const onProgress = (done: number): void =>
          progress({ phase: 'searching prompts', done: from + done, total: to, note: name });
        const answers = await answerAll(generator, prompt, rows.slice(from, to), {
          generation,
          seed,
          signal,
          onProgress,
        });
        return answers.map((answer) => {
          const { adherent, weighted, broken } = judged(judge, answer, prompt);
          return {
            judgement: { adherent, weighted, broken },
            tokens: answer.tokens,
            promptTokens: answer.promptTokens,
            ...(answer.refused === undefined ? {} : { noRoom: true as const }),
          };
        });
      };
      const ask = remembering(context, { version: ASKED_VERSION, about }, rows, askNow);
      // What the rules alone do not bring about is what examples must show. These answers are the first of the search.
      const told = rulesVariant(judge);
      const first = await ask(told, 0, Math.min(FIRST_PROMPTS, rows.length));
      const { variants, untried: left } = promptVariants(search, judge, good, {
        prompts: rows.map(asked),
        failed: brokenCounts(first.map(({ judgement }) => judgement)),
        seed,
      });
      const searched = await searchPrompt(variants, rules, (one, from, to) =>
        one.name === told.name && from === 0 && to === first.length ? Promise.resolve(first) : ask(one, from, to),
      );
      return { found: searched, untried: left };
    });
    const [best] = found.variants;
    if (best === undefined) throw new Error('a search without a prompt');
    const prompt = await store.putBytes(canonicalJson({ version: 1, ...found.best.prompt }), {
      name: 'prompt.json',
      mediaType: 'application/json',
      signal,
    });
    const details = await store.putJson(
      {
        version: 1,
        rows: found.outcomes.map(({ judgement }, index) => ({ rowId: rows[index]?.id, adherent: judgement.adherent })),
      },
      'prompt-search.json',
    );
    const { variants: described, tokens, stoppedBy, outOfTime } = found;
    return {
      prompt,
      best,
      variants: described,
      untried,
      tokens,
      stoppedBy,
      details,
      ...(outOfTime ? { outOfTime: true as const } : {}),
    };
  },
};
