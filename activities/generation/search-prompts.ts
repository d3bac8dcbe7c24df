/** Step `generation.search-prompts`: the best way of asking this model, by how its answers to validation prompts keep the guidelines. */
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import type { PromptSearch, SearchPromptsInput } from '../contract/prompting.ts';
import { loadPrompts, type PromptRow } from '../data/prompts.ts';
import type { StepDefinition } from '../step.ts';
import { sampleIndices, seededRandom } from '../validation/random.ts';
import { answerAll, asked, judged } from './answers.ts';
import { brokenCounts, goodAnswers } from './examples.ts';
import { readJudge } from './judge.ts';
import { withGenerator } from './load.ts';
import { searchPrompt, type Asked, type NamedPrompt } from './search.ts';
import { promptVariants, rulesVariant } from './variants.ts';

/** Prompts of the first round: enough to tell the hopeless. */
const FIRST_ROWS = 12;

export const searchPrompts: StepDefinition<SearchPromptsInput, PromptSearch> = {
  type: 'generation.search-prompts',
  version: 1,
  async run({ generator: tree, dataset, guidelines, search, generation, seed }, context) {
    const { store, signal, progress } = context;
    const judge = await readJudge(store, guidelines);
    const validation = await loadPrompts(store, dataset, 'validation', signal);
    const chosen = sampleIndices(validation.length, search.maxPrompts, seededRandom(seed, 2));
    const rows = chosen.map((index) => validation[index] as PromptRow);
    const good = goodAnswers(await loadPrompts(store, dataset, 'train', signal), judge, seed);
    const rules = { rows: rows.length, firstRows: FIRST_ROWS, budgetTokens: search.budgetTokens };
    const { found, untried } = await withGenerator(tree, context, async (generator) => {
      const ask = async ({ name, prompt }: NamedPrompt, from: number, to: number): Promise<readonly Asked[]> => {
        const onProgress = (done: number): void =>
          progress({ phase: 'searching prompts', done: from + done, total: to, note: name });
        const answers = await answerAll(generator, prompt, rows.slice(from, to), {
          generation,
          seed,
          signal,
          onProgress,
        });
        return answers.map((answer) => ({
          judgement: judged(judge, answer, prompt),
          tokens: answer.tokens,
          promptTokens: answer.promptTokens,
        }));
      };
      // What the rules alone do not bring about is what examples must show. These answers are the first of the search.
      const told = rulesVariant(judge);
      const first = await ask(told, 0, Math.min(FIRST_ROWS, rows.length));
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
    const { variants: described, tokens, stoppedBy } = found;
    return { prompt, best, variants: described, untried, tokens, stoppedBy, details };
  },
};
