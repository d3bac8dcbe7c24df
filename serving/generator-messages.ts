/** What a generator pool and its workers tell each other. */
import type { ErrorRecord } from '../artifacts/errors.ts';
import type { Message } from '../inference/generation/chat.ts';
import type { GeneratorFiles } from '../inference/generation/generator.ts';
import type { Completion, GenerateOptions, Piece } from '../inference/generation/options.ts';
import type { Ready } from './crew.ts';

export interface GeneratorWorkerOptions {
  readonly files: GeneratorFiles;
}
export interface Order {
  /** Messages follow the bundle's own prompt; a text is continued as it is. */
  readonly prompt: string | readonly Message[];
  readonly options: Omit<GenerateOptions, 'signal'>;
}
export type ToGenerator =
  | ({ readonly type: 'generate'; readonly id: number } & Order)
  | { readonly type: 'cancel'; readonly id: number }
  | 'release'
  | 'crash';
export type FromGenerator = Ready<GeneratorFiles> | Generated;
export type Generated =
  | ({ readonly type: 'piece'; readonly id: number } & Piece)
  | { readonly type: 'done'; readonly id: number; readonly completion: Completion }
  | { readonly type: 'failed'; readonly id: number; readonly error: ErrorRecord };

/** What is handed over whole, not copied. */
export function generatorBuffers(files: GeneratorFiles): ArrayBuffer[] {
  const all = [files['generator.json'], files['tokenizer.json'], files['model.onnx'], files['prompt.json']];
  return all.flatMap((bytes) => (bytes === undefined ? [] : [bytes.buffer as ArrayBuffer]));
}
