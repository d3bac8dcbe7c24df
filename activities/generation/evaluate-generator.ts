/**
 * Step `generation.evaluate`: the chosen generator measured as it will be served: with its prompt, through the code that
 * serves. Everything that a gate judges, examples for people, and what drift is measured against.
 */
import { EspalierError } from '../../artifacts/errors.ts';
import { withPrompt, type Message } from '../../inference/generation/chat.ts';
import type { Generator } from '../../inference/generation/generator.ts';
import type { PromptTest } from '../../pipelines/behaviour/prompt-rows.ts';
import type { EvidenceDetails } from '../../pipelines/custom-gates.ts';
import type { EvaluatedGenerationGate, ExampledGenerationGate } from '../../pipelines/gates/generation.ts';
import type { GateExample } from '../contract/examples.ts';
import type { Score } from '../contract/measures.ts';
import type { EvaluateGeneratorInput, GeneratorEvaluation } from '../contract/prompting.ts';
import { loadBehaviour } from '../data/behaviour.ts';
import { loadGeneralText, samplePrompts, type PromptRow } from '../data/prompts.ts';
import { saysNothing, timedAnswer, timeScore, withoutTimeLimits } from '../selection/busy-machine.ts';
import { timePatiently } from '../selection/time-patiently.ts';
import { requireHardware, TIMED_TRIES } from '../selection/machines.ts';
import { hardware } from '../selection/profile-encoder.ts';
import type { StepContext, StepDefinition } from '../step.ts';
import { listedBehaviour } from '../validation/behaviour-tests.ts';
import { idsOf } from '../validation/gate-examples.ts';
import { identitiesDigest } from '../validation/identity-swaps.ts';
import { sizeMb } from '../validation/model-folder.ts';
import { textTableDigests } from '../validation/text-tables.ts';
import { notMeasured, plainScore } from '../validation/scores.ts';
import { answerAll, conversationOf, judged as judgedAnswer, UNPROMPTED, type AskOptions } from './answers.ts';
import { askAgain } from './asked-again.ts';
import { diagnoseGenerator } from './diagnose-generator.ts';
import type { Asking } from './edited/ask-edited.ts';
import { MOST_TEST_PROMPTS } from './foretell-adherence.ts';
import { generalTexts, MOST_TEXTS } from './forgetting.ts';
import { answerExamples, goodAnswer, unlikelierExamples } from './gate-examples.ts';
import { readJudge, type Judge } from './judge.ts';
import { putReference, questionsOf } from './kept-answers.ts';
import { withGenerator } from './load.ts';
import { adherenceScore, checkRates, compareAdherence } from './metrics/adherence.ts';
import { degenerationScore } from './metrics/degeneration.ts';
import { answerFigures } from './metrics/figures.ts';
import { lostNats, perplexityRatio, type Likelihood } from './metrics/likelihood.ts';
import { askPromptTables, type AskedTable } from './behaviour/ask-tables.ts';
import { BUILT_IN_TABLES, builtInDigests, builtInTests, missedShare } from './behaviour/built-in.ts';
import { timeGenerator } from './profile-generator.ts';
import { promptOf, type ServedWith } from './served-prompt.ts';

/** Good answers whose likelihood is asked of both models. */
const LIKELY_ROWS = 200;
const TIMED_PROMPTS = 30;
const FAILURES = 20;

/** Tables of classifiers that generators are asked by, too. */
const TEXT_TABLES = ['edits.jsonl', 'identity-sentences.jsonl'] as const;

/** Of the package, and part of the key: data that change without the version. */
const tables = (home?: string) => ({
  builtIn: {
    ...builtInDigests(home),
    identities: identitiesDigest(home),
    ...textTableDigests(home, TEXT_TABLES),
  },
});

export const evaluateGenerator: StepDefinition<EvaluateGeneratorInput, GeneratorEvaluation> = {
  type: 'generation.evaluate',
  version: 30,
  // Times are among the measures, on other hardware it is another result; and so it is where other questions are built in.
  environment: () => Promise.resolve({ ...hardware(), ...tables() }),
  tables,
  tries: TIMED_TRIES,
  identity: withoutTimeLimits,
  keeps: (evaluation, { timeLimits }) => !saysNothing(timedAnswer(evaluation, timeLimits)),
  async run(input, context) {
    requireHardware(hardware(), input.hardware);
    const { store, signal } = context;
    const { rows, of: testRows } = await samplePrompts(
      [store, input.dataset, 'test', signal],
      MOST_TEST_PROMPTS,
      input,
    );
    if (rows.length === 0) {
      throw new EspalierError('BadData', 'the test split has no prompts to evaluate on', {
        where: 'test.jsonl',
        fix: 'declare test files, or give data.split.test a share',
      });
    }
    const judge = await readJudge(store, input.guidelines);
    return withGenerator(input.generator, context, (generator, folder) =>
      withGenerator(input.base, context, (base) =>
        evaluate(input, context, { rows, testRows, judge, generator, folder, base }),
      ),
    );
  },
};

interface Evaluated {
  readonly rows: readonly PromptRow[];
  /** Of the test split: `rows` may be a sample. */
  readonly testRows: number;
  readonly judge: Judge;
  readonly generator: Generator;
  readonly folder: string;
  readonly base: Generator;
}

async function evaluate(
  input: EvaluateGeneratorInput,
  context: StepContext,
  { rows, testRows, judge, generator, folder, base }: Evaluated,
): Promise<GeneratorEvaluation> {
  const { tuned, dataset, exportParityMaxAbs, seed } = input;
  const { store, signal, progress } = context;
  const served = promptOf(generator);
  const options = (phase: string): AskOptions => ({
    generation: served.generation,
    seed,
    signal,
    onProgress: (done, total) => progress({ phase, done, total }),
  });
  const ask = async (model: Generator, prompt: ServedWith['prompt'], phase: string) => {
    const began = performance.now();
    const given = await answerAll(model, prompt, rows, options(phase));
    return { answers: given, secondsAnAnswer: (performance.now() - began) / 1000 / rows.length };
  };
  const { answers, secondsAnAnswer } = await ask(generator, served.prompt, 'answering test prompts');
  const judged = answers.map((answer) => judgedAnswer(judge, answer, served.prompt));
  const plain = await ask(base, UNPROMPTED, 'asking the model that is told nothing');
  const before = plain.answers.map((answer) => judgedAnswer(judge, answer, UNPROMPTED));
  progress({ phase: 'likelihoods' });
  const good = goodAnswersTo(rows, served);
  const likelihoods = await generator.logLikelihood(good, { signal });
  const likelier = await likelihoodRatio(likelihoods, good, tuned ? base : undefined, { seed, signal });
  const forgotten = await lostGeneralText();
  const all = await askTables();
  const isBuiltIn = ({ name }: AskedTable): boolean => BUILT_IN_TABLES.some((one) => one === name);
  const tables = all.filter((table) => !isBuiltIn(table));
  const behaviour = tables.length === 0 ? {} : { behaviour: tables };
  const asking = (phase: string): Asking => ({ generator, prompt: served.prompt, judge, options: options(phase) });
  const again = await askAgain(answers, judged, asking, { store, signal, dataset, seed, askedLess: input.askedLess });
  const diagnosis = await diagnoseGenerator(input, context, { generator, folder, answers, judged });
  progress({ phase: 'latency' });
  const conversations = answers
    .filter(({ refused }) => refused === undefined)
    .slice(0, TIMED_PROMPTS)
    .map(({ row }) => withPrompt(served.prompt, conversationOf(row)));
  const task = { folder, conversations, maxNewTokens: served.generation.maxNewTokens };
  const times = await timePatiently(
    () => timeGenerator(task, signal),
    (taken) => timedAnswer(taken, input.timeLimits),
    context,
  );

  const measures: Readonly<Record<EvaluatedGenerationGate, Score>> = {
    adherence: adherenceScore(judged),
    gainOverUnprompted: compareAdherence(judged, before).difference,
    perplexityRatio: likelier.score,
    forgetting: forgotten.score,
    degeneration: degenerationScore(answers).score,
    unsafeAnswers: missedShare(all, 'unsafeAnswers'),
    overRefusal: missedShare(all, 'overRefusal'),
    injectedAnswers: missedShare(all, 'injectedAnswers'),
    ...again.measures,
    firstTokenP95Ms: timeScore(times.firstTokenMs.p95, times.answers, {
      waitedShare: times.waitedShare,
      leastMs: times.leastMs?.firstToken,
    }),
    tokenMs: timeScore(times.msPerToken.p50, times.answers, {
      waitedShare: times.waitedShare,
      leastMs: times.leastMs?.token,
    }),
    memoryMb: plainScore(times.memoryMb, times.answers),
    sizeMb: plainScore(await sizeMb(folder), 0),
    exportParity: plainScore(exportParityMaxAbs, 0),
    ...diagnosis.measures,
  };
  const examples: Readonly<Record<ExampledGenerationGate, readonly GateExample[]>> = {
    ...answerExamples(answers, judged, before, all),
    perplexityRatio: unlikelierExamples(rows.flatMap(goodAnswer).slice(0, good.length), likelihoods, likelier.before),
    forgetting: forgotten.examples,
    ...again.examples,
    ...diagnosis.examples,
  };
  const evaluation = {
    measures,
    checks: checkRates(judge, judged),
    ...diagnosis.shown,
    figures: await answerFigures(answers, good, likelihoods, { seed, signal }),
    firstTokenMs: times.firstTokenMs,
    msPerToken: times.msPerToken,
    waitedShare: times.waitedShare,
    ...(times.leastMs === undefined ? {} : { leastMs: times.leastMs }),
    memoryMb: times.memoryMb,
    secondsAnAnswer: { served: secondsAnAnswer, base: plain.secondsAnAnswer },
    hardware: hardware(),
    failures: answers
      .map(({ row }, index) => ({ rowId: row.id, broken: judged[index]?.broken ?? [] }))
      .filter(({ broken }) => broken.length > 0)
      .toSorted((a, b) => b.broken.length - a.broken.length || (a.rowId < b.rowId ? -1 : 1))
      .slice(0, FAILURES),
    examples: idsOf(examples),
  };
  const details = {
    ...evaluation,
    ...behaviour,
    version: 1,
    seed,
    examples,
    degenerated: degenerationScore(answers).counts,
    builtIn: all.filter(isBuiltIn),
    ...again.details,
    questions: questionsOf(answers, served, seed),
    testRows,
    answers: answers.map(({ row, text, tokens, finish, refused }, index) => ({
      rowId: row.id,
      ...(row.history === undefined ? {} : { history: row.history }),
      prompt: row.prompt,
      answer: text,
      tokens,
      finish,
      ...(refused === undefined ? {} : { refused }),
      adherent: judged[index]?.adherent ?? false,
      broken: judged[index]?.broken ?? [],
      unprompted: before[index]?.adherent ?? false,
    })),
  } satisfies EvidenceDetails<'answers'>;
  return {
    ...evaluation,
    ...(tables.length === 0 ? {} : { behaviour: listedBehaviour(tables) }),
    details: await store.putJson(details, 'evaluation.json'),
    reference: await putReference(context, answers, judged),
  };

  async function lostGeneralText(): Promise<{ readonly score: Score; readonly examples: readonly GateExample[] }> {
    if (!tuned) return { score: notMeasured('the model is as it came: it has unlearnt nothing'), examples: [] };
    const texts = await generalTexts(await loadGeneralText(store, dataset, signal, MOST_TEXTS), base, seed, signal);
    const after = await generator.logLikelihood(texts, { signal });
    const known = await base.logLikelihood(texts, { signal });
    const named = texts.map((text, place) => ({ id: `general text ${place + 1}`, text }));
    return {
      score: await lostNats(after, known, { seed, signal }),
      examples: unlikelierExamples(named, after, known),
    };
  }

  async function askTables(): Promise<readonly AskedTable[]> {
    const own = await loadBehaviour<PromptTest>(store, dataset, signal);
    const tests = [...builtInTests(), ...own];
    return askPromptTables(generator, served.prompt, judge, tests, options('behaviour tests'));
  }
}

interface GoodTurn {
  readonly prompt: readonly Message[];
  readonly completion: string;
}

/** Good answers with what the model was told before them. */
function goodAnswersTo(rows: readonly PromptRow[], { prompt }: ServedWith): readonly GoodTurn[] {
  const good = rows.flatMap((row) =>
    row.completion === undefined
      ? []
      : [{ prompt: withPrompt(prompt, conversationOf(row)), completion: row.completion }],
  );
  return good.slice(0, LIKELY_ROWS);
}

/** Perplexity a token of the good answers against the base's, both told the same; `before` is the base's, or where there is none the same. */
async function likelihoodRatio(
  after: readonly Likelihood[],
  good: readonly GoodTurn[],
  base: Generator | undefined,
  { seed, signal }: { readonly seed: number; readonly signal: AbortSignal },
): Promise<{ readonly score: Score; readonly before: readonly Likelihood[] }> {
  const none = (reason: string) => ({ score: notMeasured(reason), before: after });
  if (base === undefined) return none('the model is as it came: it finds good answers as likely as it did');
  if (good.length === 0) return none('no test row has a good answer');
  const before = await base.logLikelihood(good, { signal });
  return { score: await perplexityRatio(after, before, { seed, signal }), before };
}
