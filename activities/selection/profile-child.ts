/**
 * The program that profile-encoder.ts forks: a process of its own, so that its memory and its time are the model's alone.
 * Takes one `ProfileTask`, answers with one `ProfileAnswer`.
 */
import { TextModel } from '../../inference/text-model.ts';
import { quantile } from '../validation/statistics.ts';
import { answerOnce } from './measuring-child.ts';
import type { ProfileAnswer, ProfileTask } from './profile-encoder.ts';

const WARM_UP_RUNS = 20;
const LEAST_RUNS = 100;
const MOST_RUNS = 1000;
/** Runs go on for this long where they are fast, so that a short disturbance does not make the tail. */
const USUAL_MS = 3000;
/** A slow model gets fewer than `LEAST_RUNS` rather than hold up the run. */
const MOST_MS = 10_000;

async function profile({ folder, texts }: ProfileTask): Promise<ProfileAnswer> {
  const before = process.memoryUsage.rss();
  const model = await TextModel.load(folder);
  let memory = process.memoryUsage.rss();
  const began = performance.now();
  const runOnce = async (run: number): Promise<number> => {
    const text = texts[run % texts.length] ?? '';
    const start = performance.now();
    await model.run([text]);
    return performance.now() - start;
  };
  const isOver = (runs: number, least: number): boolean => {
    const elapsed = performance.now() - began;
    return elapsed > MOST_MS || (runs >= least && elapsed > USUAL_MS);
  };
  let warmupRuns = 0;
  while (warmupRuns < WARM_UP_RUNS && !isOver(warmupRuns, WARM_UP_RUNS)) await runOnce(warmupRuns++);
  const times: number[] = [];
  while (times.length < MOST_RUNS && (times.length === 0 || !isOver(times.length, LEAST_RUNS))) {
    times.push(await runOnce(times.length));
    memory = Math.max(memory, process.memoryUsage.rss());
  }
  await model.release();
  times.sort((left, right) => left - right);
  return {
    latency: {
      p50Ms: quantile(times, 0.5),
      p95Ms: quantile(times, 0.95),
      meanMs: times.reduce((sum, time) => sum + time, 0) / times.length,
      runs: times.length,
      warmupRuns,
    },
    memoryMb: (memory - before) / 1e6,
  };
}

answerOnce(profile);
