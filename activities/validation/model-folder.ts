/** The files of a model on disk, where onnxruntime reads them. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Of model.onnx alone. */
export async function sizeMb(folder: string): Promise<number> {
  return (await stat(join(folder, 'model.onnx'))).size / 1e6;
}
