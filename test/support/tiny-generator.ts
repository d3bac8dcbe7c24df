/** The tiny GPT-2 as the export step writes it, made once a version of the trainer's code and shared by test processes. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runTrainingProcess } from '../../activities/training/process.ts';
import { pythonForTests } from './python.ts';
import { tinyGpt } from './tiny-gpt.ts';

/** A folder of `generator/` (model.onnx, tokenizer.json, generator.json), `parity.json` and `parity.f32`. Do not write to it. */
export async function tinyGenerator(): Promise<string> {
  return exportedOnce((await tinyGpt()).model, 'gpt2');
}

/** The same of another model's folder; `name` keeps its place in the temporary folder apart. */
export async function exportedOnce(model: string, name: string): Promise<string> {
  const { packages } = pythonForTests();
  const hash = createHash('sha256').update(model);
  for (const file of ['export_generator.py', 'export.py', 'graphs.py', 'model.py']) {
    hash.update(await readFile(join(packages, 'espalier_trainer', file)));
  }
  const folder = join(tmpdir(), `espalier-tiny-generator-${name}-${hash.digest('hex').slice(0, 12)}`);
  if (existsSync(folder)) return folder;
  const workDir = await mkdtemp(join(tmpdir(), 'espalier-tiny-generator-making-'));
  const out = join(workDir, 'out');
  await mkdir(join(workDir, 'job'));
  const outcome = await runTrainingProcess({
    job: { version: 1, id: 'tiny-generator', tasks: [{ verb: 'export-generator', model, out }] },
    python: pythonForTests(),
    workDir: join(workDir, 'job'),
    signal: new AbortController().signal,
    onEvent: () => undefined,
  });
  if (outcome.kind !== 'done') throw new Error(`the tiny generator was not made: ${outcome.kind}`);
  // Two test processes may make it at once: the bytes are the same, the first rename wins.
  await rename(out, folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
  });
  await rm(workDir, { recursive: true });
  return folder;
}
