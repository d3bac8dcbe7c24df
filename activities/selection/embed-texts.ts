/** Texts of two splits as a frozen encoder sees them. */
import { EspalierError } from '../../artifacts/errors.ts';
import { TextModel } from '../../inference/text-model.ts';
import type { TextInput } from '../../inference/texts.ts';
import type { TextDomain } from '../contract/selection.ts';
import type { StepContext } from '../step.ts';
import { measureTexts } from './measure-domain.ts';

export interface EmbeddedTexts {
  readonly dimension: number;
  /** Row-major [rows, dimension]. */
  readonly train: Float32Array;
  readonly validation: Float32Array;
  readonly domain: TextDomain;
}

/** Throws BadModel where an embedding is not finite. */
export async function embedTexts(
  folder: string,
  { train, validation }: { readonly train: readonly TextInput[]; readonly validation: readonly TextInput[] },
  seed: number,
  { signal, progress }: Pick<StepContext, 'signal' | 'progress'>,
): Promise<EmbeddedTexts> {
  const model = await TextModel.load(folder);
  try {
    const { embeddings } = await model.runAll([...train, ...validation], {
      signal,
      onProgress: (done, total) => progress({ phase: 'embedding', done, total }),
    });
    const { dimension } = model.config;
    if (!embeddings.every(Number.isFinite)) {
      const row = Math.floor(embeddings.findIndex((value) => !Number.isFinite(value)) / dimension);
      throw new EspalierError('BadModel', `the encoder gives no finite embedding for row ${row}`, {
        where: 'model.onnx',
        fix: 'the weights hold NaN or infinite numbers, or overflow in this precision: use another candidate',
      });
    }
    const border = train.length * dimension;
    const known = embeddings.subarray(0, border);
    return {
      dimension,
      train: known,
      validation: embeddings.subarray(border),
      domain: await measureTexts(model, folder, { texts: train, embeddings: known }, { seed, signal }),
    };
  } finally {
    await model.release();
  }
}
