/** Compares an exported graph, run as it will be served, with what PyTorch said about the same texts. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';
import { TextModel } from '../../inference/text-model.ts';

const rows = z.array(z.array(z.number()));
const ParitySchema = z
  .object({
    texts: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])).min(1),
    embeddings: rows.optional(),
    probabilities: rows.optional(),
  })
  .refine((parity) => (parity.embeddings === undefined) !== (parity.probabilities === undefined));

/** An export further off than this is broken: float32 noise is below 1e-5. */
export const MAX_PARITY_DIFFERENCE = 1e-3;

/** Largest absolute difference between two [rows][columns] tables; Infinity where a shape differs or a number is missing. */
export function maxAbsoluteDifference(expected: readonly (readonly number[])[], actual: Float32Array): number {
  const flat = expected.flat();
  if (flat.length !== actual.length || flat.length === 0) return Infinity;
  return flat.reduce((worst, value, index) => {
    const difference = Math.abs(value - (actual[index] ?? NaN));
    return Number.isNaN(difference) ? Infinity : Math.max(worst, difference);
  }, 0);
}

/** Scores that two runtimes may round apart: classes closer than this are even. */
const FLOAT_NOISE = 1e-5;

/** Rows that the one gives another class than the other: whose highest score in `expected` is not the highest in `actual`. */
export function classDisagreements(expected: readonly (readonly number[])[], actual: Float32Array): number {
  const classes = expected[0]?.length ?? 0;
  return expected.filter((scores, row) => {
    const said = actual.subarray(row * classes, (row + 1) * classes);
    return said[scores.indexOf(Math.max(...scores))]! < Math.max(...said) - FLOAT_NOISE;
  }).length;
}

/** Refuses an export whose numbers are near and whose answers are others. */
export function requireSameClasses(expected: readonly (readonly number[])[], actual: Float32Array): void {
  const others = classDisagreements(expected, actual);
  if (others === 0) return;
  const message = `the ONNX export gives ${others} of ${expected.length} examples another class than the model did`;
  throw new EspalierError('BadModel', message, { fix: 'choose another candidate and report this architecture' });
}

/** Largest |Δ| over the parity texts, between `parityFile` and the model in `folder`. Throws BadModel above 1e-3, and for another class. */
export async function measureParity(folder: string, parityFile: string): Promise<number> {
  const parity = ParitySchema.parse(JSON.parse(await readFile(parityFile, 'utf8')));
  const model = await TextModel.load(folder);
  try {
    const output = await model.run(parity.texts);
    const actual = parity.embeddings === undefined ? output.probabilities : output.embeddings;
    const worst = maxAbsoluteDifference(parity.embeddings ?? parity.probabilities ?? [], actual ?? new Float32Array());
    if (worst > MAX_PARITY_DIFFERENCE) {
      const message = `the ONNX export differs from PyTorch by up to ${worst.toPrecision(3)}, more than ${MAX_PARITY_DIFFERENCE}`;
      throw new EspalierError('BadModel', message, { fix: 'choose another candidate and report this architecture' });
    }
    if (parity.probabilities !== undefined) requireSameClasses(parity.probabilities, actual ?? new Float32Array());
    return worst;
  } finally {
    await model.release();
  }
}
