import { deepEqual, equal, ok } from 'node:assert/strict';
import * as fc from 'fast-check';
import { NearIndex } from '../../activities/data/near-index.ts';
import { jaccard, shingles } from '../../activities/data/near-duplicates.ts';

/** All with all, as the index must not. */
function twinsOf(texts: readonly string[], text: string, similarity: number): readonly number[] {
  const own = shingles(text);
  return texts.flatMap((one, row) => (jaccard(own, shingles(one)) >= similarity ? [row] : []));
}

describe('an index of texts that others nearly repeat', () => {
  it('overlooks none and accuses none, of any texts at any similarity', async () => {
    // Of few letters, so that texts share much; edits of each other, so that some are near.
    const text = fc.string({ unit: fc.constantFrom('a', 'b', ' '), maxLength: 60 });
    const edits = fc.array(fc.tuple(fc.nat(60), fc.constantFrom('', 'a', 'zz')), { maxLength: 3 });
    const edited = (base: string, [at, put]: readonly [number, string]): string =>
      base.slice(0, at) + put + base.slice(at + 1);
    await fc.assert(
      fc.asyncProperty(
        fc.array(text, { minLength: 1, maxLength: 12 }),
        fc.array(fc.tuple(fc.nat(11), edits), { maxLength: 8 }),
        fc.constantFrom(0.5, 0.7, 0.8, 0.9, 1),
        async (texts, asked, similarity) => {
          const index = await NearIndex.of(texts, similarity);
          for (const [which, changes] of asked) {
            const question = changes.reduce(edited, texts[which % texts.length]!);
            const found = index.matches(question).toSorted((a, b) => a - b);
            deepEqual(found, twinsOf(texts, question, similarity));
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  it('holds shares of sizes that no binary number is exactly', async () => {
    // 35 5-grams, of which 28 are shared with a text that has no others: 0.8.
    const text = Array.from({ length: 39 }, (_, at) => String.fromCodePoint(0x4e00 + at)).join('');
    const index = await NearIndex.of([text], 0.8);
    deepEqual([index.matches(text.slice(0, 32)), index.matches(text.slice(0, 31))], [[0], []]);
  });

  it('no longer names what was removed', async () => {
    const index = await NearIndex.of(['where is my parcel now', 'where is my parcel', 'of something else'], 0.7);
    deepEqual(index.matches('where is my parcel now'), [0, 1]);
    index.remove(0);
    deepEqual(index.matches('where is my parcel now'), [1]);
    index.remove(1);
    deepEqual(index.matches('where is my parcel now'), []);
  });

  it('compares few with few, where thousands share a template', async function () {
    this.timeout(120_000);
    const asked = (at: number): string => `your order ${at * 7919} of ${at * 104_729} will be sent at once, we promise`;
    const texts = Array.from({ length: 3000 }, (_, at) => asked(at));
    const from = process.cpuUsage();
    const index = await NearIndex.of(texts, 0.95);
    for (let at = 0; at < 3000; at += 1) ok(index.matches(asked(at)).includes(at));
    for (let at = 3000; at < 6000; at += 1)
      equal(index.matches(`${asked(at)}, and that is all that there is to say`).length, 0);
    // Eighteen million comparisons of 60 numbers would take a minute.
    ok(process.cpuUsage(from).user / 1e6 < 20);
  });

  it('stops when told to', async () => {
    const texts = Array.from({ length: 3000 }, (_, at) => `a text that is number ${at} of very many other texts`);
    const stopped = NearIndex.of(texts, 0.8, AbortSignal.abort(new Error('enough'))).then(
      () => 'went on',
      (error: Error) => error.message,
    );
    equal(await stopped, 'enough');
  });
});
