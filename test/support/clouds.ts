import { seededRandom } from '../../activities/validation/random.ts';

/** Rows of `classes` clouds, their centres `apart`. */
export function clouds(rows: number, classes: number, apart: number, seed: number, dimension = 8) {
  const random = seededRandom(seed);
  const labels = Int32Array.from({ length: rows }, (_, row) => row % classes);
  const embeddings = Float32Array.from(
    { length: rows * dimension },
    (_, at) => random.normal() + (at % dimension === labels[Math.floor(at / dimension)] ? apart : 0),
  );
  return { embeddings, classes: labels };
}
