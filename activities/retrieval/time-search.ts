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
  readonly mostNumbers?: number;
}

/**
 * Medians of one search each, by its own time (activities/selection/own-time.ts), among random vectors: an exact search reads all of them,
 * whatever they are.
 */
export async function timeSearch(
  { rows, fullRows, dimension, k, mostNumbers = MOST_NUMBERS }: Searched,
  signal: AbortSignal,
): Promise<ForetoldSearch> {
  const held = Math.min(Math.max(rows, fullRows), Math.max(1, Math.floor(mostNumbers / dimension)));
  const random = seededRandom(1);
  const vectors = toUnitLength(
    Float32Array.from({ length: held * dimension }, () => random.uniform() - 0.5),
    dimension,
  );
  const clock = openOwnClock();
  const medianMs = async (asked: number): Promise<number> => {
    const part = vectors.subarray(0, Math.min(asked, held) * dimension);
    const times: number[] = [];
    // The first are not compiled yet.
    for (let search = -SEARCHES; search < SEARCHES; search++) {
      const query = vectors.subarray(0, dimension);
      const elapsed = clock.start();
      await nearestRows(part, query, { dimension, k, signal });
      if (search >= 0) times.push(elapsed().ownMs);
    }
    const sorted = Float64Array.from(times).sort();
    return (quantile(sorted, 0.5) * asked) / Math.min(asked, held);
  };
  try {
    return { hereMs: await medianMs(rows), wholeMs: await medianMs(fullRows) };
  } finally {
    clock.close();
  }
}
