/** Votes of nearest neighbours among pictures whose similarities are known once for all divisions: a benchmark's short cut. */
import { normaliseRows } from '../../activities/selection/knn.ts';

/** Cosine similarity of each picture with each: row-major [pictures, pictures]. */
export function similarities(embeddings: readonly number[], dimension: number): Float64Array {
  const values = normaliseRows(Float32Array.from(embeddings), dimension);
  const count = values.length / dimension;
  const found = new Float64Array(count * count);
  for (let one = 0; one < count; one++) {
    for (let other = 0; other <= one; other++) {
      let sum = 0;
      for (let at = 0; at < dimension; at++) sum += values[one * dimension + at]! * values[other * dimension + at]!;
      found[one * count + other] = found[other * count + one] = sum;
    }
  }
  return found;
}

/** How many of the asked pictures the vote of their nearest among `known` has right, a picture itself not counted; as knn.ts votes. */
export function rightOf(
  near: Float64Array,
  {
    known,
    asked,
    classes,
    neighbours,
    labels,
  }: {
    readonly known: readonly number[];
    readonly asked: readonly number[];
    readonly classes: Int32Array;
    readonly neighbours: number;
    readonly labels: number;
  },
): number {
  const count = classes.length;
  return asked.filter((query) => {
    const to = (other: number): number => near[query * count + other]!;
    // Sorting is stable: of equally near ones the earlier counts.
    const nearest = known
      .filter((one) => one !== query)
      .toSorted((a, b) => to(b) - to(a))
      .slice(0, neighbours);
    const votes = Array.from({ length: labels }, () => 0);
    const weight = Array.from({ length: labels }, () => 0);
    for (const one of nearest) {
      votes[classes[one]!]! += 1;
      weight[classes[one]!]! += to(one);
    }
    const said = votes.reduce(
      (best, own, label) =>
        own > votes[best]! || (own === votes[best] && weight[label]! > weight[best]!) ? label : best,
      0,
    );
    return said === classes[query];
  }).length;
}
