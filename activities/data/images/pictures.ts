/**
 * The pictures of a prepared dataset: a tar a split with a member a picture, the same bytes for the same pictures. One object
 * instead of thousands; `unpackPictures` makes files of it where files are needed.
 */
import { createWriteStream } from 'node:fs';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import { z } from 'zod';
import type { ArtifactRef, Digest } from '../../../artifacts/reference.ts';
import type { ArtifactStore } from '../../../artifacts/store.ts';
import type { PictureLimits } from '../../../inference/image/decode.ts';
import type { PicturePack, PictureSet } from '../../contract/data.ts';
import { countLines, lineBlocks } from '../line-blocks.ts';
import { hashToHex } from './perceptual-hash.ts';
import type { CheckedPicture } from './read-sources.ts';
import { tarMembers } from './tar-members.ts';

export interface PictureRow {
  readonly id: string;
  /** Path relative to the rows' file, once unpacked: `train/0123456789abcdef.jpg`. */
  readonly image: string;
  readonly label: string;
  /** Value by column of `data.groups`, where the definition names any. */
  readonly groups?: Readonly<Record<string, string>> | undefined;
  /** What preparation saw of it. */
  readonly seen?: SeenPicture | undefined;
}

const SeenSchema = z.object({
  width: z.int().positive(),
  height: z.int().positive(),
  /** Mean, from 0 (black) to 255. */
  brightness: z.int().min(0).max(255),
  /** Its difference hash; a picture of one colour has none. */
  hash: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .optional(),
});
export type SeenPicture = z.output<typeof SeenSchema>;
const RowSchema = z.object({
  id: z.string(),
  image: z.string(),
  label: z.string(),
  groups: z.record(z.string(), z.string()).optional(),
  seen: SeenSchema.optional(),
});

/** Beyond what data preparation can have kept: PNG of the most pixels. */
const MAX_MEMBER_BYTES = 2 ** 29;

/** Of what a pack holds: data preparation judged it by the definition, whose limits go beyond those of what is asked of a server. */
export const PACKED_LIMITS: PictureLimits = { maxBytes: MAX_MEMBER_BYTES, maxPixels: 100_000_000 };

/** A picture in the spool where data preparation keeps it. */
export type PackedPicture = Pick<CheckedPicture, 'id' | 'ending' | 'at' | 'bytes'>;

export function pictureName(split: PicturePack, { id, ending }: Pick<CheckedPicture, 'id' | 'ending'>): string {
  return `${split}/${id}.${ending}`;
}

/** Of a picture's name in a pack. */
export function idOfPacked(name: string): string {
  return basename(name).replace(/\.[a-z]+$/, '');
}

/** Writes `SPLIT.jsonl` and `SPLIT.tar` into the folder, from the spool in which the pictures lie. */
export async function writeSplit(
  folder: string,
  split: PictureSet,
  rows: readonly CheckedPicture[],
  spool: string,
  signal: AbortSignal,
): Promise<void> {
  const lines = rows.map((row) => {
    const line: PictureRow = {
      id: row.id,
      image: pictureName(split, row),
      label: row.label,
      groups: row.groups,
      seen: seenOf(row),
    };
    return `${JSON.stringify(line)}\n`;
  });
  await writeFile(join(folder, `${split}.jsonl`), lines, { signal });
  await writePack(folder, split, rows, spool, signal);
}

function seenOf({ width, height, brightness, hash }: CheckedPicture): SeenPicture {
  return { width, height, brightness, ...(hash === undefined ? {} : { hash: hashToHex(hash) }) };
}

/** `SPLIT.tar` alone. */
export async function writePack(
  folder: string,
  split: PicturePack,
  rows: readonly PackedPicture[],
  spool: string,
  signal: AbortSignal,
): Promise<void> {
  const archive = pack();
  const writing = pipeline(archive, createWriteStream(join(folder, `${split}.tar`)), { signal });
  // Whoever awaits below sees the error; until then it must not count as unhandled.
  writing.catch(() => undefined);
  const handle = await open(spool);
  try {
    for (const row of rows) {
      const { buffer } = await handle.read(Buffer.alloc(row.bytes), 0, row.bytes, row.at);
      // No time, owner or mode of its own: the same pictures are the same pack.
      const header = { name: pictureName(split, row), mtime: new Date(0), mode: 0o644, uid: 0, gid: 0 };
      await new Promise<void>((done, fail) => {
        archive.entry(header, buffer, (error) => (error == null ? done() : fail(error)));
      });
    }
    archive.finalize();
    await writing;
  } finally {
    archive.destroy();
    await handle.close();
  }
}

type OfSplit = readonly [store: ArtifactStore, dataset: ArtifactRef | Digest, split: PictureSet, signal?: AbortSignal];

/** One split's rows in the dataset's order. */
export async function loadPictureRows(...of: OfSplit): Promise<readonly PictureRow[]> {
  const rows: PictureRow[] = [];
  for await (const row of pictureRows(...of)) rows.push(row);
  return rows;
}

/** The same, one after the other. */
export async function* pictureRows(...[store, dataset, split, signal]: OfSplit): AsyncGenerator<PictureRow> {
  const file = `${split}.jsonl`;
  for await (const block of lineBlocks(await store.fileInTree(dataset, file, signal), file, signal)) {
    for (const value of block) yield RowSchema.parse(value);
  }
}

export async function countPictures(...[store, dataset, split, signal]: OfSplit): Promise<number> {
  return countLines(await store.fileInTree(dataset, `${split}.jsonl`, signal), signal);
}

/**
 * The pictures of one split in the rows' order, streamed: one is in memory at a time. A small part of a dataset has the pack
 * of the whole: what none of its rows names is passed over. Rows are named in the pack's order; after one that the pack does not
 * hold there is nothing more.
 */
export async function* loadPictures(
  ...[store, dataset, split, signal]: OfSplit
): AsyncGenerator<PictureRow & { readonly bytes: Uint8Array }> {
  const path = await store.fileInTree(dataset, `${split}.tar`, signal);
  const rows = pictureRows(store, dataset, split, signal);
  let row = await nextOf(rows);
  const limit = (name: string): number => (name === row?.image ? MAX_MEMBER_BYTES : 0);
  try {
    for await (const { name, bytes } of tarMembers(path, `${split}.tar`, limit, signal, { isOurs: true })) {
      if (row === undefined) break;
      if (bytes === undefined || name !== row.image) continue;
      yield { ...row, bytes };
      row = await nextOf(rows);
    }
  } finally {
    await rows.return(undefined);
  }
}

/** Those whose rows stand at `places`, counted from the split's first. */
export async function* picturesAt(places: ReadonlySet<number>, ...of: OfSplit): ReturnType<typeof loadPictures> {
  let row = 0;
  for await (const picture of loadPictures(...of)) if (places.has(row++)) yield picture;
}

/** All pictures of a pack in its order, whether rows name them or not. */
export async function* packedPictures(
  store: ArtifactStore,
  dataset: ArtifactRef | Digest,
  split: PicturePack,
  signal?: AbortSignal,
): AsyncGenerator<Pick<PictureRow, 'image'> & { readonly bytes: Uint8Array }> {
  const path = await store.fileInTree(dataset, `${split}.tar`, signal);
  for await (const { name, bytes } of tarMembers(path, `${split}.tar`, () => MAX_MEMBER_BYTES, signal, {
    isOurs: true,
  })) {
    if (bytes !== undefined) yield { image: name, bytes };
  }
}

async function nextOf<Item>(items: AsyncGenerator<Item>): Promise<Item | undefined> {
  const next = await items.next();
  return next.done === true ? undefined : next.value;
}

/** Writes a split's pictures to `folder/SPLIT/ID.jpg`, as its rows name them. */
export async function unpackPictures(
  store: ArtifactStore,
  dataset: ArtifactRef,
  split: PictureSet,
  folder: string,
  signal?: AbortSignal,
): Promise<void> {
  await mkdir(join(folder, split), { recursive: true });
  for await (const { image, bytes } of loadPictures(store, dataset, split, signal)) {
    await writeFile(join(folder, split, basename(image)), bytes, { signal });
  }
}
