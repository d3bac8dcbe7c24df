/**
 * How far an answer about a picture is from being wrong: above 0 while it is right. What an attack without gradients lowers.
 * NaN where a number is none: that is no right answer. Pure.
 */

/** The smallest float32 above 0: a softmax that says 0 has not said by how much. */
const LEAST = 2 ** -149;

/**
 * Of the true class over the best other one, in logarithms of probabilities: the difference of their logits, whatever the
 * softmax has done to them.
 */
export function classMargin(probabilities: Float32Array, label: number): number {
  let other = Number.NEGATIVE_INFINITY;
  for (const [at, probability] of probabilities.entries()) {
    if (at !== label) other = Math.max(other, logarithm(probability));
  }
  return logarithm(probabilities[label]!) - other;
}

/**
 * Of the most similar entry of the picture's own label over the most similar one of another: right is what finds its own
 * label first. Without the picture itself; null where nothing of its label is left to find.
 */
export function neighbourMargin(
  { ids, classes }: { readonly ids: readonly string[]; readonly classes: ArrayLike<number> },
  similarities: Float64Array,
  query: { readonly id: string; readonly label: number },
): number | null {
  let own: number | null = null;
  // No cosine is lower: where all of the gallery has one label, that is what is found first.
  let other = -2;
  for (const [row, similarity] of similarities.entries()) {
    if (ids[row] === query.id) continue;
    if (classes[row] === query.label) own = Math.max(own ?? similarity, similarity);
    else other = Math.max(other, similarity);
  }
  return own === null ? null : own - other;
}

function logarithm(probability: number): number {
  return Math.log(Math.max(LEAST, probability));
}
