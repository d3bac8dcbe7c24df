/** The two sides of a drift check in one shape: the bundle's reference files and the recorded predictions. */
import type { PredictionRecord, ReferenceStatistics } from '../../artifacts/bundle.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { float32FromBytes } from '../validation/float32.ts';
import type { ModelOutputs } from './drift.ts';

/** The reference of a bundle from its three files. Throws Corrupt when their sizes contradict each other. */
export function referenceOutputs(
  statistics: ReferenceStatistics,
  embeddings: Buffer,
  probabilities: Buffer,
): ModelOutputs {
  const { rows, dimension, labels, thresholds, textLengths } = statistics;
  const classes = labels.length;
  for (const [file, bytes, columns] of [
    ['embeddings.f32', embeddings, dimension],
    ['probabilities.f32', probabilities, classes],
  ] as const) {
    if (bytes.length !== rows * columns * 4 || textLengths.length !== rows) {
      throw new EspalierError(
        'Corrupt',
        `the reference statistics speak of ${rows} rows × ${columns} columns (${textLengths.length} text lengths), but ` +
          `${file} has ${bytes.length} bytes`,
        { where: `reference/${file}`, fix: 'evaluate and package the model again' },
      );
    }
  }
  return {
    rows,
    dimension,
    classes,
    embeddings: float32FromBytes(embeddings),
    probabilities: float32FromBytes(probabilities),
    ...(thresholds === undefined ? {} : { thresholds }),
    textLengths,
  };
}

/**
 * The usable predictions as outputs, and how many were not: a record whose shape is another model's or whose numbers
 * are not finite says nothing about drift, but must not pass unseen.
 */
export function windowOutputs(
  records: readonly PredictionRecord[],
  shape: { readonly dimension: number; readonly classes: number },
): { readonly outputs: ModelOutputs; readonly used: readonly PredictionRecord[]; readonly unusable: number } {
  const { dimension, classes } = shape;
  const rows = records.flatMap((record) => {
    const embedding = float32FromBytes(Buffer.from(record.embedding, 'base64'));
    const usable =
      embedding.length === dimension &&
      record.probabilities.length === classes &&
      embedding.every(Number.isFinite) &&
      record.probabilities.every(Number.isFinite) &&
      Number.isFinite(record.textLength);
    return usable ? [{ record, embedding }] : [];
  });
  const outputs: ModelOutputs = {
    rows: rows.length,
    dimension,
    classes,
    embeddings: new Float32Array(rows.length * dimension),
    probabilities: new Float32Array(rows.length * classes),
    textLengths: rows.map(({ record }) => record.textLength),
  };
  for (const [row, { record, embedding }] of rows.entries()) {
    outputs.embeddings.set(embedding, row * dimension);
    outputs.probabilities.set(record.probabilities, row * classes);
  }
  return { outputs, used: rows.map(({ record }) => record), unusable: records.length - rows.length };
}
