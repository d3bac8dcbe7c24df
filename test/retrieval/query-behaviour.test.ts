import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { galleryInMemory, type SearchedGallery } from '../../activities/retrieval/gallery.ts';
import { checkEdgeQueries } from '../../activities/retrieval/query-behaviour.ts';
import { decodePicture, type Picture } from '../../inference/image/decode.ts';
import type { ImageModel } from '../../inference/image-model.ts';
import type { Match } from '../../inference/retrieval/embedding-index.ts';

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
