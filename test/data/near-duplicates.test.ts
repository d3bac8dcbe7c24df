import { deepEqual, equal, ok } from 'node:assert/strict';
import * as fc from 'fast-check';
import {
  findNearTwins,
  jaccard,
  missRate,
  nearGroups,
  PERMUTATIONS,
  shingles,
  sketch,
  type Sketched,
} from '../../activities/data/near-duplicates.ts';
import { WordCounts } from '../../activities/data/word-counts.ts';

/** The same measure, written another way. */
function similarity(left: string, right: string): number {
  const grams = (text: string): Set<string> =>
    new Set(Array.from({ length: Math.max(1, text.length - 4) }, (_, from) => text.slice(from, from + 5)));
  const [one, other] = [grams(left), grams(right)];
  const shared = [...one].filter((gram) => other.has(gram)).length;
  return shared / (one.size + other.size - shared);
}

const WORDS =
  'parcel invoice garden kettle ladder window bicycle lamp carpet mirror late broken refund when where card'.split(' ');
/** Repeatable noise in [0, 1). */
function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function sentence(random: () => number, words = 14): string[] {
  return Array.from(
    { length: words },
    () => `${WORDS[Math.floor(random() * WORDS.length)]}${Math.floor(random() * 90)}`,
  );
}

/** Pairs of which a share of the words was changed: their similarities cover all of [0, 1]. */
function plantedPairs(count: number): {
  readonly texts: string[];
  readonly twins: string[];
  readonly similar: number[];
} {
  const random = noise(7);
  const texts: string[] = [];
  const twins: string[] = [];
  for (let pair = 0; pair < count; pair += 1) {
    const words = sentence(random, 30);
    const changed = Math.floor(random() * 8);
    texts.push(words.join(' '));
    twins.push(words.map((word, index) => (index < changed ? `x${word}y` : word)).join(' '));
  }
  return { texts, twins, similar: texts.map((text, index) => similarity(text, twins[index] as string)) };
}

/** Share of equal minima. */
function estimate(left: Sketched, right: Sketched, index: number): number {
  const row = ({ minima }: Sketched): Uint32Array => minima.subarray(index * PERMUTATIONS, (index + 1) * PERMUTATIONS);
  return row(left).filter((value, at) => value === row(right)[at]).length / PERMUTATIONS;
}

describe('near duplicates', () => {
  it('measures the Jaccard similarity of sets of 5-grams', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), fc.string({ maxLength: 60 }), (left, right) => {
        equal(jaccard(shingles(left), shingles(right)), similarity(left, right));
      }),
    );
    equal(jaccard(shingles('the same'), shingles('the same')), 1);
  });

  it('estimates it within the standard error of its permutations', async () => {
    const { texts, twins, similar } = plantedPairs(400);
    const [left, right] = [await sketch(texts), await sketch(twins)];
    const scaled = similar.flatMap((value, index) =>
      value === 1 ? [] : [(estimate(left, right, index) - value) / Math.sqrt((value * (1 - value)) / PERMUTATIONS)],
    );
    const rms = Math.sqrt(scaled.reduce((sum, error) => sum + error ** 2, 0) / scaled.length);
    // 1 for ideal permutations; 400 pairs give it to within 0.1 or so.
    ok(rms > 0.75 && rms < 1.25, `${rms}`);
    const bias = scaled.reduce((sum, error) => sum + error, 0) / scaled.length;
    ok(Math.abs(bias) < 0.25, `${bias}`);
  });

  it('finds planted pairs at and above the threshold, and none below it', async () => {
    const { texts, twins, similar } = plantedPairs(600);
    const [left, right] = [await sketch(texts), await sketch(twins)];
    for (const threshold of [0.7, 0.8, 0.9]) {
      const found = await findNearTwins(right, left, threshold);
      const above = similar.flatMap((value, index) => (value >= threshold ? [index] : []));
      ok(above.length > 50);
      const missed = above.filter((index) => found[index] !== index);
      ok(
        missed.length <= 2 + above.length * missRate(threshold) * 3,
        `${missed.length} of ${above.length} at ${threshold}`,
      );
      for (const [index, other] of found.entries()) {
        if (other !== -1) ok(similarity(twins[index] as string, texts[other] as string) >= threshold);
      }
    }
    deepEqual([missRate(0.8) < 1e-4, missRate(0.7) < 0.02], [true, true]);
  });

  it('puts chains of near twins and equal keys into one group', async () => {
    const words = sentence(noise(3), 40);
    const step = (changed: number): string =>
      words.map((word, index) => (index < changed ? `${word}!!` : word)).join(' ');
    const texts = [step(0), 'another text altogether, about nothing', step(3), step(6), step(9), 'yet a different one'];
    ok(similarity(step(0), step(9)) < 0.8 && similarity(step(6), step(9)) > 0.8);
    const groups = await nearGroups(texts, ['a', 'b', 'c', 'd', 'e', 'b'], 0.8);
    deepEqual(
      texts.map((_, index) => texts.findIndex((_, other) => groups[other] === groups[index])),
      [0, 1, 0, 0, 0, 1],
    );
  });

  const SHORT = [
    'where is my parcel?',
    'of another thing',
    'where is my parsel?',
    'order 5, please',
    'order 6, please',
  ];
  const SLIPPED = 'where is my paarcel?';

  it('are short texts that are the same but for a slip, too, and not those of which one figure is another', async () => {
    ok(similarity(SHORT[0]!, SHORT[2]!) < 0.6 && similarity(SHORT[0]!, SLIPPED) < 0.7);
    const groups = await nearGroups(SHORT, SHORT, 0.8);
    deepEqual(
      SHORT.map((_, index) => SHORT.findIndex((_, other) => groups[other] === groups[index])),
      [0, 1, 0, 3, 4],
    );
    const twins = await findNearTwins(await sketch([SLIPPED, 'order 7, please']), await sketch(SHORT), 0.8);
    deepEqual([...twins], [0, -1]);
  });

  it('are no texts of which a word is another that people write, on whichever side they do', async () => {
    const [one, other] = [await sketch(['shall i sell now']), await sketch(['shall i tell now'])];
    deepEqual([...(await findNearTwins(one, other, 0.8))], [0]);
    const elsewhere = ['please sell it', 'please tell me', one.texts[0]!, other.texts[0]!];
    const words = await WordCounts.of([elsewhere]);
    deepEqual([...(await findNearTwins(one, other, 0.8, undefined, words))], [-1]);
    equal(new Set(await nearGroups(elsewhere, elsewhere, 0.8)).size, 4);
  });

  it('does not compare all with all, even where all fall into one bucket', async function () {
    this.timeout(240_000);
    const same = Array.from({ length: 4000 }, () => 'please tell me when my parcel will be here at last');
    const from = process.cpuUsage();
    const sketched = await sketch(same);
    ok((await findNearTwins(sketched, sketched, 0.8)).every((twin) => twin !== -1));
    equal(
      new Set(
        await nearGroups(
          same,
          same.map((_, index) => `${index}`),
          0.8,
        ),
      ).size,
      1,
    );
    // Sixteen million comparisons of 125 numbers, twice, would take minutes.
    ok(process.cpuUsage(from).user / 1e6 < 20);
  });

  it('lets others run while it compares short texts that are all one edit apart', async () => {
    const texts = Array.from(
      { length: 1000 },
      (_, at) => `이 글자는 ${String.fromCharCode(0xac00 + at)} 인데 어떻게 읽나요`,
    );
    let [turns, isDone] = [0, false];
    const count = (): void => {
      turns += 1;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    const groups = await nearGroups(texts, texts, 0.8);
    isDone = true;
    equal(new Set(groups).size, 1000);
    // Two for each of the 25 bands, and one for each dozen or so of the texts.
    ok(turns > 100, `${turns} turns`);
  });

  it('lets others run, and stops when told to', async () => {
    const texts = Array.from({ length: 3000 }, (_, index) => sentence(noise(index)).join(' '));
    // Turns of the event loop: how many milliseconds the work takes is the machine's.
    let turns = 0;
    let turning = setImmediate(function turn() {
      turns += 1;
      turning = setImmediate(turn);
    });
    const sketched = await sketch(texts);
    await findNearTwins(sketched, sketched, 0.8);
    clearImmediate(turning);
    ok(turns > 3, `${turns}`);
    const stopped = findNearTwins(sketched, sketched, 0.8, AbortSignal.abort(new Error('enough'))).then(
      () => 'went on',
      (error: Error) => error.message,
    );
    equal(await stopped, 'enough');
  });
});
