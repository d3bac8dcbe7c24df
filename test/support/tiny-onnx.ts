/** An exported text model whose outputs can be worked out on paper: tiny_onnx.py says how. */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pythonForTests } from './python.ts';
import { tinyModel } from './tiny-model.ts';

const script = fileURLToPath(new URL('./tiny_onnx.py', import.meta.url));

/** Writes `model.onnx`, `tokenizer.json` (of the tiny BERT) and the config into a new folder. Labels: even, odd. */
export async function writeTinyOnnx(folder: string, kind: 'encoder' | 'classifier', maxLength = 32): Promise<void> {
  await mkdir(folder, { recursive: true });
  await copyFile(join(await tinyModel(), 'tokenizer.json'), join(folder, 'tokenizer.json'));
  const tokenizer = JSON.parse(await readFile(join(folder, 'tokenizer.json'), 'utf8')) as {
    model: { vocab: Record<string, number> };
  };
  const size = Object.keys(tokenizer.model.vocab).length;
  await promisify(execFile)(pythonForTests().executable, [script, folder, kind, String(size)]);
  const config = {
    kind,
    maxLength,
    pooling: 'mean',
    dimension: 3,
    inputs: ['input_ids', 'attention_mask'],
    ...(kind === 'classifier' ? { labels: ['even', 'odd'] } : {}),
  };
  await writeFile(join(folder, `${kind}.json`), JSON.stringify(config));
}
