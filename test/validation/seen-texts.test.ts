import { deepEqual, equal } from 'node:assert/strict';
import { findTwins } from '../../activities/validation/seen-texts.ts';

const BLOCK = 1000;
const other = (row: number): string => `question ${row * 7919} of many`;

/** Training rows in blocks, of which one is what `at` says. */
async function* training(rows: number, at: ReadonlyMap<number, string>) {
  for (let from = 0; from < rows; from += BLOCK) {
    const places = Array.from({ length: Math.min(BLOCK, rows - from) }, (_, row) => from + row);
    yield await Promise.resolve({
      ids: places.map((row) => `t${row}`),
      texts: places.map((row) => at.get(row) ?? other(row)),
    });
  }
}
const { signal } = new AbortController();

describe('test texts that training texts repeat', () => {
  it('are found beyond the first hundred thousand training rows', async function () {
    this.timeout(120_000);
    const test = ['Where has my parcel been since Monday?', 'A text of its own, about nothing else'];
    const rows = new Map([[120_001, 'Where has my parcel been since Monday']]);
    deepEqual([...(await findTwins({ test, allTrain: () => training(121_000, rows) }, signal))], [[0, 't120001']]);
  });

  it('are named with the first row that repeats them, also where two test texts are the same', async () => {
    const text = 'Where has my parcel been since Monday?';
    const rows = new Map([
      [3, `${text}!`],
      [5, text],
    ]);
    const found = await findTwins({ test: [text, text, 'another matter'], allTrain: () => training(10, rows) }, signal);
    deepEqual(Object.fromEntries(found), { 0: 't3', 1: 't3' });
  });

  it('are looked for no longer than there are any left', async () => {
    let read = 0;
    async function* allTrain() {
      for await (const block of training(5000, new Map())) {
        read += 1;
        yield block;
      }
    }
    await findTwins({ test: [other(7), other(1003)], allTrain }, signal);
    equal(read, 2);
  });

  it('end with the signal', async () => {
    const stopped = findTwins(
      { test: ['a text'], allTrain: () => training(20_000, new Map()) },
      AbortSignal.abort(new Error('enough')),
    ).then(
      () => 'went on',
      (error: Error) => error.message,
    );
    equal(await stopped, 'enough');
  });
});
