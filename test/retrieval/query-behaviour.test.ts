import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { galleryInMemory, type SearchedGallery } from '../../activities/retrieval/gallery.ts';
import { checkEdgeQueries, measureQueryFlips, queryFlips } from '../../activities/retrieval/query-behaviour.ts';
import { FORMS } from '../../activities/validation/picture-behaviour.ts';
import { asPng } from '../../activities/validation/corruptions.ts';
import { decodePicture, type Picture } from '../../inference/image/decode.ts';
import type { ImageModel } from '../../inference/image-model.ts';
import type { Match } from '../../inference/retrieval/embedding-index.ts';
import { temporaryFolder } from '../training/fixtures.ts';

const { signal } = new AbortController();
const gallery = galleryInMemory({
  labels: ['dark', 'bright'],
  ids: ['a', 'b', 'c'],
  classes: Int32Array.of(0, 1, 1),
  embeddings: Float32Array.of(1, 0, 0, 1, 1, 1),
});

type Asked = Pick<ImageModel, 'run' | 'config'>;
/** Of the model only its dimension is looked at. */
const config = { dimension: 2 } as ImageModel['config'];
const answering = (embed: (picture: Picture) => readonly number[]): Asked => ({
  config,
  async run([bytes]) {
    const embeddings = Float32Array.from(embed(await decodePicture(bytes!, 'a picture')));
    return { rows: 1, embeddings };
  },
});
const wrongOf = async (model: Asked, of: SearchedGallery = gallery, k = 2) =>
  (await checkEdgeQueries(model, of, { k, signal })).filter(({ ok: answered }) => !answered);

describe('awkward pictures that ask a gallery', () => {
  it('are answered where each has a direction and finds neighbours, a whole gallery where that is smaller than k', async () => {
    const model = answering(({ width, pixels }) => [width, pixels[0]!]);
    deepEqual(await wrongOf(model), []);
    deepEqual(await wrongOf(model, gallery, 9), []);
    const all = await checkEdgeQueries(model, gallery, { k: 2, signal });
    ok(all.length > 10 && all.every(({ detail }) => detail === 'answered with neighbours'));
  });

  it('are not answered by numbers that are none, too few, or no direction', async () => {
    const nan = await wrongOf(answering(({ width }) => (width === 1 ? [Number.NaN, 1] : [1, 1])));
    deepEqual(nan, [{ name: 'one pixel', ok: false, detail: 'a number of the embedding is NaN' }]);
    const infinite = await wrongOf(answering(({ width }) => (width === 1500 ? [1, -Infinity] : [1, 1])));
    match(infinite[0]?.detail ?? '', /a number of the embedding is -Infinity/);
    const zero = await wrongOf(answering(({ pixels }) => (pixels.every((value) => value === 0) ? [0, 0] : [1, 1])));
    deepEqual([zero.length, zero[0]?.name], [1, 'all black']);
    match(zero[0]?.detail ?? '', /is zero/);
    const short = await wrongOf(answering(({ height }) => (height === 1500 ? [1] : [1, 1])));
    match(short[0]?.detail ?? '', /1 numbers for an embedding of 2/);
  });

  it('are not answered by a model that throws, and the others are asked all the same', async () => {
    const throwing = answering(({ width, height }) => {
      if (width === 64 && height === 48) throw new Error('no colours');
      return [1, 1];
    });
    const wrong = await wrongOf(throwing);
    ok(wrong.length >= 6 && wrong.every(({ detail }) => detail === 'no colours'), `${wrong.length}`);
    ok((await checkEdgeQueries(throwing, gallery, { k: 2, signal })).some(({ ok: answered }) => answered));
  });

  it('are not answered by a graph that gives too few, or a similarity that is no cosine', async () => {
    const model = answering(() => [1, 1]);
    const giving = (...similarities: readonly number[]): SearchedGallery => ({
      ...gallery,
      graph: {
        search: async () => similarities.map((similarity): Match => ({ id: 'a', label: 'dark', similarity })),
      },
    });
    deepEqual(await wrongOf(model, giving(1, 0.5)), []);
    equal((await wrongOf(model, giving(1)))[0]?.detail, '1 neighbours come back of 2');
    equal((await wrongOf(model, giving(1, Number.NaN)))[0]?.detail, 'a similarity is NaN');
  });
});

describe('harmless edits of pictures that ask a gallery', () => {
  const GREY = { width: 16, height: 16, pixels: new Uint8Array(16 * 16 * 3).fill(90) };
  let files: readonly string[];
  /** Of the model only its dimension is looked at, and how it sees pictures: as they are. */
  const seeing = (embed: (values: Float32Array) => readonly number[]): Pick<ImageModel, 'runPixels' | 'config'> => ({
    config: {
      dimension: 2,
      processor: {
        resize: { width: 16, height: 16 },
        crop: { width: 16, height: 16 },
        filter: 2,
        scale: 1,
        mean: [0, 0, 0],
        deviation: [1, 1, 1],
      },
    } as Partial<ImageModel['config']> as ImageModel['config'],
    async runPixels(pixels) {
      return { rows: pixels.length, embeddings: Float32Array.from(pixels.flatMap(embed)) };
    },
  });
  const isExact = (values: Float32Array): boolean => values.every((value) => value === 90);

  before(async () => {
    const folder = await temporaryFolder();
    files = Array.from({ length: 8 }, (_, query) => join(folder, `query-${query}`));
    const bytes = await asPng(GREY);
    await Promise.all(files.map((file) => writeFile(file, bytes)));
  });

  it('change nothing where what is found first stays of one label, whichever picture it is', async () => {
    const { score, byEdit, changed } = await measureQueryFlips(
      // Between the two bright ones: now the one is nearer, now the other.
      seeing((values) => (isExact(values) ? [0.1, 1] : [0.9, 1])),
      gallery,
      files,
      { signal },
    );
    deepEqual([score.value, score.rows, changed.length, byEdit.length], [0, 8, 0, 5]);
  });

  it('change all where a model rests on exact pixels, and name the pictures and the first edit', async () => {
    const { score, byEdit, changed } = await measureQueryFlips(
      seeing((values) => (isExact(values) ? [0, 1] : [1, 0])),
      gallery,
      files,
      { signal },
    );
    deepEqual([score.value, score.interval!.low > 0.5, byEdit[0]?.flipped], [1, true, 8]);
    deepEqual(changed[0], { id: 'query-0', edit: 'a tenth brighter' });
    equal(changed.length, 5);
  });

  it('cost nothing where what was found first is still on the page, or one of its label stands there now', async () => {
    // A page of two: 36 of one label on an arc from 0 to 0.9 rad, and four of the other beyond it.
    const angles = Array.from({ length: 40 }, (_, at) => at * 0.025);
    const arc = galleryInMemory({
      labels: ['near', 'far'],
      ids: angles.map((_, at) => `at-${at}`),
      classes: Int32Array.from(angles, (_, at) => Number(at >= 36)),
      embeddings: Float32Array.from(angles.flatMap((angle) => [Math.cos(angle), Math.sin(angle)])),
    });
    const lostFrom = async (as: number, edited: number): Promise<number | null> => {
      const form = (at: number) => [Math.cos(at * 0.025), Math.sin(at * 0.025)];
      const forms = Float32Array.from([form(as), ...Array.from({ length: FORMS - 1 }, () => form(edited))].flat());
      return (await queryFlips(arc, { ids: ['asks'], forms: [forms] }, signal)).score.value;
    };
    // From the last of one label to the first of the other, which is beside it: the page has both.
    equal(await lostFrom(35.1, 35.9), 0);
    equal(await lostFrom(2, 30), 0, 'another picture, and the same label');
    equal(await lostFrom(34, 38), 1);
  });

  it('never let a picture find itself, in a graph neither', async () => {
    const own = { ...gallery, ids: ['query-0', 'b', 'c'] };
    const asking = seeing((values) => (isExact(values) ? [1, 0] : [0, 1]));
    const [first] = files;
    equal((await measureQueryFlips(asking, own, [first!], { signal })).score.value, 0, 'both forms find a bright one');
    const graph = {
      search: async (embedding: Float32Array): Promise<Match[]> =>
        embedding[0] === 1
          ? [
              { id: 'query-0', label: 'dark', similarity: 1 },
              { id: 'c', label: 'bright', similarity: 0.5 },
            ]
          : [{ id: 'b', label: 'bright', similarity: 1 }],
    };
    equal((await measureQueryFlips(asking, { ...own, graph }, [first!], { signal })).score.value, 0);
    const alone = galleryInMemory({
      labels: ['dark'],
      ids: ['query-0'],
      classes: Int32Array.of(0),
      embeddings: Float32Array.of(1, 0),
    });
    equal((await measureQueryFlips(asking, alone, [first!], { signal })).score.value, 0, 'there is nothing to change');
  });
});
