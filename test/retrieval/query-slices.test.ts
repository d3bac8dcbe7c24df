import { deepEqual, match, ok } from 'node:assert/strict';
import type { QueryOutcome } from '../../activities/contract/retrieval.ts';
import { answeredRows, precisionBySlice } from '../../activities/retrieval/query-slices.ts';
import { withStore } from '../support/store.ts';
import { makePictures, putPictures } from '../support/tiny-pictures.ts';

const outcome = (at: number, recallAtK: number): QueryOutcome => ({
  rowId: `${at}`,
  label: 'bolt',
  recallAtK,
  precisionAtK: recallAtK,
  averagePrecision: recallAtK,
});
const seen = (brightness: number) => ({ width: 40, height: 30, brightness });
const places = [...Array(120).keys()];
const options = { labels: ['bolt', 'nut'], luck: [0.05, 0.05] };

describe('the slices of pictures that ask', () => {
  it('name the third that finds worse by its brightness, and those of it that find worst', () => {
    const outcomes = places.map((at) => outcome(at, at < 40 && at % 2 === 0 ? 0.1 + at / 1000 : 0.9));
    const { score, slices, examples } = precisionBySlice(
      outcomes,
      places.map((at) => ({ seen: seen(at) })),
      options,
    );
    ok(Math.abs(score.value! - 0.64) < 0.01 && score.interval!.low > 0.1 && score.rows === 40, JSON.stringify(score));
    deepEqual(
      [slices[0]?.name, slices[0]?.rows, slices[0]?.recallAtK],
      ['pictures of brightness 0 to 39 (of 255)', 40, 0.5],
    );
    ok(Math.abs(slices[0]!.averagePrecision! - 0.51) < 0.001);
    deepEqual(
      examples.map(({ id, note }) => [id, note]),
      ['0', '2', '4', '6', '8'].map((id) => [id, 'bolt; pictures of brightness 0 to 39 (of 255)']),
    );
  });

  it('are the declared groups, too, and no looks where one picture was not looked at', () => {
    const outcomes = places.map((at) => outcome(at, at % 3 === 0 ? 0.4 : 0.6));
    const rows = places.map((at) => ({
      groups: { site: at % 3 === 0 ? 'north' : 'south' },
      ...(at === 7 ? {} : { seen: seen(at) }),
    }));
    const { score, slices } = precisionBySlice(outcomes, rows, options);
    ok(Math.abs(score.value! - 1 / 3) < 1e-9, 'by a third less');
    deepEqual(
      slices.map(({ name, recallAtK }) => [name, recallAtK]),
      [
        ['site = north', 0],
        ['site = south', 1],
      ],
      'of ties that reach over k the likelier counts',
    );
  });

  it('are held against others of their labels: one that asks for hard labels is served no worse', () => {
    const label = (at: number) => (at % 2 === 0 ? 'bolt' : 'nut');
    const hard = places.map((at) => ({ ...outcome(at, at % 2 === 0 ? 0.9 : 0.2), label: label(at) }));
    const mostly = (at: number) => (at % 2 === 1) === at % 10 < 8;
    const { score } = precisionBySlice(
      hard,
      places.map((at) => ({ groups: { site: mostly(at) ? 'north' : 'south' } })),
      options,
    );
    ok(Math.abs(score.value!) < 1e-9 && score.interval!.low < 0.1, JSON.stringify(score));
    const apart = precisionBySlice(
      hard,
      places.map((at) => ({ groups: { site: label(at) } })),
      options,
    );
    match(apart.score.notApplicable ?? '', /others of the same labels/);
  });

  it('are no measure of fewer than sixty', () => {
    const few = places.slice(0, 59);
    const { score, slices, examples } = precisionBySlice(
      few.map((at) => outcome(at, 0.1 + (at % 2))),
      few.map((at) => ({ seen: seen(at) })),
      options,
    );
    match(score.notApplicable ?? '', /no slice has 30 pictures beside 30 others of the same labels/);
    deepEqual([slices, examples], [[], []]);
  });

  it('are of the pictures that were drawn and have something to find', async () => {
    const { store, close } = await withStore();
    const test = (await makePictures(6, 18)).map((one, at) => ({ ...one, groups: { at: `${at}` } }));
    const dataset = await putPictures(store, { test });
    const { signal } = new AbortController();
    const groups = async (drawn: readonly number[] | undefined, answered: readonly number[]) =>
      (await answeredRows(dataset, { places: drawn, answered }, { store, signal })).map((row) => row.groups?.['at']);
    deepEqual(await groups(undefined, [0, 2, 5]), ['0', '2', '5']);
    deepEqual(await groups([1, 3, 4], [0, 2]), ['1', '4']);
    close();
  });
});
