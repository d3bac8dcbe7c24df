/** All pictures of a pool by how near they are, made once: draws only say who is in the gallery. */
import { averagePrecision, type Ranking } from '../../activities/retrieval/metrics.ts';
import { similarityOf } from '../../inference/retrieval/nearest.ts';

/** Of every row all rows, the nearest first; `vectors` are unit vectors, row-major. */
export function nearestFirst(vectors: Float32Array, rows: number): readonly Uint32Array[] {
  const dimension = vectors.length / rows;
  return Array.from({ length: rows }, (_, row) => {
    const query = vectors.subarray(row * dimension, (row + 1) * dimension);
    const scores = Float64Array.from({ length: rows }, (__, other) => similarityOf(vectors, other, query));
    return Uint32Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]!);
  });
}

/** A gallery as a row ranks it by the neighbours of one, itself left out. No two are equally near. */
export function rankingIn(
  near: Uint32Array,
  row: number,
  gallery: { readonly has: (row: number) => boolean; readonly classes: readonly number[] },
): Ranking {
  const order = near.filter((other) => other !== row && gallery.has(other));
  const own = gallery.classes[row];
  return {
    scores: Int32Array.from(order, (_, place) => -place),
    relevant: Uint8Array.from(order, (other) => Number(gallery.classes[other] === own)),
  };
}

export function precisionIn(...asked: Parameters<typeof rankingIn>): number {
  return averagePrecision(rankingIn(...asked));
}
