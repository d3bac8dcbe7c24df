/** The program that profile-generator.ts forks: one answer at a time, on one thread, its time and its memory its own. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { Message } from '../../inference/generation/chat.ts';
import { Generator } from '../../inference/generation/generator.ts';
import type { TimedLength } from '../../pipelines/answer-time.ts';
import { answerOnce } from '../selection/measuring-child.ts';
import { leastTime } from '../selection/least-time.ts';
import { openOwnClock, type OwnClock } from '../selection/own-clock.ts';
import { countedMs, waitedShare, type RunTime } from '../selection/own-time.ts';
import { quantile } from '../validation/statistics.ts';
import { isFarFrom, lengthened, otherLengths, shortened, textOf } from './longer-prompts.ts';
import type { GeneratorTimes, ProfileTask } from './profile-generator.ts';

const WARM_UP_ANSWERS = 2;
/** A slow model gives fewer answers rather than hold up the run; of each other length one at least. */
const MOST_MS = 10_000;
/** Of each other length. */
const ANSWERS_A_LENGTH = 4;
/** A prompt of another text may have more tokens than it was cut for: then it is cut again. */
const SHORTER = 0.8;

interface TimedRun {
  readonly first: RunTime;
  readonly whole: RunTime;
  /** Each token after the first; undefined where there was none. */
  readonly later: RunTime | undefined;
  readonly tokens: number;
  readonly promptTokens: number;
}
interface Timing {
  readonly generator: Generator;
  readonly clock: OwnClock;
  readonly task: ProfileTask;
}

async function profile(task: ProfileTask): Promise<GeneratorTimes> {
  const before = process.memoryUsage.rss();
  const generator = await Generator.load(task.folder, { threads: 1 });
  let memory = process.memoryUsage.rss();
  const clock = openOwnClock();
  const timing = { generator, clock, task };
  const runs: TimedRun[] = [];
  const began = performance.now();
  for (const [index, conversation] of task.conversations.entries()) {
    const run = await timeOne(timing, conversation, index);
    memory = Math.max(memory, process.memoryUsage.rss());
    if (index < WARM_UP_ANSWERS) continue;
    runs.push(run);
    if (performance.now() - began > MOST_MS) break;
  }
  // Whether own times count is asked of all runs at once, so those of other lengths come before.
  const longer = task.longer === true && runs.length > 0 ? await timeLengths(timing, runs) : undefined;
  const told = clock.told();
  clock.close();
  await generator.release();
  const firstMs = countedMs(firstOf(runs), told);
  const later = laterOf(runs);
  const whole = runs.map((run) => run.whole);
  const answer = {
    meanMs: mean(countedMs(whole, told)),
    meanTokens: mean(runs.map(({ tokens }) => tokens)),
    firstMs: mean(firstMs),
    promptTokens: mean(runs.map(({ promptTokens }) => promptTokens)),
    ...(longer === undefined ? {} : { longer: longer.map((of) => timedLength(of, told)) }),
  };
  const [firstToken, token] = [firstOf(runs), later].map((of) => leastTime(of, told));
  const leastMs = { ...(firstToken === undefined ? {} : { firstToken }), ...(token === undefined ? {} : { token }) };
  return {
    firstTokenMs: quantiles(firstMs),
    // Of a model that never writes a second token, the first is all there is.
    msPerToken: quantiles(later.length > 0 ? countedMs(later, told) : firstMs),
    answers: runs.length,
    ...(runs.length === 0 ? {} : { answer }),
    waitedShare: waitedShare(whole, told),
    leastMs,
    memoryMb: (memory - before) / 1e6,
  };
}

async function timeOne(
  { generator, clock, task }: Timing,
  conversation: readonly Message[],
  seed: number,
): Promise<TimedRun> {
  const elapsed = clock.start();
  let toFirst: RunTime | undefined;
  const pieces = generator.generate(conversation, { maxNewTokens: task.maxNewTokens, seed });
  let answer = await pieces.next();
  while (answer.done !== true) {
    toFirst ??= elapsed();
    answer = await pieces.next();
  }
  const whole = elapsed();
  const { tokens, promptTokens } = answer.value;
  const later = tokens > 1 && toFirst !== undefined ? eachOf(tokens - 1, toFirst, whole) : undefined;
  // What ends at once has one step: that it wrote nothing.
  return { first: toFirst ?? whole, whole, later, tokens, promptTokens };
}

/** The same questions with more before them, or their ends: a few answers each, the memory of which does not count. */
async function timeLengths(timing: Timing, runs: readonly TimedRun[]): Promise<readonly (readonly TimedRun[])[]> {
  const { generator, task } = timing;
  const { conversations, maxNewTokens } = task;
  const timed = {
    promptTokens: mean(runs.map(({ promptTokens }) => promptTokens)),
    firstMs: mean(countedMs(firstOf(runs), timing.clock.told())),
  };
  const asked = conversations.slice(WARM_UP_ANSWERS, WARM_UP_ANSWERS + runs.length);
  const perToken = mean(asked.map((one) => textOf(one).length)) / timed.promptTokens;
  const lengths = otherLengths(timed, {
    contextTokens: generator.config.contextTokens,
    newTokens: maxNewTokens,
  });
  const found: TimedRun[][] = [];
  for (const length of lengths) {
    const began = performance.now();
    const of: TimedRun[] = [];
    for (const [index, conversation] of asked.slice(0, ANSWERS_A_LENGTH).entries()) {
      const more = Math.round((length - timed.promptTokens) * perToken);
      const run =
        more < 0
          ? await timeOne(timing, shortened(conversation, Math.round(length * perToken)), index)
          : await timeFitting(timing, conversation, more, index);
      if (run !== undefined) of.push(run);
      if (performance.now() - began > MOST_MS) break;
    }
    // A template may make much of a short question, and little may have fitted of a long one.
    if (of.length > 0 && isFarFrom(timed.promptTokens, mean(of.map(({ promptTokens }) => promptTokens))))
      found.push(of);
  }
  return found;
}

/** undefined where nothing that is longer fits the context. */
async function timeFitting(
  timing: Timing,
  conversation: readonly Message[],
  characters: number,
  seed: number,
): Promise<TimedRun | undefined> {
  for (let most = characters; most >= characters / 4; most = Math.floor(most * SHORTER)) {
    try {
      return await timeOne(timing, lengthened(conversation, most, timing.task.conversations), seed);
    } catch (error) {
      if (!(error instanceof EspalierError) || error.kind !== 'BadRequest') throw error;
    }
  }
  return undefined;
}

function timedLength(runs: readonly TimedRun[], told: boolean): TimedLength {
  const later = laterOf(runs);
  return {
    promptTokens: median(runs.map(({ promptTokens }) => promptTokens)),
    firstMs: median(countedMs(firstOf(runs), told)),
    tokens: median(runs.map(({ tokens }) => tokens)),
    ...(later.length === 0 ? {} : { tokenMs: median(countedMs(later, told)) }),
  };
}

function firstOf(runs: readonly TimedRun[]): readonly RunTime[] {
  return runs.map(({ first }) => first);
}

function laterOf(runs: readonly TimedRun[]): readonly RunTime[] {
  return runs.flatMap(({ later }) => later ?? []);
}

/** The time of one of so many tokens. */
function eachOf(tokens: number, from: RunTime, to: RunTime): RunTime {
  const one = (of: keyof RunTime): number => Math.max(0, to[of] - from[of]) / tokens;
  return { clockMs: one('clockMs'), ownMs: one('ownMs'), leastMs: one('leastMs') };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function median(values: readonly number[]): number {
  return quantile(
    values.toSorted((left, right) => left - right),
    0.5,
  );
}

function quantiles(times: readonly number[]): { p50: number; p95: number } {
  const ascending = times.toSorted((left, right) => left - right);
  return { p50: quantile(ascending, 0.5), p95: quantile(ascending, 0.95) };
}

answerOnce(profile);
