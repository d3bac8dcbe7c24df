/** Step `generation.search-prompts`: the best way of asking this model, by how its answers to validation prompts keep the guidelines. */
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import type { PromptSearch, SearchPromptsInput } from '../contract/prompting.ts';
import { loadPrompts, type PromptRow } from '../data/prompts.ts';
import type { StepDefinition } from '../step.ts';
import { sampleIndices, seededRandom } from '../validation/random.ts';
import { answerAll, judged } from './answers.ts';
import { readJudge } from './judge.ts';
import { withGenerator } from './load.ts';
import { searchPrompt } from './search.ts';
import { promptVariants } from './variants.ts';

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
    const { variants, untried } = promptVariants(
      search,
      judge,
      await loadPrompts(store, dataset, 'train', signal),
      seed,
    );
    const rules = { rows: rows.length, firstRows: FIRST_ROWS, budgetTokens: search.budgetTokens };
    const found = await withGenerator(tree, context, (generator) =>
      searchPrompt(variants, rules, async ({ name, prompt }, from, to) => {
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
      }),
    );
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
