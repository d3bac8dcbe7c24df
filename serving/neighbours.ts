/** What a picture finds, as an answer's tensors and as the prediction log keeps it. Pure. */
import type { Match } from '../inference/retrieval/embedding-index.ts';
import type { OutputTensor } from './oip.ts';

/** Row-major [pictures, k], the nearest first. Each picture finds as many: the whole gallery where that is smaller than k. */
export function neighbourTensors(
  found: readonly (readonly Match[])[],
  k: number,
): Readonly<Record<'id' | 'similarity' | 'label', OutputTensor>> {
  const matches = found.flatMap((all) => all.slice(0, k));
  const shape = [found.length, matches.length / found.length];
  return {
    id: { datatype: 'BYTES', shape, data: matches.map(({ id }) => id) },
    similarity: { datatype: 'FP32', shape, data: Float32Array.from(matches, ({ similarity }) => similarity) },
    label: { datatype: 'BYTES', shape, data: matches.map(({ label }) => label) },
  };
}

export interface LabelShares {
  /** The one that most of what is found has; of equally many the first of the index's. */
  readonly labels: readonly string[];
  /** Row-major [pictures, labels]: of each label, its share among what is found. */
  readonly probabilities: Float32Array;
}

/** In the place of a classifier's answer: what drift of a gallery's neighbours is seen by. */
export function labelShares(
  found: readonly (readonly Pick<Match, 'label'>[])[],
  neighbours: number,
  labels: readonly string[],
): LabelShares {
  const classOf = new Map(labels.map((label, place) => [label, place]));
  const probabilities = new Float32Array(found.length * labels.length);
  const most = found.map((all, row) => {
    const counted = all.slice(0, neighbours);
    const shares = probabilities.subarray(row * labels.length, (row + 1) * labels.length);
    for (const { label } of counted) {
      const place = classOf.get(label);
      if (place !== undefined) shares[place] = (shares[place] ?? 0) + 1 / counted.length;
    }
    return labels[shares.indexOf(Math.max(...shares))] ?? '';
  });
  return { labels: most, probabilities };
}
