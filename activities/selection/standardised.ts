/** Features as a linear probe learns them: mean 0 and deviation 1 over the rows that it is fitted on, a block of rows at a time. */
import { heldIfSmall, type Blocks, type EmbeddedRows } from './embedded-rows.ts';
import type { LabelledEmbeddings } from './knn.ts';

interface FeatureBlock {
  /** Row-major [rows, dimension]. */
  readonly values: Float64Array;
  readonly classes: Int32Array;
}
export interface Features {
  readonly rows: number;
  /** In order; the values of one stand until the next is asked for. */
  readonly blocks: Blocks<FeatureBlock>;
}
export interface Standardisation {
  readonly mean: Float64Array;
  readonly deviation: Float64Array;
}

/** Mean and deviation of each feature; one that never varies has deviation 1, so that centring makes it zero. */
export async function standardisation(train: EmbeddedRows, dimension: number): Promise<Standardisation> {
  const rows = train.classes.length;
  const mean = new Float64Array(dimension);
  const deviation = new Float64Array(dimension);
  for await (const { embeddings } of train.blocks()) {
    embeddings.forEach((value, at) => (mean[at % dimension]! += value / rows));
  }
  for await (const { embeddings } of train.blocks()) {
    embeddings.forEach((value, at) => (deviation[at % dimension]! += (value - mean[at % dimension]!) ** 2 / rows));
  }
  deviation.forEach((variance, at) => (deviation[at] = variance > 1e-18 ? Math.sqrt(variance) : 1));
  return { mean, deviation };
}

export async function featuresOf(train: EmbeddedRows, scale: Standardisation): Promise<Features> {
  const rows = train.classes.length;
  const bytes = rows * scale.mean.length * Float64Array.BYTES_PER_ELEMENT;
  const blocks = await heldIfSmall(bytes, train, async function* (isHeld) {
    let room = new Float64Array();
    for await (const block of train.blocks()) {
      const { length } = block.embeddings;
      if (isHeld || room.length < length) room = new Float64Array(length);
      yield standardise(block, scale, room.subarray(0, length));
    }
  });
  return { rows, blocks };
}

function standardise(
  data: LabelledEmbeddings,
  { mean, deviation }: Standardisation,
  values: Float64Array,
): FeatureBlock {
  const { embeddings } = data;
  for (let start = 0; start < values.length; start += mean.length) {
    for (let at = 0; at < mean.length; at++)
      values[start + at] = (embeddings[start + at]! - mean[at]!) / deviation[at]!;
  }
  return { values, classes: data.classes };
}
