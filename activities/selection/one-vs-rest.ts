/**
 * Several labels a row: a linear probe for each label by itself (one against the rest), each as linear-probe.ts fits one of two
 * classes, and nearest neighbours that vote label by label.
 */
import { rowsInMemory, withClasses, type EmbeddedRows } from './embedded-rows.ts';
import { crossValidatedProbe, linearScores, type LinearProbe } from './linear-probe.ts';

export interface MultiLabelledEmbeddings {
  /** Row-major [rows, dimension]. */
  readonly embeddings: Float32Array;
  /** 0 or 1, row-major [rows, labels]. */
  readonly targets: Uint8Array;
}

/** The same of rows in a file; their classes are not looked at. */
export interface MultiLabelledRowsInFile {
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
  train: MultiLabelledEmbeddings | MultiLabelledRowsInFile,
  { labels, onLabel, ...options }: Options & { readonly onLabel?: (done: number) => void },
): Promise<LinearProbe> {
  const weights: (readonly number[])[] = [];
  const bias: number[] = [];
  let penalties = 0;
  const count = train.targets.length / labels;
  const rows =
    'rows' in train
      ? train.rows
      : rowsInMemory({ embeddings: train.embeddings, classes: new Int32Array(count) }, options.dimension);
  for (let label = 0; label < labels; label++) {
    const { probe } = await crossValidatedProbe(withClasses(rows, columnOf(train.targets, label, labels)), {
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

function columnOf(targets: Uint8Array, label: number, labels: number): Int32Array {
  return Int32Array.from({ length: targets.length / labels }, (_, row) => targets[row * labels + label]!);
}
