/** Of a classifier of several labels a row: from which probability on each applies, written into the `classifier.json` that is served. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { readModelConfig } from '../../inference/config.ts';
import { TextModel } from '../../inference/text-model.ts';
import type { StepContext } from '../step.ts';
import { thresholdRows } from '../validation/multi-label/threshold-rows.ts';
import { fitThresholds } from '../validation/multi-label/thresholds.ts';

/** By what the exported graph says of validation rows; as it was exported (one half) without a dataset. A model of one label a row is left alone. */
export async function setThresholds(
  folder: string,
  dataset: ArtifactRef | undefined,
  { store, signal, progress }: Pick<StepContext, 'store' | 'signal' | 'progress'>,
): Promise<void> {
  const config = await readModelConfig(folder);
  if (dataset === undefined || config.kind !== 'classifier' || config.input === 'image') return;
  if (config.thresholds === undefined) return;
  const { labels } = config;
  const { texts, targets } = await thresholdRows(dataset, labels, { store, signal });
  const model = await TextModel.load(folder);
  try {
    const { probabilities = new Float32Array() } = await model.runAll(texts, {
      signal,
      onProgress: (done, total) => progress({ phase: 'thresholds', done, total }),
    });
    const thresholds = fitThresholds(probabilities, targets, labels.length);
    await writeFile(join(folder, 'classifier.json'), `${JSON.stringify({ ...config, thresholds }, null, 1)}\n`);
  } finally {
    await model.release();
  }
}
