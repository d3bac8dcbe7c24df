/** What a pool and its workers tell each other. */
import type { ModelFiles } from '../inference/text-model.ts';

export interface WorkerOptions {
  readonly files: ModelFiles;
}
export type ToWorker = { readonly texts: readonly string[] } | 'release' | 'crash';
export type FromWorker =
  /** The model is loaded; its files go back to whoever needs them next. */
  | { readonly type: 'ready'; readonly files: ModelFiles }
  | { readonly type: 'done'; readonly embeddings: Float32Array; readonly probabilities: Float32Array }
  | { readonly type: 'failed'; readonly message: string };

/** What is handed over whole, not copied. */
export function buffersOf(files: ModelFiles): ArrayBuffer[] {
  return [files['classifier.json'], files['tokenizer.json'], files['model.onnx']].map(
    ({ buffer }) => buffer as ArrayBuffer,
  );
}
