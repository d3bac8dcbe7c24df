/** Made-up model outputs with a known distribution, so that a drift test's rates can be counted. */
import type { ModelOutputs } from '../../activities/monitoring/drift.ts';
import type { Random } from '../../activities/validation/random.ts';

export interface Traffic {
  /** Share of each class. */
  readonly prior: readonly number[];
  /** Added to one direction of every embedding, in standard deviations. */
  readonly shift: number;
  /** Share of blank texts. */
  readonly blank: number;
}

export const USUAL: Traffic = { prior: [0.25, 0.25, 0.25, 0.25], shift: 0, blank: 0 };
export const DIMENSION = 16;

/** Classes are Gaussian clouds around different centres; probabilities a noisy softmax; lengths log-normal. */
export function drawTraffic(rows: number, random: Random, traffic: Partial<Traffic> = {}): ModelOutputs {
  const { prior, shift, blank } = { ...USUAL, ...traffic };
  const classes = prior.length;
  const embeddings = new Float32Array(rows * DIMENSION);
  const probabilities = new Float32Array(rows * classes);
  const textLengths: number[] = [];
  for (let row = 0; row < rows; row++) {
    const label = drawClass(prior, random);
    for (let axis = 0; axis < DIMENSION; axis++) {
      const centre = axis === label ? 2 : axis === DIMENSION - 1 ? shift : 0;
      embeddings[row * DIMENSION + axis] = centre + random.normal();
    }
    const weights = prior.map((_, index) => Math.exp((index === label ? 2.5 : 0) + random.normal()));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (const [index, weight] of weights.entries()) probabilities[row * classes + index] = weight / total;
    textLengths.push(random.uniform() < blank ? 0 : Math.round(Math.exp(3.5 + 0.5 * random.normal())));
  }
  return { rows, dimension: DIMENSION, classes, embeddings, probabilities, textLengths };
}

function drawClass(prior: readonly number[], random: Random): number {
  let left = random.uniform();
  for (const [label, share] of prior.entries()) {
    if (left < share) return label;
    left -= share;
  }
  return prior.length - 1;
}
