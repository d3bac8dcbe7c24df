import { deepEqual, equal } from 'node:assert/strict';
import * as fc from 'fast-check';
import { isSlip, LONGEST, SHORTEST, ShortWords } from '../../activities/data/one-edit.ts';
import { OneEditIndex } from '../../activities/data/one-edit-index.ts';

/** All texts that a slip of one letter makes of one, another way than by comparing two. */
function slipsOf(text: string, letters: readonly string[]): ReadonlySet<string> {
  const made = new Set<string>();
  for (let at = 0; at <= text.length; at += 1) {
    const [before, after] = [text.slice(0, at), text.slice(at)];
    for (const letter of letters) made.add(before + letter + after).add(before + letter + after.slice(1));
    made.add(before + after.slice(1));
    if (after.length > 1) made.add(before + after[1]! + after[0]! + after.slice(2));
  }
  made.delete(text);
  return made;
}
const isShort = ({ length }: string): boolean => length >= SHORTEST && length <= LONGEST;

describe('a slip of the pen', () => {
  const said = [
    ...Array.from({ length: 60 }, (_, at) => `how do i turn on the light in my room ${at}`),
    ...Array.from({ length: 20 }, (_, at) => `play a song by my band, of a cat and a rat or two ${at}`),
  ];
  const slips: readonly (readonly [what: string, one: string, other: string, is: boolean])[] = [
    ['a letter too many', 'where is my parcel', 'where is my parrcel', true],
    ['a letter missing', 'where is my parcel', 'where is my parel', true],
    ['another letter', 'where is my parcel', 'where is my parsel', true],
    ['letters changed round', 'where is my parcel', 'where is my pacrel', true],
    ['an apostrophe', "what's my balance", 'whats my balance', true],
    ['a space', 'read my to do list', 'read my todo list', true],
    ['a short word that nobody writes', 'how do i pay the rent', 'hox do i pay the rent', true],
    ['accents', 'wo ist mein päckchen', 'wo ist mein packchen', true],
    ['two letters', 'where is my parcel', 'where is my pursel', false],
    ['the same', 'where is my parcel', 'where is my parcel', false],
    ['a figure', 'cancel order 5 please', 'cancel order 6 please', false],
    ['a figure more', 'cancel order 5 please', 'cancel order 51 please', false],
    ['a letter of a number', 'the flight ba412 is late', 'the flight bb412 is late', false],
    ['a sign that calculates', 'what is five + five', 'what is five - five', false],
    ['a short word for another', 'a joke about a cat', 'a joke about a rat', false],
    ['on and off', 'turn on the light', 'turn off the light', false],
    ['on and in, which people write', 'turn it on the table', 'turn it in the table', false],
    ['a Chinese character', '我想知道怎么样才能买票去北京', '我想知道怎么样才能卖票去北京', false],
    ['an emoji', 'that is very good 👍', 'that is very good 👎', false],
    ['too short a text', 'good night', 'good nihgt', false],
  ];
  for (const [what, one, other, is] of slips) {
    it(`${is ? 'is' : 'is not'} ${what}: ${one} / ${other}`, async () => {
      const words = await ShortWords.of([said]);
      deepEqual([isSlip(one, other, words, false), isSlip(other, one, words, false)], [is, is]);
    });
  }

  it('is each insertion, deletion, substitution and transposition of a letter of a long word, and nothing else', async () => {
    const words = await ShortWords.of([[]]);
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: SHORTEST, maxLength: 16 });
    fc.assert(
      fc.property(word, word, fc.nat(200), fc.nat(2000), (text, another, first, second) => {
        const slips = [...slipsOf(text, ['a', 'b', 'c'])];
        const once = slips[first % slips.length]!;
        const further = [...slipsOf(once, ['a', 'b', 'c'])];
        for (const other of [once, further[second % further.length]!, another]) {
          const expected = isShort(other) && slips.includes(other);
          equal(isSlip(other, text, words, false), expected, `${text} ${other}`);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('an index of texts one edit apart', () => {
  it('overlooks none and accuses none', async () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '1', '.'), minLength: 10, maxLength: 15 });
    const edits = fc.array(fc.tuple(fc.nat(15), fc.nat(2), fc.constantFrom('', 'a', 'b', '1', ' ')), { maxLength: 2 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(text, { minLength: 1, maxLength: 12 }),
        fc.array(fc.tuple(fc.nat(11), edits), { maxLength: 12 }),
        async (texts, asked) => {
          const words = await ShortWords.of([texts]);
          const index = await OneEditIndex.of(texts, words, false);
          for (const [which, changes] of asked) {
            const question = changes.reduce(
              (base, [at, without, put]) => base.slice(0, at) + put + base.slice(at + without),
              texts[which % texts.length]!,
            );
            const expected = texts.flatMap((one, row) => (isSlip(question, one, words, false) ? [row] : []));
            deepEqual(
              index.matches(question).toSorted((a, b) => a - b),
              expected,
            );
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('names all of the texts that are the same, or the first of them', async () => {
    const texts = ['where is my parcel', 'of something else', 'where is my parcel', 'where is my parcel'];
    const index = await OneEditIndex.of(texts, await ShortWords.of([texts]), false);
    deepEqual(index.matches('where is my parsel'), [0, 2, 3]);
    deepEqual(index.firstMatches('where is my parsel'), [0]);
    deepEqual(index.matches('where is my parcel'), []);
  });

  it('stops when told to', async () => {
    const texts = Array.from({ length: 5000 }, (_, at) => `a text that is number ${at}`);
    const words = await ShortWords.of([[]]);
    const stopped = OneEditIndex.of(texts, words, false, AbortSignal.abort(new Error('enough'))).then(
      () => 'went on',
      (error: Error) => error.message,
    );
    equal(await stopped, 'enough');
  });
});
