/** The real rows and the real encoder that gates are tried on. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportEncoder } from '../../activities/training/export-encoder.ts';
import { TextModel } from '../../inference/text-model.ts';
import { pythonForTests } from '../../test/support/python.ts';
import { runStep } from '../../test/support/step.ts';
import { withStore } from '../../test/support/store.ts';
import type { Row } from './draw.ts';

function dataRoot(): string {
  const root = process.env['ESPALIER_TEST_DATA'];
  if (root === undefined) throw new Error('set ESPALIER_TEST_DATA');
  return root;
}

/** Exported once a machine. */
export async function benchEncoder(): Promise<TextModel> {
  const folder = join(tmpdir(), 'espalier-bench-gates-encoder');
  if (!existsSync(join(folder, 'model.onnx'))) {
    const { store, pointers, close } = await withStore();
    const services = { store, pointers, python: pythonForTests() };
    const model = await store.putTree(join(dataRoot(), 'models/derived/minilm-tiny-l4-h128-v8k'), 'model');
    const { encoder } = await runStep(exportEncoder, { model, layers: null, pooling: 'mean', maxLength: 64 }, services);
    await store.checkout(encoder, folder);
    close();
  }
  return TextModel.load(folder);
}

/** All of a set, or the half that statistics were designed on, or the other one. */
export async function rowsOf(name: string, half: string): Promise<readonly Row[]> {
  const files = await Promise.all(
    ['train', 'test'].map((split) => readFile(join(dataRoot(), 'datasets', name, `${split}.jsonl`), 'utf8')),
  );
  const rows = files.flatMap((text) =>
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Row),
  );
  if (half === 'all') return rows;
  const parity = half === 'design' ? 0 : 1;
  // Of many labels every second one; of few every second text, by its digest.
  const labels = [...new Set(rows.map(({ label }) => label))].toSorted();
  const inHalf = ({ text, label }: Row): boolean =>
    (labels.length >= 20 ? labels.indexOf(label) : createHash('sha256').update(text).digest()[0]!) % 2 === parity;
  return rows.filter(inHalf);
}
