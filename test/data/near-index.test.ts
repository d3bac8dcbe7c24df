import { deepEqual, equal, ok } from 'node:assert/strict';
import * as fc from 'fast-check';
import { NearIndex } from '../../activities/data/near-index.ts';
import { jaccard, shingles } from '../../activities/data/near-duplicates.ts';
import { seededRandom } from '../../activities/validation/random.ts';

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

  /** A form that all share, and so many words of each text's own. */
  const formMail = (at: number, own: number): string => {
    const random = seededRandom(at, 3);
    const word = (): string => Array.from({ length: 6 }, () => String.fromCodePoint(97 + random.below(26))).join('');
    return FORM + Array.from({ length: own }, word).join(' ');
  };
  const FORM = Array.from({ length: 60 }, (_, at) => `clause ${at * 7919}`).join(', ');

  it('does not meet texts by a form that they share, where that alone is too little', async () => {
    const texts = Array.from({ length: 2000 }, (_, at) => formMail(at, 13));
    const alike = jaccard(shingles(texts[0]!), shingles(texts[1]!));
    ok(alike > 0.65 && alike < 0.79, String(alike));
    const index = await NearIndex.of(texts, 0.8);
    for (let at = 2000; at < 2100; at += 1) deepEqual(index.matches(formMail(at, 13)), []);
    // By the form, each would meet all 2,000 texts hundreds of times.
    ok(index.work < 100 * 2 * 2000, String(index.work));
    equal(index.cut, 0);
    for (let at = 0; at < 100; at += 1) deepEqual(index.matches(`${texts[at]!}?`), [at]);
  });

  it('names all texts of a form, where that alone is enough', async () => {
    const texts = Array.from({ length: 500 }, (_, at) => formMail(at, 6));
    const index = await NearIndex.of(texts, 0.8);
    for (let at = 500; at < 520; at += 1) {
      const question = formMail(at, 6);
      deepEqual(index.matches(question), twinsOf(texts, question, 0.8));
    }
    equal(index.cut, 0);
  });

  /** Texts that have every other one of 300 clauses, each its own choice: no form, and any two share much. */
  const ofClauses = (at: number): string => {
    const random = seededRandom(at, 5);
    return Array.from({ length: 300 }, (_, clause) => `clause ${clause * 7919}`)
      .filter(() => random.below(2) === 0)
      .join(', ');
  };

  it('overlooks none where each two texts share half of what they have', async () => {
    const texts = Array.from({ length: 300 }, (_, at) => ofClauses(at));
    const index = await NearIndex.of([...texts, ...texts.map((text) => text.replace(', ', '. '))], 0.8);
    for (let at = 0; at < 20; at += 1) deepEqual(index.matches(texts[at]!), [at, at + 300]);
    for (let at = 300; at < 320; at += 1) deepEqual(index.matches(ofClauses(at)), []);
    equal(index.cut, 0);
  });

  it('ends a question that would take too long, says so, and still finds what is the same', async () => {
    const texts = Array.from({ length: 300 }, (_, at) => ofClauses(at));
    const index = await NearIndex.of(texts, 0.5, undefined, 20_000);
    const before = index.work;
    for (let at = 0; at < 20; at += 1) ok(index.matches(texts[at]!).includes(at));
    // Lists up to the limit, and comparing until it is passed by the last text.
    ok((index.work - before) / 20 < 2 * 20_000 + 100_000, String(index.work - before));
    equal(index.cut, 20);
  });

  it('says so where what it counted is what the longer texts have, and those of the form alone were not met', async () => {
    const random = seededRandom(7, 3);
    const letters = (count: number): string =>
      Array.from({ length: count }, () => String.fromCodePoint(97 + random.below(26))).join('');
    const [form, clause] = [letters(2900), letters(460)];
    const texts = Array.from({ length: 100 }, (_, at) =>
      at < 52 ? form + letters(10) : clause + form + letters(1500),
    );
    const whole = await NearIndex.of(texts, 0.8);
    deepEqual([whole.matches(form + clause).length, whole.cut], [52, 0]);
    // As much a text as of 20,000 texts.
    const short = await NearIndex.of(texts, 0.8, undefined, 20_000);
    ok(short.matches(form + clause).length < 52);
    equal(short.cut, 1);
  });

  it('overlooks none where two 5-grams of a text are counted in one place', async () => {
    // The 1,818th of these has two such.
    const order = (at: number): string => `your order ${at * 7919} of ${at * 104_729} will be sent at once, we promise`;
    const index = await NearIndex.of(
      Array.from({ length: 3000 }, (_, at) => order(at)),
      0.95,
    );
    ok(index.matches(order(1817)).includes(1817));
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
