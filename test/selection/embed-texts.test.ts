import { deepEqual, equal } from 'node:assert/strict';
import { join } from 'node:path';
import type { EmbeddedRows } from '../../activities/selection/embedded-rows.ts';
import { domainPlaces } from '../../activities/selection/measure-domain.ts';
import { embedTexts, textsOf } from '../../activities/selection/embed-texts.ts';
import { TextModel } from '../../inference/text-model.ts';
import { writeTinyOnnx } from '../support/tiny-onnx.ts';
import { temporaryFolder } from '../training/fixtures.ts';

const { signal } = new AbortController();
const texts = (rows: number, from: number) => Array.from({ length: rows }, (_, at) => `where is parcel ${from + at}`);

// oxlint-disable-next-line require-await -- they are in memory already
async function* inBlocks(all: readonly string[], size: number) {
  for (let start = 0; start < all.length; start += size) {
    const part = all.slice(start, start + size);
    yield { texts: part, classes: part.map((text) => text.length) };
  }
}

describe('texts that a frozen encoder reads as they pass', () => {
  let folder: string;
  before(async () => {
    folder = join(await temporaryFolder(), 'encoder');
    await writeTinyOnnx(folder, 'encoder');
  });

  it('become the numbers, in the order, that they are in one piece, and their labels with them', async () => {
    // More than the domain looks at, and neither a multiple of a batch.
    const [train, validation] = [texts(2117, 0), texts(45, 5000)];
    const classes = { train: new Int32Array(train.length), validation: new Int32Array(validation.length) };
    const of = (split: 'train' | 'validation', all: readonly string[], size: number) => ({
      rows: all.length,
      blocks: textsOf(inBlocks(all, size), classes[split], (block) => block.classes),
    });
    const progress: number[] = [];
    const held = domainPlaces(new Uint32Array(train.length).fill(40), 7);
    const embed = async (size: number) => {
      const workDir = await temporaryFolder();
      const {
        train: known,
        validation: asked,
        ...told
      } = await embedTexts(
        folder,
        { train: of('train', train, size), validation: of('validation', validation, size) },
        held,
        {
          signal,
          progress: (said) => progress.push((said as { readonly done: number }).done),
          workDir,
        },
      );
      const all = async (rows: EmbeddedRows) => (await rows.pick([...rows.classes.keys()])).embeddings;
      return { ...told, train: await all(known), validation: await all(asked) };
    };
    const streamed = await embed(50);
    equal(progress.at(-1), train.length + validation.length);
    deepEqual(
      progress,
      progress.toSorted((one, other) => one - other),
    );
    deepEqual(streamed, await embed(10_000));
    const model = await TextModel.load(folder);
    try {
      deepEqual(streamed.train, (await model.runAll(train)).embeddings);
      deepEqual(streamed.validation, (await model.runAll(validation)).embeddings);
    } finally {
      await model.release();
    }
    deepEqual(
      [...classes.train, ...classes.validation],
      [...train, ...validation].map(({ length }) => length),
    );
    equal(streamed.domain.rows, 2000);
  });
});
