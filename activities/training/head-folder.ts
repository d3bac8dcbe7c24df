/** A frozen backbone with its head as a trained model's folder: what `export-classifier` makes one graph of. */
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import type { Head } from './frozen-head.ts';

const HeadSchema = z.object({
  weights: z.array(z.array(z.number())).min(2),
  bias: z.array(z.number()).min(2),
  temperature: z.number().positive(),
});

/** `out`: the backbone's files, `head.json`, and `espalier.json` with the labels. The same head is the same bytes. */
export async function writeHeadFolder(
  backbone: string,
  labels: readonly string[],
  head: Head,
  out: string,
): Promise<void> {
  await cp(backbone, out, { recursive: true });
  const about = { version: 1, task: 'image-classification', backbone: 'onnx', labels, method: 'head' };
  await writeFile(join(out, 'head.json'), `${canonicalJson(head)}\n`);
  await writeFile(join(out, 'espalier.json'), `${JSON.stringify(about, null, 1)}\n`);
}

export async function readHead(folder: string): Promise<Head> {
  return HeadSchema.parse(JSON.parse(await readFile(join(folder, 'head.json'), 'utf8')));
}
