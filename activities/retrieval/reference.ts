/** What drift of a served index is measured against, in the form that a classifier's has. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ReferenceStatistics } from '../../artifacts/bundle.ts';
import { definedOnly } from '../../artifacts/defined-only.ts';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { Match } from '../../inference/retrieval/embedding-index.ts';
import type { AnsweredPictures } from '../selection/embed-pictures.ts';
import type { StepContext } from '../step.ts';
import { float32ToBytes } from '../validation/float32.ts';
import type { Asked } from './ask-index.ts';

/** The share of each label among what is found, in label order; row-major where several are asked. */
export function labelShares(found: readonly Pick<Match, 'label'>[], labels: readonly string[]): Float32Array {
  const shares = new Float32Array(labels.length);
  for (const { label } of found) shares[labels.indexOf(label)]! += 1 / found.length;
  return shares;
}

interface Asking extends Pick<AnsweredPictures, 'ids' | 'embeddings'> {
  /** Which of the test pictures asked, ascending; undefined where they are all. */
  readonly places: readonly number[] | undefined;
}

/** Every test picture's embedding, and the labels of what it finds where a classifier has probabilities. */
export async function putNeighbourReference(
  { ids, embeddings, places }: Asking,
  { found }: Pick<Asked, 'found'>,
  labels: readonly string[],
  { store, workDir, signal }: StepContext,
): Promise<ArtifactRef> {
  const rows = ids.length;
  const statistics: ReferenceStatistics = {
    version: 1,
    rows,
    dimension: embeddings.length / rows,
    labels,
    embeddings: 'embeddings.f32',
    probabilities: 'probabilities.f32',
    ...definedOnly({ places }),
    textLengths: ids.map(() => 0),
  };
  const shares = new Float32Array(rows * labels.length);
  for (const [row, matches] of found.entries()) shares.set(labelShares(matches, labels), row * labels.length);
  const folder = join(workDir, 'reference');
  await mkdir(folder);
  await Promise.all([
    writeFile(join(folder, 'reference.json'), canonicalJson(statistics)),
    writeFile(join(folder, 'embeddings.f32'), float32ToBytes(embeddings)),
    writeFile(join(folder, 'probabilities.f32'), float32ToBytes(shares)),
  ]);
  return store.putTree(folder, 'reference', { signal });
}
