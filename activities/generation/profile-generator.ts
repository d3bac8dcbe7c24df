/** Step `generation.profile`: time to the first token, time a token, size and memory of a generator on this machine. */
import { extname } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import { checkout } from '../checkout.ts';
import type { GeneratorProfile, ProfileGeneratorInput } from '../contract/prompting.ts';
import type { Message } from '../../inference/generation/chat.ts';
import { samplePrompts } from '../data/prompts.ts';
import { requireTold, saysNothing, timedAnswer, withoutTimeLimits } from '../selection/busy-machine.ts';
import { timePatiently } from '../selection/time-patiently.ts';
import { askChild } from '../selection/measuring-child.ts';
import { TIMED_TRIES, requireHardware } from '../selection/machines.ts';
import { hardware, machine } from '../selection/profile-encoder.ts';
import type { StepDefinition } from '../step.ts';
import { treesMb } from '../validation/model-folder.ts';
import { conversationOf } from './answers.ts';

export interface ProfileTask {
  readonly folder: string;
  readonly conversations: readonly (readonly Message[])[];
  readonly maxNewTokens: number;
  /** Whether the same questions are timed at other lengths, too: with more before them, or cut short. */
  readonly longer?: boolean;
}
export type GeneratorTimes = Pick<
  GeneratorProfile,
  'firstTokenMs' | 'msPerToken' | 'answers' | 'answer' | 'waitedShare' | 'leastMs' | 'memoryMb'
>;

/** Different prompts that are timed. */
const SAMPLE_PROMPTS = 30;
/** Enough for a mean a token; what a longer answer takes is reckoned from it (pipelines/answer-time.ts). */
const MOST_NEW_TOKENS = 32;

export const profileGenerator: StepDefinition<ProfileGeneratorInput, GeneratorProfile> = {
  type: 'generation.profile',
  version: 10,
  environment: () => Promise.resolve(hardware()),
  tries: TIMED_TRIES,
  identity: withoutTimeLimits,
  keeps: (profile, { timeLimits }) => !saysNothing(timedAnswer(profile, timeLimits)),
  async run({ generator, dataset, generation, hardware: wanted, timeLimits }, context) {
    requireHardware(hardware(), wanted);
    const { store, signal, progress } = context;
    const folder = await checkout(context, generator, 'generator');
    const { rows } = await samplePrompts([store, dataset, 'train', signal], SAMPLE_PROMPTS, { seed: 0 });
    const conversations = rows.map(conversationOf);
    progress({ phase: 'measuring' });
    const task = { folder, conversations, maxNewTokens: generation.maxNewTokens, longer: true };
    const timed = (taken: GeneratorTimes) => timedAnswer(taken, timeLimits);
    const times = await timePatiently(() => timeGenerator(task, signal), timed, context);
    requireTold(timed(times));
    return { ...times, sizeMb: await treesMb(store, [generator]), hardware: machine() };
  },
};

/** In a process of its own. Throws BadModel where no prompt leaves room for an answer. */
export async function timeGenerator(task: ProfileTask, signal: AbortSignal): Promise<GeneratorTimes> {
  const program = new URL(`./profile-child${extname(import.meta.url)}`, import.meta.url);
  const maxNewTokens = Math.min(MOST_NEW_TOKENS, task.maxNewTokens);
  const times = await askChild<GeneratorTimes>(program, { ...task, maxNewTokens }, signal);
  if (times.answers > 0) return times;
  throw new EspalierError('BadModel', 'there were too few prompts to time an answer', {
    where: 'data.files',
    fix: 'give at least three prompts that leave room for an answer, both to train and to test with',
  });
}
