import { deepEqual, equal, ok } from 'node:assert/strict';
import { mediansOfSearch, timeSearch } from '../../activities/retrieval/time-search.ts';

describe('what a search of the whole gallery takes', () => {
  const about = { rows: 10, fullRows: 20_000, dimension: 32 };
  /** Takes a millisecond a row, but for the first searches of each size, which are not compiled yet. */
  const byRows = (sizes: number[]) => (vectors: Float32Array, query: Float32Array) => {
    equal(query.length, about.dimension);
    const rows = vectors.length / about.dimension;
    sizes.push(rows);
    const first = sizes.filter((size) => size === rows).length <= 20;
    return Promise.resolve(first ? 1e6 : rows);
  };

  it('is of searches of the prototype’s gallery and of the whole one, the first of each not counted', async () => {
    const sizes: number[] = [];
    deepEqual(await mediansOfSearch(about, byRows(sizes)), { hereMs: 10, wholeMs: 20_000 });
    deepEqual([...new Set(sizes)], [10, 20_000]);
  });

  it('grows in proportion where the gallery is larger than what is held of it', async () => {
    const sizes: number[] = [];
    deepEqual(await mediansOfSearch(about, byRows(sizes), 32 * 40), { hereMs: 10, wholeMs: 20_000 });
    deepEqual([...new Set(sizes)], [10, 40], 'no more than 40 rows are held');
  });

  it('is timed by the own time of the process', async () => {
    const { hereMs, wholeMs } = await timeSearch({ ...about, k: 5 }, new AbortController().signal);
    ok(Number.isFinite(hereMs) && hereMs >= 0 && Number.isFinite(wholeMs) && wholeMs > 0, `${hereMs} and ${wholeMs}`);
  });

  it('ends when its step is cancelled', async () => {
    const signal = AbortSignal.abort(new Error('cancelled'));
    const said = await timeSearch({ rows: 10, fullRows: 200_000, dimension: 64, k: 5 }, signal).catch(String);
    equal(said, 'Error: cancelled');
  });
});
