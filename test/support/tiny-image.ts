/** A random, tiny ResNet and pictures of three colours, for tests that need their shape and not their knowledge. */
import { join } from 'node:path';
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
