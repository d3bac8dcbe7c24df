import { equal, ok } from 'node:assert/strict';
import { timeSearch } from '../../activities/retrieval/time-search.ts';

describe('what a search of the whole gallery takes', () => {
  it('is longer than in the prototype, and in proportion where the gallery is larger than what is searched', async () => {
    const { signal } = new AbortController();
    const about = { rows: 10, fullRows: 20_000, dimension: 32, k: 5 };
    const { hereMs, wholeMs } = await timeSearch(about, signal);
    ok(hereMs > 0 && wholeMs > 10 * hereMs, `${hereMs} and ${wholeMs}: 2,000 times the rows`);
    const part = await timeSearch({ ...about, mostNumbers: 32 * 10 }, signal);
    ok(part.wholeMs > 10 * part.hereMs, `${JSON.stringify(part)}: both searched ten rows`);
  });

  it('ends when its step is cancelled', async () => {
    const signal = AbortSignal.abort(new Error('cancelled'));
    const said = await timeSearch({ rows: 10, fullRows: 200_000, dimension: 64, k: 5 }, signal).catch(String);
    equal(said, 'Error: cancelled');
  });
});
