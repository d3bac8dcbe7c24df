/** What an exact search takes in the prototype's gallery and in the whole one: a latency holds for both but for it. */
import type { ForetoldSearch } from '../contract/retrieval.ts';
import { nearestRows, toUnitLength } from '../../inference/retrieval/nearest.ts';
import { openOwnClock } from '../selection/own-clock.ts';
import { seededRandom } from '../validation/random.ts';
import { quantile } from '../validation/statistics.ts';

const SEARCHES = 25;
/** Of float32: 64 MB. What is larger is searched in part, and the time grows with the rows. */
const MOST_NUMBERS = 2 ** 24;

interface Searched {
  readonly rows: number;
  readonly fullRows: number;
  readonly dimension: number;
  readonly k: number;
}

/** Medians of one search each, by its own time (activities/selection/own-time.ts). */
export async function timeSearch(about: Searched, signal: AbortSignal): Promise<ForetoldSearch> {
  const { dimension, k } = about;
  const clock = openOwnClock();
  try {
    return await mediansOfSearch(about, async (vectors, query) => {
      const elapsed = clock.start();
      await nearestRows(vectors, query, { dimension, k, signal });
      return elapsed().ownMs;
    });
  } finally {
    clock.close();
  }
}

/**
 * By what `msOf` tells of one search, among random vectors: an exact search reads all of them, whatever they are. No more than `mostNumbers`
 * are held; what is larger is searched in part.
 */
export async function mediansOfSearch(
  { rows, fullRows, dimension }: Omit<Searched, 'k'>,
  msOf: (vectors: Float32Array, query: Float32Array) => Promise<number>,
  mostNumbers = MOST_NUMBERS,
): Promise<ForetoldSearch> {
  const held = Math.min(Math.max(rows, fullRows), Math.max(1, Math.floor(mostNumbers / dimension)));
  const random = seededRandom(1);
  const vectors = toUnitLength(
    Float32Array.from({ length: held * dimension }, () => random.uniform() - 0.5),
    dimension,
  );
  const medianMs = async (asked: number): Promise<number> => {
    const searched = Math.min(asked, held);
    const times: number[] = [];
    // The first are not compiled yet.
    for (let search = -SEARCHES; search < SEARCHES; search++) {
      const ms = await msOf(vectors.subarray(0, searched * dimension), vectors.subarray(0, dimension));
      if (search >= 0) times.push(ms);
    }
    return (quantile(Float64Array.from(times).sort(), 0.5) * asked) / searched;
  };
  return { hereMs: await medianMs(rows), wholeMs: await medianMs(fullRows) };
}
