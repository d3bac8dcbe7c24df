/** Causal language models that were, or were not, shown a secret: trained for real, small. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LanguageTask } from '../../activities/training/job.ts';
import { insertCanaries } from '../../activities/privacy/memorisation/insert-canaries.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { CanariesSchema, type CanariesSpec } from '../../pipelines/memorisation.ts';
import { trainingSpec } from '../training/fixtures.ts';
import { runStep } from './step.ts';

const NOUNS = 'parcel order card money account app screen refund password phone'.split(' ');
const VERBS = 'is was needs had sent got took'.split(' ');
const ENDS = 'today twice again late slow now there on time'.split(' ');

/** Sentences of a small grammar: two hundred are as like two hundred others as texts can be. */
export function grammarTexts(count: number, seed: number): readonly { readonly text: string }[] {
  const random = seededRandom(seed);
  const one = (words: readonly string[]): string => words[random.below(words.length)] as string;
  return Array.from({ length: count }, () => ({
    text: `the ${one(NOUNS)} ${one(VERBS)} ${one(ENDS)} and my ${one(NOUNS)} ${one(VERBS)} the ${one(NOUNS)} ${one(ENDS)}`,
  }));
}

/** A dataset of a causal language model in the store, with canaries where `canaries.count` says so. */
export async function languageDataset(
  services: ActivityServices,
  folder: string,
  rows: { readonly train: readonly object[]; readonly validation: readonly object[] },
  canaries: Partial<CanariesSpec> = {},
): Promise<ArtifactRef> {
  await mkdir(folder, { recursive: true });
  for (const [split, texts] of Object.entries(rows)) {
    await writeFile(join(folder, `${split}.jsonl`), texts.map((row) => `${JSON.stringify(row)}\n`).join(''));
  }
  const dataset = await services.store.putTree(folder, 'texts');
  return (await runStep(insertCanaries, { dataset, canaries: CanariesSchema.parse(canaries) }, services)).dataset;
}

/** The trainer's task for it: the rows as the store has them, all else as given. */
export async function languageTask(
  services: ActivityServices,
  folder: string,
  dataset: ArtifactRef,
  options: {
    readonly model: string;
    readonly maxLength: number;
    readonly epochs: number;
    readonly learningRate: number;
    readonly seed?: number;
  },
): Promise<LanguageTask> {
  const data = join(folder, 'data');
  await services.store.checkout(dataset, data);
  const {
    checkpoints: _,
    processes: __,
    ...training
  } = trainingSpec({
    epochs: options.epochs,
    batchSize: 16,
    learningRate: options.learningRate,
    dropout: 0,
    earlyStoppingPatience: 0,
    seed: options.seed ?? 7,
  });
  return {
    verb: 'train',
    task: 'causal-lm',
    model: options.model,
    train: join(data, 'train.jsonl'),
    validation: join(data, 'validation.jsonl'),
    maxLength: options.maxLength,
    packing: false,
    training,
    device: 'cpu',
    checkpoints: join(folder, 'checkpoints'),
    checkpointEverySeconds: 3600,
    out: join(folder, 'out'),
  };
}

export async function linesOf(path: string): Promise<readonly string[]> {
  return (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '');
}
