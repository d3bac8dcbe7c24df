/** A model's folder whose graph has more to compute or more to hold, and answers as before: heavier_graph.py. */
import { execFile } from 'node:child_process';
import { cp, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pythonForTests } from '../../test/support/python.ts';

const script = fileURLToPath(new URL('./heavier_graph.py', import.meta.url));

/** In a new folder below `scratch`; `output`: of the graph, float32, what hangs on which cannot be left out. */
export async function heavier(
  model: string,
  scratch: string,
  output: string,
  { products = 0, megabytes = 0 }: { readonly products?: number; readonly megabytes?: number },
): Promise<string> {
  const folder = await mkdtemp(join(scratch, 'heavier-'));
  await cp(model, folder, { recursive: true });
  const files = [join(model, 'model.onnx'), join(folder, 'model.onnx')];
  const words = [script, ...files, output, String(products), String(megabytes)];
  await promisify(execFile)(pythonForTests().executable, words);
  return folder;
}
