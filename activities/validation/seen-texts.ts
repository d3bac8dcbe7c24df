/** Test texts that training texts repeat, word for word or nearly: all of these are looked at, and a block of them is in memory. */
import { textsOf, type TextInput } from '../../inference/texts.ts';
import type { Score } from '../contract/measures.ts';
import { NearTwinIndex } from '../data/near-twin-index.ts';
import { normaliseText } from '../data/normalise.ts';
import { isShort } from '../data/one-edit.ts';
import { pause, resting } from '../data/pauses.ts';
import { WordCounts } from '../data/word-counts.ts';
import type { Texts } from './diagnose.ts';
import { plainScore } from './scores.ts';

/** From here on two texts are nearly the same (data.nearDuplicates' own default). */
export const NEAR = 0.8;

export interface SeenTexts {
  /** The first training row that is a test row's near twin, by the test row. */
  readonly twins: ReadonlyMap<number, string>;
  readonly compared: Compared;
}
/** Training rows. */
export interface Compared {
  /** All that were looked at: no more than it takes to find every test row's twin. */
  readonly rows: number;
  /** Of them those that were compared with some of the test rows only (`NearTwinIndex.cut`): a twin may be overlooked. */
  readonly partly: number;
}

/** `allTrain`: read once, and before it once for its words where a test text is short enough to be the same but for a slip. */
export async function findTwins(
  { test, allTrain }: Pick<Texts, 'test' | 'allTrain'>,
  signal: AbortSignal,
  /** What looking for one training row may take (`NearTwinIndex.of`). */
  most?: number,
): Promise<SeenTexts> {
  const asked = test.map(identityOf);
  const words = await WordCounts.of([asked], signal);
  if (asked.some(isShort)) {
    for await (const { texts } of allTrain()) {
      await words.addAll(texts.map(identityOf), signal);
      await pause(signal);
    }
  }
  const index = await NearTwinIndex.of(asked, { similarity: NEAR, words, most }, signal);
  const twins = new Map<number, string>();
  let rows = 0;
  const rest = resting(signal);
  for await (const { ids, texts } of allTrain()) {
    rows += texts.length;
    for (const [row, text] of texts.map(identityOf).entries()) {
      const before = index.work;
      for (const twin of index.matches(text)) {
        twins.set(twin, ids[row]!);
        index.remove(twin);
      }
      await rest(text, index.work - before);
    }
    if (twins.size === test.length) break;
  }
  return { twins, compared: { rows, partly: index.cut } };
}

/** Case and white space do not count, as when the data were split. */
function identityOf(input: TextInput): string {
  return textsOf(input).map(normaliseText).join('\n');
}

/** The share of `testRows` that `seen` training rows repeat. Where some were compared with a part of them only it is no less than that, and says so. */
export function seenScore(seen: number, testRows: number, { rows, partly }: Compared): Score {
  const score = plainScore(seen / testRows, testRows);
  if (partly === 0) return score;
  const of = `${partly} of ${rows} training rows were compared with only part of the test rows, since they share too much with too many: more may be seen`;
  return { ...score, of };
}
