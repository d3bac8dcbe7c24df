/**
 * The program that profile-encoder.ts forks: a process of its own, so that its memory and its time are the model's alone.
 * Takes one `ProfileTask`, answers with one `ProfileAnswer`.
 */
import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { ImageModel } from '../../inference/image-model.ts';
import { EmbeddingIndex } from '../../inference/retrieval/embedding-index.ts';
import { TextModel } from '../../inference/text-model.ts';
import { PACKED_LIMITS } from '../data/images/pictures.ts';
import { answerOnce } from './measuring-child.ts';
import type { ProfileAnswer, ProfileTask } from './profile-encoder.ts';
import { leastTime } from './least-time.ts';
import { countedMs, largestWaitedShare } from './own-time.ts';
import { peakMemoryMb } from './peak-memory.ts';
import { quietestPass } from './quietest-pass.ts';
import { timeRuns } from './timed-runs.ts';

// Pictures are decoded on one thread, as the model runs on one; left to itself, sharp takes all cores on some systems.
sharp.concurrency(1);

interface Asked {
  /** How many different inputs there are. */
  readonly inputs: number;
  /** One of them, as a request holds it; what it gives takes it through the model, and that is timed. */
  readonly take: (place: number) => Promise<() => Promise<unknown>>;
  readonly release: () => Promise<void>;
}

async function load(task: ProfileTask): Promise<Asked> {
  if ('texts' in task) {
    const { texts } = task;
    const model = await TextModel.load(task.folder);
    return {
      inputs: texts.length,
      take: (place) => Promise.resolve(() => model.run([texts[place] ?? ''])),
      release: () => model.release(),
    };
  }
  const { pictures } = task;
  const model = await ImageModel.load(task.folder);
  const { index: wanted } = task;
  const index = wanted === undefined ? undefined : await EmbeddingIndex.load(wanted.folder);
  return {
    inputs: pictures.length,
    // One file at a time: a hundred large ones would be a measure of themselves.
    take: async (place) => {
      const picture = await readFile(pictures[place]!);
      return async () => {
        const { embeddings } = await model.run([picture], { limits: PACKED_LIMITS });
        return wanted === undefined ? embeddings : index?.search(embeddings, { k: wanted.k });
      };
    },
    release: () => model.release(),
  };
}

async function profile(task: ProfileTask): Promise<ProfileAnswer> {
  const before = process.memoryUsage.rss();
  const model = await load(task);
  let memory = process.memoryUsage.rss();
  const inputs = Math.max(1, model.inputs);
  const { times, warmUps, told } = await timeRuns(inputs, model.take, () => {
    memory = Math.max(memory, process.memoryUsage.rss());
  });
  await model.release();
  // A starved machine may leave hardly a run after the warm-up, and what it says of the least is no less true.
  const leastMs = leastTime([...warmUps, ...times], told);
  return {
    latency: {
      ...quietestPass(countedMs(times, told), inputs),
      runs: times.length,
      warmupRuns: warmUps.length,
      waitedShare: largestWaitedShare(warmUps, times, told),
      ...(leastMs === undefined ? {} : { leastMs }),
    },
    processMb: peakMemoryMb(),
    memoryMb: (memory - before) / 1e6,
  };
}

answerOnce(profile);
