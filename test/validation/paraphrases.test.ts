import assert from 'node:assert/strict';
import type { TextInput } from '../../inference/texts.ts';
import { paraphrase, paraphraseFlips } from '../../activities/validation/paraphrases.ts';
import { wilsonInterval } from '../../activities/validation/statistics.ts';
import { textTable } from '../../activities/validation/text-tables.ts';

const table = textTable('paraphrases.jsonl');
const { apply } = paraphrase(table);

describe('a text in other words', () => {
  const cases: readonly (readonly [text: string, said: string])[] = [
    ['Can you please help me right now?', 'Could you please help me at the moment?'],
    ['i want to pay, but i don’t know how', 'i would like to pay, but i do not know how'],
    ["I don't know.", 'I do not know.'],
    ['HELLO, CAN YOU HELP', 'HI, COULD YOU HELP'],
    ['How do I  get it within two weeks', 'How can I  get it within 2 weeks'],
    ['someone asked everyone', 'somebody asked everybody'],
  ];
  for (const [text, said] of cases) it(`is "${said}" for "${text}"`, () => assert.equal(apply(text), said));

  it('stays where the words beside a phrase make it another, within a word, and where there is none', () => {
    for (const text of [
      "Why don't you answer?",
      'Do I want to know?',
      'late thanks to you',
      'he speaks as well as she',
      "What's been done",
      'hi-fi, whim, undo not',
      'It’s about “us”',
      'Où est ma carte ?',
      '',
    ]) {
      assert.equal(apply(text), text);
    }
  });

  it('puts nothing in other words twice: what one rule has written no other reads', () => {
    assert.equal(apply('someone, somebody'), 'somebody, someone');
    assert.equal(
      paraphrase([
        { from: 'a', to: 'b' },
        { from: 'b', to: 'c' },
      ]).apply('a b'),
      'b c',
    );
    assert.equal(
      paraphrase([
        { from: 'a', to: 'x' },
        { from: 'a b', to: 'y' },
      ]).apply('a b a'),
      'y x',
    );
  });

  it('is found for every phrase of the table, which never stands for itself', () => {
    assert.ok(table.length >= 100);
    for (const { from, to } of table) assert.equal(apply(from).toLowerCase(), to.toLowerCase(), from);
  });
});

describe('labels that hang on the wording', () => {
  const asked = (one: (text: string) => boolean) => ({
    model: {
      runAll: (all: readonly TextInput[]) =>
        Promise.resolve({
          rows: all.length,
          embeddings: new Float32Array(),
          probabilities: Float32Array.from(all.flatMap((text) => (one(String(text)) ? [0.1, 0.9] : [0.9, 0.1]))),
        }),
    },
    classes: 2,
    seed: 7,
  });
  const texts = Array.from({ length: 40 }, (_, row) =>
    row % 2 === 0 ? `can you find parcel ${row}` : `parcel ${row}`,
  );

  it('are a share of the texts that have a phrase, with Wilson’s interval and the first five that turn', async () => {
    const { score, byEdit, changed } = await paraphraseFlips(
      asked((text) => text.startsWith('could you find parcel 1')),
      texts,
      new Int32Array(40),
    );
    // 10, 12, 14, 16 and 18 of 20.
    assert.deepEqual(score, { value: 0.25, interval: wilsonInterval(5, 20), rows: 20 });
    assert.deepEqual(byEdit, [{ name: 'the same in other words', edited: 20, flipped: 5 }]);
    assert.deepEqual(
      changed.map(({ row, after }) => [row, after]),
      [10, 12, 14, 16, 18].map((row) => [row, `could you find parcel ${row}`]),
    );
  });

  it('are not measured where no text has a phrase', async () => {
    const { score } = await paraphraseFlips(
      asked(() => true),
      ['parcel 1', 'paquet'],
      new Int32Array(2),
    );
    assert.deepEqual([score.value, score.notApplicable], [null, 'no text has a phrase of the table']);
  });
});
