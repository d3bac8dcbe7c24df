import { deepEqual, match, rejects } from 'node:assert/strict';
import type { StoredTest } from '../../activities/data/behaviour.ts';
import { askTables } from '../../activities/retrieval/ask-tables.ts';
import { galleryInMemory, type SearchedGallery } from '../../activities/retrieval/gallery.ts';
import { searchAll } from '../../activities/retrieval/similarities.ts';
import type { BehaviourTest } from '../../pipelines/behaviour/table.ts';
import { ImageModel } from '../../inference/image-model.ts';
import { withStore, type TestStore } from '../support/store.ts';
import {
  COLOURS,
  makePictures,
  putPictures,
  tinyPictureClassifier,
  type MadePicture,
} from '../support/tiny-pictures.ts';

describe('behaviour tests of a model that finds pictures', () => {
  let storage: TestStore;
  let model: ImageModel;
  let index: SearchedGallery;
  /** Red, green, blue, red, … */
  let gallery: readonly MadePicture[];
  let asking: readonly MadePicture[];

  before(async () => {
    storage = await withStore();
    model = await ImageModel.load(await tinyPictureClassifier());
    gallery = await makePictures(9, 16);
    // The first is in the gallery, too.
    asking = [gallery[0]!, ...(await makePictures(6, 17))];
    const { embeddings } = await model.runAll(gallery.map(({ bytes }) => bytes));
    const ids = gallery.map(({ id }) => id);
    const classes = Int32Array.from(gallery, ({ label }) => COLOURS.findIndex((colour) => colour === label));
    index = galleryInMemory({ labels: COLOURS, ids, classes, embeddings });
  });
  after(async () => {
    await model.release();
    storage.close();
  });

  const named = (at: number): string => `behaviour/${asking[at]!.id}.png`;
  const finds = (at: number, label: string): BehaviourTest => {
    return { kind: 'minimum-functionality', image: named(at), label };
  };
  const same = (at: number, other: number, overlap?: number): BehaviourTest => {
    const pair = { image: named(at), other: named(other) };
    return { kind: 'invariance', ...pair, ...(overlap === undefined ? {} : { overlap }) };
  };
  const moved = (at: number, edited: number, mustNot: 'fall' | 'rise', by = 0): BehaviourTest => {
    return { kind: 'directional', image: named(at), edited: named(edited), label: 'red', mustNot, by };
  };
  const asked = async (tests: readonly BehaviourTest[], k: number, behaviour: readonly MadePicture[] = asking) => {
    const stored = tests.map((test, at): StoredTest => ({ table: test.kind, file: 'a.csv', line: at + 2, test }));
    const dataset = await putPictures(storage.store, { behaviour }, { tests: stored });
    const { store } = storage;
    const context = { store, signal: new AbortController().signal, progress: () => undefined };
    const results = await askTables(model, index, { dataset, k }, context);
    return results.map(({ name, score, failures }) => [
      name,
      score.value,
      ...failures.map(({ line, problem }) => `${line} ${problem}`),
    ]);
  };

  it('hold where something of the label is among the first k', async () => {
    deepEqual(await asked([finds(1, 'red'), finds(2, 'red'), finds(3, 'blue')], 2), [
      ['minimum-functionality', 2 / 3, '3 finds no red among the first 2: green'],
    ]);
  });

  it('hold where the very picture that must be found is among the first k', async () => {
    const neighbour = ({ id }: MadePicture): string => `behaviour/${id}.png`;
    const near = (at: number, wanted: MadePicture): BehaviourTest => {
      return { kind: 'minimum-functionality', image: named(at), neighbour: neighbour(wanted) };
    };
    const [red, green] = gallery;
    const [result] = await asked([near(1, red!), near(2, green!), near(2, red!)], 3);
    deepEqual(result, ['minimum-functionality', 2 / 3, `4 does not find ${red!.id} among the first 3: green`]);
  });

  it('hold where two find the same first, or so much the same among the first k', async () => {
    const [result] = await asked([same(1, 1), same(1, 4, 1), same(1, 2), same(1, 2, 0.1), same(1, 2, 0)], 3);
    deepEqual(result!.slice(0, 2), ['invariance', 0.6]);
    match(String(result![2]), /^4 finds red \([0-9a-f]{16}\) first the one way and green \([0-9a-f]{16}\) the other$/);
    deepEqual(result!.slice(3), ['5 finds 0.00 of the first 3 the same way, and must 0.1']);
  });

  it('hold where the share of a label among the first k does not go the wrong way', async () => {
    const tests = [moved(1, 2, 'fall'), moved(1, 2, 'rise'), moved(1, 2, 'fall', 1), moved(2, 1, 'rise', 0.5)];
    deepEqual(await asked(tests, 3), [
      [
        'directional',
        0.5,
        '2 red among the first 3 goes from 1.00 to 0.00 and must not fall by more than 0',
        '5 red among the first 3 goes from 0.00 to 1.00 and must not rise by more than 0.5',
      ],
    ]);
  });

  it('never take the pictures of a test for an answer to it', async () => {
    // Three reds are in the gallery, one of them asks: two are left for it, and for its variant.
    deepEqual(await asked([same(0, 1), same(0, 1, 1), moved(0, 1, 'fall'), moved(1, 0, 'fall')], 3), [
      ['invariance', 1],
      ['directional', 1],
    ]);
    const { embeddings } = await model.run([asking[1]!.bytes]);
    const [found = []] = await searchAll(index, [{ embedding: embeddings, k: 3 }], new AbortController().signal);
    match(found.map(({ id }) => id).join(), new RegExp(asking[0]!.id));
  });

  it('are not asked where there are none, and refused where a picture is not in their pack', async () => {
    deepEqual(await asked([], 3), []);
    await rejects(asked([finds(1, 'red')], 3, asking.slice(2)), /behaviour\.tar does not hold behaviour/);
  });
});
