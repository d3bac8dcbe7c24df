/** A bounded sample of a split: evaluation's cost must not grow with the training data. */
import type { LabelledRows } from '../data/dataset.ts';
import { sampleIndices, seededRandom } from './random.ts';

/** Places of all rows, or of a seeded sample of `most` of them, ascending. */
export function sampledPlaces(rows: number, most: number, seed: number): readonly number[] {
  return sampleIndices(rows, most, seededRandom(seed));
}

/** All rows, or a seeded sample of `most` of them in their order. */
export function sampleRows(rows: LabelledRows, most: number, seed: number): LabelledRows {
  if (rows.ids.length <= most) return rows;
  const indices = sampledPlaces(rows.ids.length, most, seed);
  return {
    ids: indices.map((index) => rows.ids[index]!),
    texts: indices.map((index) => rows.texts[index]!),
    classes: Int32Array.from(indices, (index) => rows.classes[index]!),
  };
}
