/** Step `generation.compare`: the chosen generator and the one in production, asked the same, judged by the same guidelines. */
import { EspalierError } from '../../artifacts/errors.ts';
import { GENERATION_GATE_TABLE } from '../../pipelines/gates/generation.ts';
import type { CompareGeneratorsInput, GeneratorComparison } from '../contract/prompting.ts';
import { promptRows, type PromptRow } from '../data/prompts.ts';
import type { StepContext, StepDefinition } from '../step.ts';
import { idsSeen } from '../validation/compared-models.ts';
import { withLostRows } from '../validation/gate-examples.ts';
import { judgeGate } from '../validation/gates.ts';
import { answerAll, judged } from './answers.ts';
import { adherenceScore, compareAdherence } from './metrics/adherence.ts';
import { readJudge } from './judge.ts';
import { withGenerator } from './load.ts';
import { promptOf } from './served-prompt.ts';

export const compareGenerators: StepDefinition<CompareGeneratorsInput, GeneratorComparison> = {
  type: 'generation.compare',
  version: 2,
  async run(input, context) {
    const { production, candidate } = input;
    const no = (reason: string): GeneratorComparison => ({ comparable: false, bundle: production.bundle, reason });
    if (production.generator.digest === candidate.generator.digest) {
      return no('the model in production is this very model with this very prompt, byte for byte');
    }
    try {
      return await compare(input, context);
    } catch (error) {
      // A model that cannot be run is no reason to keep it; what may pass by itself is tried again.
      if (!(error instanceof EspalierError) || error.retryable) throw error;
      return no(error.message);
    }
  },
};

async function compare(
  { production, candidate, dataset, guidelines, gate: limit, seed }: CompareGeneratorsInput,
  context: StepContext,
): Promise<GeneratorComparison> {
  const { store, signal, progress } = context;
  const judge = await readJudge(store, guidelines);
  const { answers } = await store.getJson<{
    readonly answers: readonly { readonly rowId: string; readonly adherent: boolean }[];
  }>(candidate.evaluation);
  const answered = new Map(answers.map(({ rowId, adherent }) => [rowId, adherent]));
  const seen = await idsSeen(context, production.dataset);
  const rows: PromptRow[] = [];
  let [all, known] = [0, 0];
  for await (const row of promptRows(store, dataset, 'test', signal)) {
    const isKnown = seen?.has(row.id) === true;
    all += 1;
    known += Number(isKnown);
    // Of very many test prompts the evaluation asked a sample.
    if (answered.has(row.id) && !isKnown) rows.push(row);
  }
  if (rows.length === 0) {
    const reason = `the model in production was trained or chosen on every one of the ${all} test prompts`;
    return { comparable: false, bundle: production.bundle, reason };
  }
  const before = await withGenerator(production.generator, context, async (generator) => {
    const { prompt, generation } = promptOf(generator);
    const onProgress = (done: number, total: number): void =>
      progress({ phase: 'asking the model in production', done, total });
    const said = await answerAll(generator, prompt, rows, { generation, seed, signal, onProgress });
    return said.map((answer) => judged(judge, answer, prompt));
  });
  const after = rows.map(({ id }) => ({ adherent: answered.get(id) ?? false }));
  const { difference, ...tested } = compareAdherence(after, before);
  const gate =
    limit === undefined
      ? undefined
      : judgeGate('gainOverProduction', GENERATION_GATE_TABLE.gainOverProduction, difference, limit);
  const lost = rows.flatMap(({ id }, at) => (before[at]!.adherent && !after[at]!.adherent ? [{ rowId: id }] : []));
  return {
    comparable: true,
    bundle: production.bundle,
    rows: rows.length,
    rowsKnown: seen === null ? null : known,
    adherence: { production: adherenceScore(before), candidate: adherenceScore(after), difference },
    ...tested,
    // What was asked and answered stands in the evaluation.
    ...(gate === undefined ? {} : { gate: withLostRows(gate, candidate.evaluation.digest, 'answers', lost) }),
  };
}
