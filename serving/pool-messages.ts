/** What a pool and its workers tell each other. */
import type { PictureLimits } from '../inference/image/decode.ts';
import type { TextInput } from '../inference/texts.ts';
import type { Ready } from './crew.ts';
import type { ClassifierFiles } from './verified-model.ts';

/** What a model is asked: a text or a pair of them, or the file of a picture. */
export type ModelRow = TextInput | Uint8Array;

export interface WorkerOptions {
  readonly files: ClassifierFiles;
  /** Of pictures. */
  readonly limits?: PictureLimits;
}
export type ToWorker = { readonly rows: readonly ModelRow[] } | 'release' | 'crash';
export type FromWorker = Ready<ClassifierFiles> | Answered;
export type Answered =
  /** `refused`: pictures that cannot be decoded. Their numbers mean nothing; the other rows of the batch are answered. */
  | {
      readonly type: 'done';
      readonly embeddings: Float32Array;
      readonly probabilities: Float32Array;
      readonly refused: ReadonlyMap<number, string>;
    }
  | { readonly type: 'failed'; readonly message: string };

/** What is handed over whole, not copied. */
export function buffersOf(files: ClassifierFiles): ArrayBuffer[] {
  const { where: _, ...bytes } = files;
  return Object.values(bytes).map(({ buffer }) => buffer as ArrayBuffer);
}
