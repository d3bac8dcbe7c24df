/** Test texts that training texts repeat, word for word or nearly: all of these are looked at, and a block of them is in memory. */
import { wholeText } from '../../inference/texts.ts';
import { NearIndex } from '../data/near-index.ts';
import { resting } from '../data/pauses.ts';
import type { Texts } from './diagnose.ts';

/** From here on two texts are nearly the same (data.nearDuplicates' own default). */
export const NEAR = 0.8;

/** The first training row that is a test row's near twin, by the test row. */
export async function findTwins(
  { test, allTrain }: Pick<Texts, 'test' | 'allTrain'>,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, string>> {
  const index = await NearIndex.of(test.map(wholeText), NEAR, signal);
  const found = new Map<number, string>();
  const rest = resting(signal);
  for await (const { ids, texts } of allTrain()) {
    for (const [row, text] of texts.map(wholeText).entries()) {
      for (const twin of index.matches(text)) {
        found.set(twin, ids[row]!);
        index.remove(twin);
      }
      await rest(text);
    }
    if (found.size === test.length) break;
  }
  return found;
}
