/**
 * The pictures that gates of classifiers are tried on, looked at once: what preparation sees of each, its colours for the trivial model,
 * and what a frozen backbone makes of it, kept in a file, so that a draw costs no more than its linear heads.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nearHashGroups } from '../../activities/data/images/near-hash-groups.ts';
import { differenceHash, hashOfHex, hashToHex, meanBrightness } from '../../activities/data/images/perceptual-hash.ts';
import type { SeenPicture } from '../../activities/data/images/pictures.ts';
import { colours, PIXEL_DIMENSION, type PixelRows } from '../../activities/retrieval/pixels.ts';
import { exportEncoder } from '../../activities/training/export-encoder.ts';
import { decodePicture } from '../../inference/image/decode.ts';
import type { ImageModel } from '../../inference/image-model.ts';
import type { Embeds, Row } from './draw.ts';
import { frozenBackbone, photographs, testData } from './photographs.ts';

export type PictureSet = 'cifar10-jpeg' | 'fashion-mnist-sprite';
export type Half = 'design' | 'report' | 'all';

export interface Asked {
  readonly splits: readonly ('train' | 'test')[];
  /** Of a split at most so many. */
  readonly most: number;
  /** Bits in which pictures that look alike differ at most. */
  readonly near: number;
}

interface Known {
  readonly bytes: Uint8Array;
  readonly seen: SeenPicture;
  readonly colours: Uint8Array;
}

/** By the name that stands for a picture, which is a digest of its file, or says of which one it is a copy. */
export class KnownPictures {
  readonly #known = new Map<string, Known>();

  has(id: string): boolean {
    return this.#known.has(id);
  }

  async add(id: string, bytes: Uint8Array): Promise<void> {
    const picture = await decodePicture(bytes, id);
    const hash = differenceHash(picture);
    const seen = {
      width: picture.width,
      height: picture.height,
      brightness: meanBrightness(picture),
      ...(hash === undefined ? {} : { hash: hashToHex(hash) }),
    };
    this.#known.set(id, { bytes, seen, colours: colours(picture) });
  }

  bytesOf(id: string): Uint8Array {
    return this.#known.get(id)!.bytes;
  }

  seenOf(id: string): SeenPicture {
    return this.#known.get(id)!.seen;
  }

  /** As a trivial model is given them. */
  async *coloursOf(ids: readonly string[], classes: Int32Array): AsyncGenerator<PixelRows> {
    const embeddings = new Float32Array(ids.length * PIXEL_DIMENSION);
    for (const [row, id] of ids.entries()) embeddings.set(this.#known.get(id)!.colours, row * PIXEL_DIMENSION);
    yield await Promise.resolve({ ids, classes, embeddings });
  }

  /** Of those that look alike one, as `data.nearDuplicates` drops the others; of these one half, by their digests. */
  async rowsOf(
    dataset: PictureSet,
    { splits, most, near, half }: Asked & { readonly half: Half },
  ): Promise<readonly Row[]> {
    const all = (await Promise.all(splits.map((split) => photographs(split, most, dataset)))).flat();
    for (const { id, bytes } of all) if (!this.has(id)) await this.add(id, bytes);
    const hashes = all.map(({ id }) => {
      const { hash } = this.seenOf(id);
      return hash === undefined ? undefined : hashOfHex(hash);
    });
    const groups = await nearHashGroups(hashes, near, new AbortController().signal);
    const first = new Map([...groups].map((group, at) => [group, at] as const).toReversed());
    const inHalf = (id: string): boolean =>
      half === 'all' || Number.parseInt(id.slice(0, 2), 16) % 2 === Number(half === 'report');
    return all
      .filter(({ id }, at) => first.get(groups[at]!) === at && inHalf(id))
      .map(({ id, label }) => ({ text: id, label }));
  }

  /**
   * What a backbone makes of these pictures, kept once a machine by the digest of its files and the version of the step that exports them. The
   * backbone itself is loaded where something is asked of it that is not kept. Where the preparation of pictures has changed, delete the file
   * (espalier-bench-gates-pictures, in the folder of temporary files).
   */
  async embedder(model: string, from: string, ids: readonly string[]): Promise<Embeds & { release(): Promise<void> }> {
    const file = await keptFile(model, from);
    const known = await keptIn(file);
    let encoder: Promise<ImageModel> | undefined;
    const vectorOf = async (id: string): Promise<Float32Array> => {
      const kept = known.get(id);
      if (kept !== undefined) return kept;
      encoder ??= frozenBackbone(model, from);
      const { embeddings } = await (await encoder).run([this.bytesOf(id)]);
      known.set(id, embeddings);
      return embeddings;
    };
    const before = known.size;
    for (const id of ids) await vectorOf(id);
    if (known.size > before) await keep(file, known);
    const dimension = (await vectorOf(ids[0]!)).length;
    return {
      dimension,
      async embed(asked) {
        const all = new Float32Array(asked.length * dimension);
        for (const [at, id] of asked.entries()) all.set(await vectorOf(id), at * dimension);
        return all;
      },
      release: async () => (await encoder)?.release(),
    };
  }
}

async function keptFile(model: string, from: string): Promise<string> {
  const source = join(testData(), 'models', from, model);
  const hash = createHash('sha256').update(`exported by version ${exportEncoder.version}`);
  const files = (await readdir(source, { withFileTypes: true })).filter((one) => one.isFile()).map(({ name }) => name);
  for (const name of files.toSorted()) hash.update(name).update(await readFile(join(source, name)));
  const folder = join(tmpdir(), 'espalier-bench-gates-pictures');
  await mkdir(folder, { recursive: true });
  return join(folder, `${model}-${hash.digest('hex').slice(0, 12)}.jsonl`);
}

/** A line a picture: its name, and its numbers in base64. */
async function keptIn(file: string): Promise<Map<string, Float32Array>> {
  const known = new Map<string, Float32Array>();
  if (!existsSync(file)) return known;
  for (const line of (await readFile(file, 'utf8')).trim().split('\n')) {
    const [id, numbers] = JSON.parse(line) as [string, string];
    known.set(id, new Float32Array(Uint8Array.from(Buffer.from(numbers, 'base64')).buffer));
  }
  return known;
}

async function keep(file: string, known: ReadonlyMap<string, Float32Array>): Promise<void> {
  const lines = [...known].map(([id, { buffer, byteOffset, byteLength }]) => {
    const numbers = Buffer.from(buffer, byteOffset, byteLength).toString('base64');
    return `${JSON.stringify([id, numbers])}\n`;
  });
  await writeFile(`${file}.part`, lines.join(''));
  await rename(`${file}.part`, file);
}
