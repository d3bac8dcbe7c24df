/** The program that profile-generator.ts forks: one answer at a time, on one thread, its time and its memory its own. */
import { Generator } from '../../inference/generation/generator.ts';
import { answerOnce } from '../selection/measuring-child.ts';
import { openOwnClock } from '../selection/own-clock.ts';
import { countedMs, waitedShare, type RunTime } from '../selection/own-time.ts';
import { quantile } from '../validation/statistics.ts';
import type { GeneratorTimes, ProfileTask } from './profile-generator.ts';

const WARM_UP_ANSWERS = 2;
/** A slow model gives fewer answers rather than hold up the run. */
const MOST_MS = 10_000;

async function profile({ folder, conversations, maxNewTokens }: ProfileTask): Promise<GeneratorTimes> {
  const before = process.memoryUsage.rss();
  const generator = await Generator.load(folder, { threads: 1 });
  let memory = process.memoryUsage.rss();
  const clock = openOwnClock();
  const first: RunTime[] = [];
  const later: RunTime[] = [];
  const whole: RunTime[] = [];
  const tokens: number[] = [];
  const read: number[] = [];
  const began = performance.now();
  for (const [index, conversation] of conversations.entries()) {
    const elapsed = clock.start();
    let toFirst: RunTime | undefined;
    const pieces = generator.generate(conversation, { maxNewTokens, seed: index });
    let answer = await pieces.next();
    while (answer.done !== true) {
      toFirst ??= elapsed();
      answer = await pieces.next();
    }
    const toEnd = elapsed();
    memory = Math.max(memory, process.memoryUsage.rss());
    if (index < WARM_UP_ANSWERS) continue;
    whole.push(toEnd);
    tokens.push(answer.value.tokens);
    read.push(answer.value.promptTokens);
    // What ends at once has one step: that it wrote nothing.
    first.push(toFirst ?? toEnd);
    if (answer.value.tokens > 1 && toFirst !== undefined) later.push(eachOf(answer.value.tokens - 1, toFirst, toEnd));
    if (performance.now() - began > MOST_MS) break;
  }
  const told = clock.told();
  clock.close();
  await generator.release();
  const firstMs = countedMs(first, told);
  const answer = {
    meanMs: mean(countedMs(whole, told)),
    meanTokens: mean(tokens),
    firstMs: mean(firstMs),
    promptTokens: mean(read),
  };
  return {
    firstTokenMs: quantiles(firstMs),
    // Of a model that never writes a second token, the first is all there is.
    msPerToken: quantiles(countedMs(later.length > 0 ? later : first, told)),
    answers: whole.length,
    ...(whole.length === 0 ? {} : { answer }),
    waitedShare: waitedShare(whole, told),
    memoryMb: (memory - before) / 1e6,
  };
}

/** The time of one of so many tokens. */
function eachOf(tokens: number, from: RunTime, to: RunTime): RunTime {
  return { clockMs: (to.clockMs - from.clockMs) / tokens, ownMs: Math.max(0, to.ownMs - from.ownMs) / tokens };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function quantiles(times: readonly number[]): { p50: number; p95: number } {
  const ascending = times.toSorted((left, right) => left - right);
  return { p50: quantile(ascending, 0.5), p95: quantile(ascending, 0.95) };
}

answerOnce(profile);
