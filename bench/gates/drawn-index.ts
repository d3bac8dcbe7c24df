/** A gallery of drawn directions, searched exactly: what it holds costs what a real one does. */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { seededRandom } from '../../activities/validation/random.ts';
import { digestBytes } from '../../artifacts/digest.ts';
import { readModelConfig } from '../../inference/config.ts';
import { EmbeddingIndex } from '../../inference/retrieval/embedding-index.ts';

/** In a new folder below `scratch`, of as many numbers a vector as the encoder gives. */
export async function drawnIndex(encoder: string, scratch: string, rows: number): Promise<string> {
  const folder = await mkdtemp(join(scratch, 'index-'));
  const { dimension } = await readModelConfig(encoder);
  const random = seededRandom(7);
  const index = await EmbeddingIndex.of(
    {
      model: digestBytes(await readFile(join(encoder, 'model.onnx'))),
      dimension,
      labels: ['drawn'],
      ids: Array.from({ length: rows }, (_, row) => row.toString(16).padStart(16, '0')),
      classes: new Uint8Array(rows),
      embeddings: Float32Array.from({ length: rows * dimension }, () => random.normal()),
    },
    null,
  );
  for (const [name, bytes] of Object.entries(index.files())) await writeFile(join(folder, name), bytes);
  return folder;
}
