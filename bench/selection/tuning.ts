/** Trainings of the small encoder on a set, and what they answer to its test rows: of the benchmarks of settings. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ExportClassifierResultSchema,
  TrainResultSchema,
  type TextTask,
  type TrainerTask,
} from '../../activities/training/job.ts';
import { argmaxRows } from '../../activities/validation/metrics.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { TextModel } from '../../inference/text-model.ts';
import { TrainingSchema } from '../../pipelines/definition/training.ts';
import { completed, type RecipeFacts } from '../../pipelines/recipe.ts';
import { runTasks, temporaryFolder } from '../../test/training/fixtures.ts';
import { MAX_LENGTH } from './candidates.ts';
import type { Prepared, Row } from './sets.ts';

export interface Tuned {
  readonly accuracy: number;
  readonly seconds: number;
  /** Where it was asked: whether it is right on each test row. */
  readonly right?: readonly boolean[];
}

/**
 * Trains by each of the settings, those left open being the table's; all in one process, whose start costs seconds. `part`: the rows
 * that are trained on, where a trial names no others; `encoder`: its folder. `seconds` is the mean of all.
 */
export async function tuneAll(
  store: ArtifactStore,
  encoder: string,
  {
    part,
    set,
    facts,
    seed,
    tested,
  }: {
    readonly part: ArtifactRef;
    readonly set: Prepared;
    readonly facts: RecipeFacts;
    readonly seed: number;
    readonly tested: boolean;
  },
  trials: readonly { readonly id: string; readonly settings: object; readonly part?: ArtifactRef }[],
): Promise<readonly Tuned[]> {
  const folder = await temporaryFolder();
  const parts = new Map<string, string>();
  for (const { part: own = part } of trials) {
    if (parts.has(own.digest)) continue;
    parts.set(own.digest, join(folder, `data-${parts.size}`));
    await store.checkout(own, parts.get(own.digest)!);
  }
  const trainings = trials.map(({ id, settings, part: own = part }): TextTask => {
    const rows = parts.get(own.digest)!;
    const named = TrainingSchema.parse({ seed, ...settings });
    const { checkpoints: _, processes: __, launcher: ___, search: ____, ...training } = completed(named, facts);
    return {
      verb: 'train',
      model: encoder,
      train: join(rows, 'train.jsonl'),
      validation: join(rows, 'validation.jsonl'),
      labels: set.labels,
      pooling: 'mean',
      maxLength: MAX_LENGTH,
      training,
      device: 'cpu',
      checkpoints: join(folder, id, 'checkpoints'),
      out: join(folder, id, 'out'),
    };
  });
  const began = performance.now();
  const results = await resultsOf(trainings);
  const seconds = (performance.now() - began) / 1000 / trials.length;
  const exported = await resultsOf(tested ? trainings.map(exportOf) : []);
  const found: Tuned[] = [];
  for (const [at] of trials.entries()) {
    const { validationAccuracy } = TrainResultSchema.parse(results[at]);
    const right = tested ? { right: await rightOnTest(store, exported[at], set) } : {};
    found.push({ accuracy: validationAccuracy ?? Number.NaN, seconds, ...right });
  }
  return found;
}

function exportOf({ out }: TextTask): TrainerTask {
  return { verb: 'export-classifier', model: join(out, 'model'), out: `${out}-onnx` };
}

async function resultsOf(tasks: readonly TrainerTask[]): Promise<readonly unknown[]> {
  if (tasks.length === 0) return [];
  const { outcome } = await runTasks(tasks);
  if (outcome.kind !== 'done') throw new Error('a process of the benchmark was stopped');
  return outcome.results;
}

async function rightOnTest(
  store: ArtifactStore,
  exported: unknown,
  { tested, labels }: Prepared,
): Promise<readonly boolean[]> {
  const folder = await temporaryFolder();
  await store.checkout(tested, join(folder, 'data'));
  const lines = (await readFile(join(folder, 'data', 'validation.jsonl'), 'utf8')).trimEnd().split('\n');
  const rows = lines.map((line) => JSON.parse(line) as Row);
  const model = await TextModel.load(ExportClassifierResultSchema.parse(exported).classifier);
  const { probabilities } = await model.runAll(rows.map(({ text }) => text));
  await model.release();
  const said = argmaxRows(probabilities!, labels.length);
  return rows.map(({ label }, row) => labels[said[row]!] === label);
}
