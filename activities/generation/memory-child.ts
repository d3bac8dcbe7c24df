/** The program that served-memory.ts forks: as many answers at once as a served worker writes, and the memory that they take. */
import { Generator } from '../../inference/generation/generator.ts';
import { answerOnce } from '../selection/measuring-child.ts';
import { peakMemoryMb } from '../selection/peak-memory.ts';
import type { MemoryTask, ServedMemory } from './served-memory.ts';

async function measure({ folder, conversations, maxNewTokens }: MemoryTask): Promise<ServedMemory> {
  const beforeMb = process.memoryUsage.rss() / 1e6;
  const generator = await Generator.load(folder, { threads: 1 });
  // They take turns a token each, as in serving/generator-worker.ts.
  const answers = await Promise.all(
    conversations.map((conversation, seed) => generator.complete(conversation, { maxNewTokens, temperature: 1, seed })),
  );
  const processMb = peakMemoryMb();
  await generator.release();
  const newTokens = answers.length === 0 ? 0 : Math.min(...answers.map(({ tokens }) => tokens));
  return { processMb, workerMb: processMb - beforeMb, newTokens };
}

answerOnce(measure);
