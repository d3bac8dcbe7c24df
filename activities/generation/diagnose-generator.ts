/** What stands behind a generator's figures: the device that it is for, what it had seen before, and whom it answers worse. */
import type { Generator } from '../../inference/generation/generator.ts';
import type { GateExample } from '../contract/examples.ts';
import type { Score } from '../contract/measures.ts';
import type { EvaluateGeneratorInput, GeneratorEvaluation } from '../contract/prompting.ts';
import { promptRows } from '../data/prompts.ts';
import type { StepContext } from '../step.ts';
import { hasLimits, NO_DEVICE } from '../validation/hardware-fit.ts';
import { sizeMb, treesMb } from '../validation/model-folder.ts';
import type { Answer } from './answers.ts';
import { generatorFit } from './generator-fit.ts';
import type { Judgement } from './judge.ts';
import { leakedPrompts } from './leaked-prompts.ts';
import { adherenceBySlice } from './prompt-slices.ts';
import { promptOf } from './served-prompt.ts';
import { servedMemory } from './served-memory.ts';

type DiagnosedGate = 'hardwareFit' | 'leakedPrompts' | 'sliceGap';

export interface GeneratorDiagnosis {
  readonly measures: Readonly<Record<DiagnosedGate, Score>>;
  readonly shown: Pick<GeneratorEvaluation, 'slices' | 'hardwareFit'>;
  readonly examples: Readonly<Record<Exclude<DiagnosedGate, 'hardwareFit'>, readonly GateExample[]>>;
}

/** `answers` and their judgements: to the test prompts, of the generator in `folder`. */
export async function diagnoseGenerator(
  input: Pick<EvaluateGeneratorInput, 'generator' | 'dataset' | 'device'>,
  context: StepContext,
  asked: {
    readonly generator: Generator;
    readonly folder: string;
    readonly answers: readonly Answer[];
    readonly judged: readonly Judgement[];
  },
): Promise<GeneratorDiagnosis> {
  const { store, signal, progress } = context;
  const { answers, judged } = asked;
  progress({ phase: 'looking for test prompts among the training prompts' });
  const leaked = await leakedPrompts(
    answers.map(({ row }) => row),
    promptOf(asked.generator).prompt.examples,
    () => promptRows(store, input.dataset, 'train', signal),
    signal,
  );
  const sliced = adherenceBySlice(answers, judged);
  const { score, fit } = await fitOf(input, context, asked);
  return {
    measures: { hardwareFit: score, leakedPrompts: leaked.score, sliceGap: sliced.score },
    shown: { slices: sliced.slices, ...(fit === null ? {} : { hardwareFit: fit }) },
    examples: { leakedPrompts: leaked.examples, sliceGap: sliced.examples },
  };
}

async function fitOf(
  { generator: tree, device }: Pick<EvaluateGeneratorInput, 'generator' | 'device'>,
  { store, signal, progress }: StepContext,
  { generator, folder, answers }: Parameters<typeof diagnoseGenerator>[2],
): Promise<ReturnType<typeof generatorFit>> {
  if (!hasLimits(device)) return { score: NO_DEVICE, fit: null };
  progress({ phase: 'memory of several answers at once' });
  const { prompt, generation } = promptOf(generator);
  const { maxNewTokens } = generation;
  const memory = await servedMemory({ folder, answers, prompt, maxNewTokens }, signal);
  return generatorFit(device, {
    ...memory,
    config: generator.config,
    filesMb: await treesMb(store, [tree]),
    graphMb: await sizeMb(folder),
    maxNewTokens,
  });
}
