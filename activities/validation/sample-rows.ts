/** A bounded sample of a split: evaluation's cost must not grow with the training data. */
import type { LabelledRows } from '../data/dataset.ts';
import { sampleIndices, seededRandom, shuffleStart } from './random.ts';

/** Of a sample's rows as they stand in their file: 20,000 of 3.3 kB. A text takes up to twice as much in memory. */
const SAMPLE_BYTES = 2 ** 26;
/** Of its own: what fits must not depend on what else draws by the run's seed. */
const STREAM = 22;

/** Places of all rows, or of a seeded sample of `most` of them, ascending. */
export function sampledPlaces(rows: number, most: number, seed: number): readonly number[] {
  return sampleIndices(rows, most, seededRandom(seed));
}

/**
 * Of places that were drawn those whose rows fit into `most` bytes, ascending: all of them, or in a seeded order as many as do, one
 * at least. The order knows nothing of the rows, so that a few long ones keep no more than their share of it.
 */
export function placesThatFit(
  places: readonly number[],
  /** Bytes of every row of the split. */
  sizes: Uint32Array,
  seed: number,
  most = SAMPLE_BYTES,
): readonly number[] {
  if (places.reduce((sum, place) => sum + sizes[place]!, 0) <= most) return places;
  const order = [...places];
  shuffleStart(order, order.length, seededRandom(seed, STREAM));
  let bytes = 0;
  const over = order.findIndex((place) => (bytes += sizes[place]!) > most);
  return order.slice(0, Math.max(1, over)).toSorted((left, right) => left - right);
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
