/** STUB replaced by the author of inference/. An exported text model (folder with model.onnx, tokenizer.json and its config) run on onnxruntime-node: the same code evaluates and serves. */
import type { ClassifierConfig, EncoderConfig } from './config.ts';
export interface TextModelOutput {
  readonly rows: number;
  /** Row-major [rows, config.dimension]. */
  readonly embeddings: Float32Array;
  /** Classifiers only: row-major [rows, labels.length]. */
  readonly probabilities?: Float32Array;
}
export declare class TextModel {
  static load(directory: string, options?: { readonly threads?: number }): Promise<TextModel>;
  readonly config: EncoderConfig | ClassifierConfig;
  /** One batch, padded to its longest text. */
  run(texts: readonly string[]): Promise<TextModelOutput>;
  /** Any number of texts in batches sorted by nothing: results in order. Yields to the event loop between batches. */
  runAll(
    texts: readonly string[],
    options?: {
      readonly batchSize?: number;
      readonly signal?: AbortSignal;
      readonly onProgress?: (done: number, total: number) => void;
    },
  ): Promise<TextModelOutput>;
  release(): Promise<void>;
}
