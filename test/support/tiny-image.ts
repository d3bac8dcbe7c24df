/** A random, tiny ResNet and pictures of three colours, for tests that need their shape and not their knowledge. */
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { madeOnce } from './made-once.ts';

export const PICTURE_LABELS = ['red', 'green', 'blue'];

/**
 * `model`: config, safetensors and `preprocessor_config.json` of a two-stage ResNet for 28 × 28 pictures, with a head of
 * other labels. `data`: `train.jsonl` (45 rows), `validation.jsonl` (15) of `{image, label}` and the files they name.
 */
export async function tinyImages(): Promise<{ model: string; data: string }> {
  const folder = await madeOnce('tiny_families.py', 'image');
  return { model: join(folder, 'model'), data: join(folder, 'pictures') };
}

/** The pictures as a user has them: a folder a label. */
export async function foldersOfPictures(folder: string): Promise<void> {
  const { data } = await tinyImages();
  for (const label of PICTURE_LABELS) await mkdir(join(folder, label), { recursive: true });
  for (const split of ['train', 'validation']) {
    const rows = (await readFile(join(data, `${split}.jsonl`), 'utf8')).trim().split('\n');
    for (const line of rows) {
      const { image, label } = JSON.parse(line) as { image: string; label: string };
      await copyFile(join(data, image), join(folder, label, `${split}-${basename(image)}`));
    }
  }
}
