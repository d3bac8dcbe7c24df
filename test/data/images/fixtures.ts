/** Pictures, shards and the step that prepares them, in a real store. */
import { pack, type Header } from 'tar-stream';
import sharp from 'sharp';
import type { z } from 'zod';
import type { DataFile, DatasetSummary, PreparePicturesInput } from '../../../activities/contract/data.ts';
import { preparePictures } from '../../../activities/data/images/prepare-pictures.ts';
import type { ActivityServices } from '../../../activities/step.ts';
import { ImageDataSchema } from '../../../pipelines/definition/data.ts';
import { runStep } from '../../support/step.ts';

/** Soft random spots: no two seeds look alike. */
export async function scene(seed: number, width = 40, height = 30): Promise<Buffer> {
  const small = Uint8Array.from({ length: 6 * 6 * 3 }, (_, index) => {
    const mixed = Math.imul(index + 1 + seed * 1000, 0x9e37_79b1);
    return Math.imul(mixed ^ (mixed >>> 15), 0x85eb_ca6b) >>> 24;
  });
  return sharp(small, { raw: { width: 6, height: 6, channels: 3 } })
    .resize(width, height, { fit: 'fill' })
    .png()
    .toBuffer();
}

export const jpeg = (picture: Buffer): ReturnType<typeof sharp> => sharp(picture).jpeg({ quality: 90 });

export type Member = readonly [name: string, content: string | Buffer, header?: Partial<Header>];

export async function tar(members: readonly Member[]): Promise<Buffer> {
  const archive = pack();
  for (const [name, content, header] of members) archive.entry({ name, ...header }, content);
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export interface Shard {
  readonly path: string;
  readonly content: Buffer;
  readonly format?: DataFile['format'];
  readonly split?: DataFile['split'];
}

export async function prepareShards(
  services: ActivityServices,
  shards: readonly Shard[],
  options: Partial<z.input<typeof ImageDataSchema>> = {},
  asked: Pick<PreparePicturesInput, 'behaviour' | 'finds'> = {},
): Promise<DatasetSummary> {
  const data = ImageDataSchema.parse({
    files: shards.map(({ path }) => path),
    licence: 'CC0-1.0',
    source: 'drawn for this test',
    ...options,
  });
  const files: DataFile[] = [];
  for (const { path, content, format = 'tar', split = 'all' } of shards) {
    const ref = await services.store.putBytes(content, { name: path, mediaType: 'application/x-tar' });
    files.push({ path, format, split, ref });
  }
  return runStep(preparePictures, { files, data, ...asked }, services);
}
