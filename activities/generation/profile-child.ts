/** The program that profile-generator.ts forks: one answer at a time, on one thread, its time and its memory its own. */
import { Generator } from '../../inference/generation/generator.ts';
import { answerOnce } from '../selection/measuring-child.ts';
import { quantile } from '../validation/statistics.ts';
import type { GeneratorTimes, ProfileTask } from './profile-generator.ts';

const WARM_UP_ANSWERS = 2;
/** A slow model gives fewer answers rather than hold up the run. */
const MOST_MS = 10_000;

async function profile({ folder, conversations, maxNewTokens }: ProfileTask): Promise<GeneratorTimes> {
  const before = process.memoryUsage.rss();
  const generator = await Generator.load(folder, { threads: 1 });
  let memory = process.memoryUsage.rss();
  const first: number[] = [];
  const later: number[] = [];
  const began = performance.now();
  let answers = 0;
  for (const [index, conversation] of conversations.entries()) {
    const start = performance.now();
    let firstAt: number | undefined;
    const pieces = generator.generate(conversation, { maxNewTokens, seed: index });
    let answer = await pieces.next();
    while (answer.done !== true) {
      firstAt ??= performance.now();
      answer = await pieces.next();
    }
    const end = performance.now();
    memory = Math.max(memory, process.memoryUsage.rss());
    if (index < WARM_UP_ANSWERS) continue;
    answers += 1;
    // What ends at once has one step: that it wrote nothing.
    first.push((firstAt ?? end) - start);
    if (answer.value.tokens > 1 && firstAt !== undefined) later.push((end - firstAt) / (answer.value.tokens - 1));
    if (end - began > MOST_MS) break;
  }
  await generator.release();
  return {
    firstTokenMs: quantiles(first),
    // Of a model that never writes a second token, the first is all there is.
    msPerToken: quantiles(later.length > 0 ? later : first),
    answers,
    memoryMb: (memory - before) / 1e6,
  };
}

function quantiles(times: readonly number[]): { p50: number; p95: number } {
  const ascending = times.toSorted((left, right) => left - right);
  return { p50: quantile(ascending, 0.5), p95: quantile(ascending, 0.95) };
}

answerOnce(profile);
