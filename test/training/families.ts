/** Trainings of every family and method, and the driver that disturbs them (workers/trainer/tests/kills.py). */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TrainTask } from '../../activities/training/job.ts';
import type { TrainingSpec } from '../../pipelines/definition.ts';
import { pythonForTests } from '../support/python.ts';
import {
  tinyLanguageArchitectures,
  tinyPictureArchitectures,
  tinyTextArchitectures,
} from '../support/tiny-architectures.ts';
import { tinyGpt } from '../support/tiny-gpt.ts';
import { PICTURE_LABELS, tinyImages } from '../support/tiny-image.ts';
import { temporaryFolder, trainTask } from './fixtures.ts';

export interface Kill {
  readonly atStep: number;
  readonly by: string;
  /** The step the attempt began at; null when it was gone before it was ready. */
  readonly from: number | null;
  readonly exit: number;
}
export interface Disturbed {
  readonly label: string;
  readonly failure?: string;
  readonly steps: number;
  readonly kills: readonly Kill[];
  readonly resumedExact: { readonly value: boolean; readonly reasons: readonly string[] };
  /** SHA-256 by file of what the undisturbed run, and of what the killed one left. */
  readonly whole: Readonly<Record<string, string>>;
  readonly disturbed: Readonly<Record<string, string>>;
}

const SPEC: Partial<TrainingSpec> = {
  schedule: 'cosine',
  warmupFraction: 0.1,
  gradientAccumulation: 2,
  batchSize: 5, // leaves an odd rest
  epochs: 4,
  earlyStoppingPatience: 2,
  lora: { rank: 4, alpha: 8, dropout: 0.1 },
};

/** Each family's tasks by label, full and LoRA. */
export async function familyTasks(): Promise<Readonly<Record<string, TrainTask>>> {
  const [images, gpt] = [await tinyImages(), await tinyGpt()];
  const data = (folder: string) => ({
    train: join(folder, 'train.jsonl'),
    validation: join(folder, 'validation.jsonl'),
  });
  const picture = {
    task: 'image-classification' as const,
    model: images.model,
    ...data(images.data),
    labels: PICTURE_LABELS,
    augmentation: { horizontalFlip: true, minimumCropArea: 0.3 },
  };
  const language = { task: 'causal-lm' as const, model: gpt.model, maxLength: 32 };
  const tasks: Record<string, TrainTask> = {};
  for (const method of ['full', 'lora'] as const) {
    const text = await trainTask('', { ...SPEC, method }, { checkpointEverySteps: 2 });
    const { task: _task, labels: _labels, pooling: _pooling, maxLength: _maxLength, ...common } = text;
    tasks[`text-classification ${method}`] = { ...text };
    tasks[`image-classification ${method}`] = { ...common, ...picture };
    const rows = method === 'full' ? { ...data(gpt.texts), packing: true } : { ...data(gpt.pairs), packing: false };
    tasks[`causal-lm ${method}`] = { ...common, ...language, ...rows };
  }
  return tasks;
}

/** A task of every architecture that the trainer loads, by `task model_type`: in full, with the dropout that each comes with. */
export async function architectureTasks(): Promise<Readonly<Record<string, TrainTask>>> {
  const known = await familyTasks();
  const found: Record<string, TrainTask> = {};
  for (const [task, architectures] of [
    ['text-classification', await tinyTextArchitectures()],
    ['image-classification', await tinyPictureArchitectures()],
    ['causal-lm', await tinyLanguageArchitectures()],
  ] as const) {
    const { training, ...about } = known[`${task} full`]!;
    // Three epochs: one to be in, one behind it, one before it.
    for (const [kind, model] of Object.entries(architectures))
      found[`${task} ${kind}`] = { ...about, model, training: { ...training, epochs: 3 } };
  }
  return found;
}

/** Runs each task undisturbed, then killed `kills` times, all moments drawn from the seed. */
export async function disturb(
  tasks: Readonly<Record<string, TrainTask>>,
  { kills, seed }: { readonly kills: number; readonly seed: number },
): Promise<readonly Disturbed[]> {
  const folder = await temporaryFolder();
  const trainings = Object.entries(tasks).map(([label, task]) => ({ label, task, kills }));
  await writeFile(join(folder, 'plan.json'), JSON.stringify({ seed, folder, trainings }));
  const { executable, packages } = pythonForTests();
  const env = {
    ...process.env,
    OMP_NUM_THREADS: '1',
    TOKENIZERS_PARALLELISM: 'false',
    HF_HUB_OFFLINE: '1',
    PYTHONHASHSEED: '0',
    PYTHONDONTWRITEBYTECODE: '1',
  };
  const argv = ['-m', 'tests.kills', join(folder, 'plan.json')];
  const { stdout } = await promisify(execFile)(executable, argv, { cwd: packages, env, maxBuffer: 1e9 });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Disturbed);
}
