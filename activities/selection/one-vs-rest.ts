/**
 * Several labels a row: a linear probe for each label by itself (one against the rest), each as linear-probe.ts fits one of two
 * classes, and nearest neighbours that vote label by label.
 */
import { withClasses, type EmbeddedRows } from './embedded-rows.ts';
import { crossValidatedProbe, linearScores, type LinearProbe } from './linear-probe.ts';

/** The rows' classes are not looked at. */
export interface MultiLabelledEmbeddings {
  readonly rows: EmbeddedRows;
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
    const { probe } = await crossValidatedProbe(withClasses(train.rows, columnOf(train.targets, label, labels)), {
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

/** The same of rows in a file, a block of them at a time. */
export async function probabilitiesOfRows(probe: LinearProbe, rows: EmbeddedRows): Promise<Float32Array> {
  const probabilities = new Float32Array(rows.classes.length * probe.bias.length);
  let at = 0;
  for await (const { embeddings } of rows.blocks()) {
    const block = oneVsRestProbabilities(probe, embeddings);
    probabilities.set(block, at);
    at += block.length;
  }
  return probabilities;
}

function columnOf(targets: Uint8Array, label: number, labels: number): Int32Array {
  return Int32Array.from({ length: targets.length / labels }, (_, row) => targets[row * labels + label]!);
}
