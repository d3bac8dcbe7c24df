import { deepEqual, equal, ok } from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { measureCorruptedQueries } from '../../activities/retrieval/corrupted-queries.ts';
import { galleryInMemory, type Gallery } from '../../activities/retrieval/gallery.ts';
import { asPng } from '../../activities/validation/corruptions.ts';
import { decodePicture, type Picture } from '../../inference/image/decode.ts';
import type { ImageModel } from '../../inference/image-model.ts';
import { temporaryFolder } from '../training/fixtures.ts';

const GREY = { width: 32, height: 32, pixels: new Uint8Array(32 * 32 * 3).fill(90) };
const { signal } = new AbortController();

/** A grey picture that points to the gallery's first label or the second, as `label` says of its pixels. */
const pointing = (label: (picture: Picture) => number): Pick<ImageModel, 'runAll' | 'config'> => ({
  // Of the model only its size is looked at.
  config: { processor: { crop: { width: 32, height: 32 } } } as ImageModel['config'],
  async runAll(files) {
    const pictures = await Promise.all(files.map((bytes) => decodePicture(bytes, 'a picture')));
    const embeddings = Float32Array.from(pictures.flatMap((picture) => (label(picture) === 0 ? [1, 0] : [0, 1])));
    return { rows: files.length, embeddings };
  },
});

describe('queries by worse pictures', () => {
  let gallery: Gallery;
  let files: readonly string[];
  const measure = (label: (picture: Picture) => number, k = 1, classOf: (id: string) => number = () => 0) =>
    measureCorruptedQueries(pointing(label), gallery, files, { k, classOf, seed: 1, signal });

  before(async () => {
    gallery = galleryInMemory({
      labels: ['right', 'wrong', 'alone'],
      ids: ['a', 'b', 'query-3'],
      classes: Int32Array.of(0, 1, 2),
      embeddings: Float32Array.of(1, 0, 0, 1, -1, -1),
    });
    const folder = await temporaryFolder();
    files = Array.from({ length: 12 }, (_, query) => join(folder, `query-${query}`));
    const bytes = await asPng(GREY);
    await Promise.all(files.map((file) => writeFile(file, bytes)));
  });

  it('lose nothing where the model sees through them, and all where it counts on exact pixels', async () => {
    const good = await measure(() => 0);
    deepEqual([good.score.value, good.score.rows, good.byCorruption.length], [0, 12, 10]);
    const brittle = await measure(({ pixels }) => (pixels.every((value) => value === 90) ? 0 : 1));
    equal(brittle.score.value, 1);
    ok(brittle.score.interval!.low > 0.5);
  });

  it('lose nothing that the first k still hold', async () => {
    const brittle = await measure(({ pixels }) => (pixels.every((value) => value === 90) ? 0 : 1), 3);
    equal(brittle.score.value, 0);
  });

  it('are asked only where the gallery has something of their label besides themselves', async () => {
    const only = await measure(
      () => 0,
      1,
      (id) => (id === 'query-3' ? 2 : 0),
    );
    equal(only.score.rows, 11);
    deepEqual(
      await measure(
        () => 0,
        1,
        () => 7,
      ).then(({ score }) => score.value),
      null,
    );
  });
});
