import { deepEqual, equal, match, ok } from 'node:assert/strict';
import type { QueryOutcome } from '../../activities/contract/retrieval.ts';
import { answeredRows, recallBySlice } from '../../activities/retrieval/query-slices.ts';
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

describe('the slices of pictures that ask', () => {
  it('name the third that finds worse by its brightness, and those of it that find nothing', () => {
    const outcomes = places.map((at) => outcome(at, at < 40 && at % 2 === 0 ? 0 : 1));
    const { score, slices, examples } = recallBySlice(
      outcomes,
      places.map((at) => ({ seen: seen(at) })),
    );
    ok(score.value === 0.5 && score.interval!.low > 0.1 && score.rows === 40, JSON.stringify(score));
    deepEqual(
      [slices[0]?.name, slices[0]?.rows, slices[0]?.recallAtK],
      ['pictures of brightness 0 to 39 (of 255)', 40, 0.5],
    );
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
    const { score, slices } = recallBySlice(outcomes, rows);
    equal(score.value, 1, 'of ties that reach over k the likelier counts');
    deepEqual(
      slices.map(({ name }) => name),
      ['site = north', 'site = south'],
    );
  });

  it('are no measure of fewer than sixty', () => {
    const few = places.slice(0, 59);
    const { score, slices, examples } = recallBySlice(
      few.map((at) => outcome(at, at % 2)),
      few.map((at) => ({ seen: seen(at) })),
    );
    match(score.notApplicable ?? '', /no slice has 30 rows on both sides/);
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
