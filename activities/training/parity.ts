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

/** Largest |Δ| over the parity texts, between `parityFile` and the model in `folder`. Throws BadModel above 1e-3. */
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
    return worst;
  } finally {
    await model.release();
  }
}
