/** Who stands around a picture, and what each counts where the gallery's labels are mixed otherwise than those who ask. Pure. */

/** Neighbours that a picture's label is held against. */
export const NEIGHBOURS = 10;
/** Of unequal witnesses; chosen on simulated galleries other than those that bench/gates-finder-mix.ts draws, of 3, 5 and 10. */
const LEAST_WEIGHT = 5;

/** How many times as often one side has a label as the other, beyond a standard error, before it counts. */
const OTHERWISE = 1.5;

/** Pictures of each label. */
export function countLabels(classes: Int32Array, labels: number): Uint32Array {
  const counts = new Uint32Array(labels);
  for (const label of classes) counts[label]!++;
  return counts;
}

/**
 * A weight of 0–1 for the gallery pictures of each label: how often those who ask have it against how often the gallery does (Shimodaira,
 * Journal of Statistical Planning and Inference 90(2), 2000), so that neighbours are mixed as those who ask are. Each ratio is drawn to 1
 * by a standard error, and is 1 within half as often again. The largest among labels that can fill a neighbourhood is 1: weights are
 * equal where the mixes are. `inGallery`: pictures of each label.
 */
export function mixWeights(asking: Int32Array, inGallery: Uint32Array): Float64Array {
  const asked = new Uint32Array(inGallery.length);
  for (const label of asking) asked[label]!++;
  const shown = inGallery.reduce((sum, count) => sum + count, 0);
  const logs = Float64Array.from(inGallery, (held, label) => {
    // As many as half a picture where there is none.
    const [ours, theirs] = [Math.max(asked[label]!, 0.5), Math.max(held, 0.5)];
    const log = Math.log((ours * shown) / (theirs * asking.length));
    const shrunk = Math.max(0, Math.abs(log) - Math.sqrt(1 / ours + 1 / theirs));
    return shrunk <= Math.log(OTHERWISE) ? 0 : Math.sign(log) * shrunk;
  });
  const filling = logs.filter((_, label) => inGallery[label]! > NEIGHBOURS);
  const largest = filling.length === 0 ? 0 : Math.max(...filling);
  return logs.map((log) => Math.min(1, Math.exp(log - largest)));
}

/**
 * Share of each label among the nearest ten; where gallery pictures of some labels weigh less (`mixWeights`), among as many as weigh five
 * or more together, their weights summed: ten of a label that weighs little would be a fraction of a witness. `order`: the gallery, the
 * nearest first; of fewer than ten the rest counts as of no label.
 */
export function sharesAround(
  order: Uint32Array,
  classOf: (row: number) => number,
  weights: Float64Array,
): Float64Array {
  const shares = new Float64Array(weights.length);
  const { whole } = weigh(order, classOf, weights, shares);
  return shares.map((share) => share / whole);
}

/** How many of the nearest are witnesses. */
export function witnessesAround(order: Uint32Array, classOf: (row: number) => number, weights: Float64Array): number {
  return weigh(order, classOf, weights, new Float64Array(weights.length)).pictures;
}

/** What witnesses say of a picture. */
export interface Vote {
  /** Share of its own label. */
  readonly own: number;
  /** The label with the largest share; −1 where nobody stands around it. */
  readonly top: number;
  readonly share: number;
}

/** Asks the same witnesses for one label. `room`: zeros, a number a label, and left so: pictures are asked many times over. */
export function voteAround(
  order: Uint32Array,
  classOf: (row: number) => number,
  weights: Float64Array,
  { label, room }: { readonly label: number; readonly room: Float64Array },
): Vote {
  const { pictures, whole } = weigh(order, classOf, weights, room);
  const own = room[label]! / whole;
  let [top, largest] = [-1, 0];
  for (let at = 0; at < pictures; at++) {
    const other = classOf(order[at]!);
    const sum = room[other]!;
    if (sum > largest) [top, largest] = [other, sum];
  }
  for (let at = 0; at < pictures; at++) room[classOf(order[at]!)] = 0;
  return { own, top, share: largest / whole };
}

/** Adds each label's weight to `sums`, and says what all of them weigh. */
function weigh(
  order: Uint32Array,
  classOf: (row: number) => number,
  weights: Float64Array,
  sums: Float64Array,
): { readonly pictures: number; readonly whole: number } {
  let [pictures, weight] = [0, 0];
  while (pictures < order.length && (pictures < NEIGHBOURS || weight < LEAST_WEIGHT)) {
    const label = classOf(order[pictures++]!);
    sums[label]! += weights[label]!;
    weight += weights[label]!;
  }
  return { pictures, whole: pictures < NEIGHBOURS ? NEIGHBOURS : weight };
}
