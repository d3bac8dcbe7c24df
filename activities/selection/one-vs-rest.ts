/**
 * Several labels a row: a linear probe for each label by itself (one against the rest), each as linear-probe.ts fits one of two
 * classes, and nearest neighbours that vote label by label.
 */
import type { LabelledEmbeddings } from './knn.ts';
import { crossValidatedProbe, linearScores, type LinearProbe } from './linear-probe.ts';

export interface MultiLabelledEmbeddings {
  /** Row-major [rows, dimension]. */
  readonly embeddings: Float32Array;
  /** 0 or 1, row-major [rows, labels]. */
  readonly targets: Uint8Array;
}

interface Options {
  readonly dimension: number;
  readonly labels: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/** `weights · e + bias` is the logarithm of a label's odds; `l2` is the mean of the penalties chosen. */
export async function trainOneVsRest(
  train: MultiLabelledEmbeddings,
  { labels, onLabel, ...options }: Options & { readonly onLabel?: (done: number) => void },
): Promise<LinearProbe> {
  const weights: (readonly number[])[] = [];
  const bias: number[] = [];
  let penalties = 0;
  for (let label = 0; label < labels; label++) {
    const { probe } = await crossValidatedProbe(columnOf(train, label, labels), {
      ...options,
      classes: 2,
      // Ranking and F1 do not move with what lies beyond, and there may be many labels.
      limits: { tolerance: 1e-4, maxIterations: 200 },
    });
    const [without, having] = probe.weights;
    weights.push(having!.map((weight, feature) => weight - without![feature]!));
    bias.push(probe.bias[1]! - probe.bias[0]!);
    penalties += probe.l2;
    onLabel?.(label + 1);
  }
  return { weights, bias, l2: penalties / labels };
}

/** Row-major [rows, labels]. */
export function oneVsRestProbabilities(probe: LinearProbe, embeddings: Float32Array): Float32Array {
  return Float32Array.from(linearScores(probe, embeddings), (score) => 1 / (1 + Math.exp(-score)));
}

function columnOf({ embeddings, targets }: MultiLabelledEmbeddings, label: number, labels: number): LabelledEmbeddings {
  return {
    embeddings,
    classes: Int32Array.from({ length: targets.length / labels }, (_, row) => targets[row * labels + label]!),
  };
}
