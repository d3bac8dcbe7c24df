import { deepEqual, equal, ok } from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { classifiedBlocks, pickRows, rowsAt, rowSizes } from '../../activities/data/row-blocks.ts';
import { wholeText } from '../../inference/texts.ts';
import { placesThatFit, sampledPlaces } from '../../activities/validation/sample-rows.ts';
import { withStore } from '../support/store.ts';
import { temporaryFolder } from '../training/fixtures.ts';

const bytesOf = (places: readonly number[], sizes: Uint32Array) => places.reduce((sum, at) => sum + sizes[at]!, 0);
const ascending = (places: readonly number[]) => places.toSorted((one, other) => one - other);

describe('a sample of rows', () => {
  it('is what was drawn where that fits, to the byte', () => {
    const sizes = Uint32Array.from({ length: 500 }, (_, row) => 100 + row);
    const drawn = sampledPlaces(500, 40, 7);
    equal(placesThatFit(drawn, sizes, 7, bytesOf(drawn, sizes)), drawn);
    ok(placesThatFit(drawn, sizes, 7, bytesOf(drawn, sizes) - 1).length < drawn.length);
    // 20,000 rows of 3 kB are no long texts.
    const usual = new Uint32Array(30_000).fill(3000);
    const many = sampledPlaces(30_000, 20_000, 7);
    equal(placesThatFit(many, usual, 7), many);
  });

  it('has as many of them as fit where texts are long, the same each time, from all over the split', () => {
    const sizes = new Uint32Array(40_000).fill(100_000);
    const drawn = sampledPlaces(40_000, 20_000, 7);
    const kept = placesThatFit(drawn, sizes, 7);
    equal(kept.length, Math.floor(2 ** 26 / 100_000));
    deepEqual(placesThatFit(drawn, sizes, 7), kept);
    deepEqual(kept, ascending(kept));
    const known = new Set(drawn);
    ok(kept.every((place) => known.has(place)));
    // 671 drawn without regard to their place: half of them in the first half, within five deviations.
    const inFirstHalf = kept.filter((place) => place < 20_000).length;
    ok(Math.abs(inFirstHalf - kept.length / 2) < 5 * Math.sqrt(kept.length / 4), String(inFirstHalf));
    // With room for more there are more, and the same ones among them.
    const more = new Set(placesThatFit(drawn, sizes, 7, 2 ** 27));
    ok(more.size === 2 * kept.length || more.size === 2 * kept.length + 1);
    ok(kept.every((place) => more.has(place)));
  });

  it('has one row at least, however long it is, and none of none', () => {
    equal(placesThatFit([0, 1, 2], Uint32Array.of(4e9, 4e9, 4e9), 7).length, 1);
    deepEqual(placesThatFit([], new Uint32Array(), 7, 0), []);
  });

  it('of a file of hostile texts holds no more than its bytes, whatever they are made of', async () => {
    const opened = await withStore();
    try {
      const folder = await temporaryFolder();
      const made = ['\u{1F600}', '語', '\\"', '\u2028', 'a\u0301'];
      const rows = Array.from({ length: 60 }, (_, row) => {
        const piece = made[row % made.length]!;
        // Every tenth is short.
        return {
          id: `row-${row}`,
          label: 'a',
          text: piece.repeat(row % 10 === 0 ? 3 : Math.ceil(100_000 / Buffer.byteLength(piece))),
        };
      });
      await writeFile(join(folder, 'train.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
      const dataset = await opened.store.putTree(folder, 'dataset');
      const sizes = await rowSizes(opened.store, dataset, 'train.jsonl');
      deepEqual(
        [...sizes],
        rows.map((row) => Buffer.byteLength(JSON.stringify(row))),
      );
      const most = 2e6;
      const places = placesThatFit(sampledPlaces(rows.length, 50, 7), sizes, 7, most);
      const blocks = () => classifiedBlocks(opened.store, dataset, 'train.jsonl', ['a']);
      const [picked] = await pickRows(blocks(), [places]);
      deepEqual(
        picked!.ids,
        places.map((place) => rows[place]!.id),
      );
      const held = picked!.texts.reduce((sum, text) => sum + Buffer.byteLength(wholeText(text)), 0);
      ok(held <= most && bytesOf(places, sizes) <= most && places.length > 5, `${held} bytes of ${places.length}`);
      // Some at a time they are the same.
      const passing: string[] = [];
      for await (const { ids, texts } of rowsAt(blocks(), places)) {
        equal(ids.length, texts.length);
        passing.push(...ids);
      }
      deepEqual(passing, picked!.ids);
    } finally {
      opened.close();
    }
  });
});
