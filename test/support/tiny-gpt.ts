/** A random, tiny GPT-2 with a byte-level tokenizer, and sentences for it. */
import { join } from 'node:path';
import { madeOnce } from './made-once.ts';

/**
 * `model`: two layers, 64 positions. `texts` and `pairs`: folders of `train.jsonl` (48 rows) and `validation.jsonl` (12),
 * of `{text}` and of `{prompt, completion}`.
 */
export async function tinyGpt(): Promise<{ model: string; texts: string; pairs: string }> {
  const folder = await madeOnce('tiny_families.py', 'gpt');
  return { model: join(folder, 'model'), texts: join(folder, 'texts'), pairs: join(folder, 'pairs') };
}
