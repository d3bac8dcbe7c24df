import { deepEqual, equal, ok } from 'node:assert/strict';
import * as fc from 'fast-check';
import { isSlip, LONGEST, SHORTEST } from '../../activities/data/one-edit.ts';
import { OneEditIndex } from '../../activities/data/one-edit-index.ts';
import { WordCounts } from '../../activities/data/word-counts.ts';

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
    'sell my house',
    'tell my friend',
    'enable it',
    'unable to pay',
    'it was lost',
    'it will cost much',
    'sell it then',
    'tell me',
    'how to enable',
    'i am unable',
    'you lost',
    'at what cost',
    'where is it',
    'call mia',
    'is my parcel lost',
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
    ['one name for another, neither of them among the words', 'call ben on a monday', 'call bea on a monday', false],
    ['a short word for one that stands in few texts', 'call mia on a monday', 'call mio on a monday', false],
    ['a word for another that people write as well', 'sell my shares', 'tell my shares', false],
    ['able and not', 'enable the alarm please', 'unable the alarm please', false],
    ['lost and cost', 'the card that i lost', 'the card that i cost', false],
    ['on and off', 'turn on the light', 'turn off the light', false],
    ['on and in, which people write', 'turn it on the table', 'turn it in the table', false],
    ['a Chinese character', '我想知道怎么样才能买票去北京', '我想知道怎么样才能卖票去北京', false],
    ['an emoji', 'that is very good 👍', 'that is very good 👎', false],
    ['too short a text', 'good night', 'good nihgt', false],
  ];
  for (const [what, one, other, is] of slips) {
    it(`${is ? 'is' : 'is not'} ${what}: ${one} / ${other}`, async () => {
      const words = await WordCounts.of([said]);
      deepEqual([isSlip(one, other, words), isSlip(other, one, words)], [is, is]);
    });
  }

  it('is each insertion, deletion, substitution and transposition of a letter of a long word, and nothing else', async () => {
    const words = await WordCounts.of([[]]);
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: SHORTEST, maxLength: 16 });
    fc.assert(
      fc.property(word, word, fc.nat(200), fc.nat(2000), (text, another, first, second) => {
        const slips = [...slipsOf(text, ['a', 'b', 'c'])];
        const once = slips[first % slips.length]!;
        const further = [...slipsOf(once, ['a', 'b', 'c'])];
        for (const other of [once, further[second % further.length]!, another]) {
          const expected = isShort(other) && slips.includes(other);
          equal(isSlip(other, text, words), expected, `${text} ${other}`);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('an index of texts one edit apart', () => {
  it('overlooks none and accuses none', async () => {
    const words = new WordCounts();
    const text = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '1', '.'), minLength: 10, maxLength: 15 });
    const edits = fc.array(fc.tuple(fc.nat(15), fc.nat(2), fc.constantFrom('', 'a', 'b', '1', ' ')), { maxLength: 2 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(text, { minLength: 1, maxLength: 12 }),
        fc.array(fc.tuple(fc.nat(11), edits), { maxLength: 12 }),
        async (texts, asked) => {
          await words.addAll(texts);
          const index = await OneEditIndex.of(texts, words);
          for (const [which, changes] of asked) {
            const question = changes.reduce(
              (base, [at, without, put]) => base.slice(0, at) + put + base.slice(at + without),
              texts[which % texts.length]!,
            );
            const expected = texts.flatMap((one, row) => (isSlip(question, one, words) ? [row] : []));
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

  it('compares no texts of which a Chinese character, a figure, a symbol or what is written together with one is another', async () => {
    const forms: readonly ((at: number) => string)[] = [
      (at) => `汉字${String.fromCharCode(0x4e00 + at)}的拼音怎么写怎么念`,
      (at) => `请问${String.fromCharCode(0x30a1 + (at % 80))}的拼音怎么写怎么念`,
      (at) => `who is in room ${String.fromCharCode(0x660 + (at % 10))}`,
      (at) => `what is this ${String.fromCodePoint(0x1f300 + at)} here`,
      (at) => `the flight ${String.fromCharCode(97 + (at % 26))}${String.fromCharCode(97 + (at >> 5))}412 is late`,
    ];
    for (const form of forms) {
      const texts = [...new Set(Array.from({ length: 500 }, (_, at) => form(at)))];
      const index = await OneEditIndex.of(texts, await WordCounts.of([texts]));
      deepEqual(
        texts.flatMap((text) => index.matches(text)),
        [],
      );
      // Of each text the entries that share a bucket with one of its hashes by chance, and the text itself.
      ok(index.work < 200 * texts.length, `${index.work} steps for ${texts.length}, ${texts[0]}`);
      equal(index.cut, 0);
    }
  });

  it('bounds what a question takes, what shares a hash with few first, and says which were cut short', async () => {
    const said = (syllable: number): string => `이 글자는 ${String.fromCharCode(0xac00 + syllable)} 인데 어떻게 읽나요`;
    const texts = [...Array.from({ length: 4000 }, (_, at) => said(at)), `${said(5000)}요`];
    const index = await OneEditIndex.of(texts, await WordCounts.of([texts]));
    deepEqual(index.matches(said(5000)), [4000]);
    equal(index.cut, 1);
    ok(index.work < 10_000, `${index.work} steps`);
    for (const text of texts.slice(0, 50)) index.matches(text);
    ok(index.work < 51 * 10_000, `${index.work} steps`);
  });

  it('compares no removed text, and still names those that are the same', async () => {
    const texts = ['where is my parcel', 'of something else', 'where is my parcel'];
    const index = await OneEditIndex.of(texts, await WordCounts.of([texts]));
    index.remove(0);
    deepEqual(index.matches('where is my parsel'), [2]);
    const before = index.work;
    index.remove(2);
    index.remove(2);
    deepEqual(index.matches('where is my parsel'), []);
    ok(index.work - before < 16, `${index.work - before} steps`);
  });

  it('names all of the texts that are the same, or the first of them', async () => {
    const texts = ['where is my parcel', 'of something else', 'where is my parcel', 'where is my parcel'];
    const index = await OneEditIndex.of(texts, await WordCounts.of([texts]));
    deepEqual(index.matches('where is my parsel'), [0, 2, 3]);
    deepEqual(index.firstMatches('where is my parsel'), [0]);
    deepEqual(index.matches('where is my parcel'), []);
  });

  it('stops when told to', async () => {
    const texts = Array.from({ length: 5000 }, (_, at) => `a text that is number ${at}`);
    const words = await WordCounts.of([[]]);
    const stopped = OneEditIndex.of(texts, words, AbortSignal.abort(new Error('enough'))).then(
      () => 'went on',
      (error: Error) => error.message,
    );
    equal(await stopped, 'enough');
  });
});
