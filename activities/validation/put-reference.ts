/** The tree that monitoring compares traffic with (artifacts/bundle.ts). */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ReferenceStatistics } from '../../artifacts/bundle.ts';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { StepContext } from '../step.ts';
import { float32ToBytes } from './float32.ts';

interface Reference {
  readonly labels: readonly string[];
  /** Where a row may have several labels. */
  readonly thresholds?: readonly number[];
  readonly test: {
    readonly ids: readonly string[];
    readonly embeddings: Float32Array;
    readonly probabilities: Float32Array;
    /** Where its rows stand in the test split. */
    readonly places: readonly number[];
  };
  /** Whether the test split has more rows. */
  readonly sampled: boolean;
  readonly textLengths: readonly number[];
}

export async function putReference(
  { store, workDir, signal }: StepContext,
  { labels, thresholds, test: answers, sampled, textLengths }: Reference,
): Promise<ArtifactRef> {
  const rows = answers.ids.length;
  const statistics: ReferenceStatistics = {
    version: 1,
    rows,
    dimension: answers.embeddings.length / rows,
    labels,
    ...(thresholds === undefined ? {} : { thresholds }),
    embeddings: 'embeddings.f32',
    probabilities: 'probabilities.f32',
    ...(sampled ? { places: answers.places } : {}),
    textLengths,
  };
  const folder = join(workDir, 'reference');
  await mkdir(folder);
  await Promise.all([
    writeFile(join(folder, 'reference.json'), canonicalJson(statistics)),
    writeFile(join(folder, 'embeddings.f32'), float32ToBytes(answers.embeddings)),
    writeFile(join(folder, 'probabilities.f32'), float32ToBytes(answers.probabilities)),
  ]);
  return store.putTree(folder, 'reference', { signal });
}
