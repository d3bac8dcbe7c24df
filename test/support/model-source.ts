import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClassifierFiles, ModelSource } from '../../serving/verified-model.ts';

/** A model from a folder, unverified: for tests of what comes after. */
export function folderSource(where: string): ModelSource {
  const read = (name: string): Promise<Buffer> => readFile(join(where, name));
  return {
    async take(): Promise<ClassifierFiles> {
      return {
        where,
        'classifier.json': await read('classifier.json'),
        'tokenizer.json': await read('tokenizer.json'),
        'model.onnx': await read('model.onnx'),
      };
    },
  };
}
