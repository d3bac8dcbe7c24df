import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { judgeBy } from '../../activities/generation/judge.ts';
import { adherenceScore, checkRates, compareAdherence } from '../../activities/generation/metrics/adherence.ts';
import { degenerationOf, degenerationScore, distinctRuns } from '../../activities/generation/metrics/degeneration.ts';
import { bitsPerByte, lostNats, perplexity, perplexityRatio } from '../../activities/generation/metrics/likelihood.ts';
import { chrF, rougeL } from '../../activities/generation/metrics/overlap.ts';
import { GuidelinesSchema } from '../../pipelines/guidelines/guidelines.ts';

const near = (actual: number | null, expected: number, within = 1e-12): void =>
  assert.ok(actual !== null && Math.abs(actual - expected) <= within, `${actual}, not ${expected}`);

/** sacrebleu 2.6.0's sentence chrF and rouge-score 0.1.2's rougeL F-measure. */
const OVERLAPS = [
  ['the cat sat on the mat', 'the cat is on the mat', 0.645779420625287, 0.8333333333333334],
  ['Your order ships on Monday.', 'Your order will ship on Monday morning.', 0.4763820319847117, 0.6666666666666666],
  ['abc', 'abc', 1, 1],
  ['', 'something', 0, 0],
  ['no', 'yes', 0, 0],
  ['a b c d e f g', 'g f e d c b a', 0.16666666666666663, 0.14285714285714285],
  ['Hello', 'Hello world, this is a longer reference text', 0.10310104691904075, 0.2222222222222222],
] as const;

describe('what an answer has in common with a good one', () => {
  it('is what sacrebleu and rouge-score say', () => {
    for (const [answer, reference, letters, words] of OVERLAPS) {
      near(chrF(answer, reference), letters);
      near(rougeL(answer, reference), words);
    }
    near(chrF('Größe é', 'Grosse e'), 0.10226741467975688);
  });
});

describe('how likely texts are', () => {
  const texts = [
    { nats: 10, tokens: 5, bytes: 20 },
    { nats: 2, tokens: 1, bytes: 4 },
    { nats: 9, tokens: 4, bytes: 16 },
  ];

  it('is summed over texts before it is divided by tokens or bytes', async () => {
    near((await perplexity(texts, { seed: 1 })).value, Math.exp(21 / 10));
    near((await bitsPerByte(texts, { seed: 1 })).value, 21 / Math.LN2 / 40);
    const lost = await lostNats(
      texts.map((one) => ({ ...one, nats: one.nats + one.tokens / 2 })),
      texts,
      { seed: 1 },
    );
    near(lost.value, 0.5);
    // The same loss of every token: whichever texts are drawn, it is that.
    near(lost.interval?.low ?? null, 0.5);
    near(lost.interval?.high ?? null, 0.5);
    near((await perplexityRatio(texts, texts, { seed: 1 })).value, 1);
  });

  it('is no number where there is no text, and has no interval of one', async () => {
    assert.deepEqual(await perplexity([], { seed: 1 }), { value: null, interval: null, rows: 0 });
    assert.equal((await perplexity([{ nats: 1, tokens: 1 }], { seed: 1 })).interval, null);
    assert.equal((await perplexity([{ nats: Infinity, tokens: 1 }], { seed: 1 })).value, null);
    await assert.rejects(lostNats([{ nats: 1, tokens: 2 }], [{ nats: 1, tokens: 3 }], { seed: 1 }), RangeError);
  });
});

describe('an answer degenerates', () => {
  const what = (text: string, finish: 'end' | 'length' = 'end', mustEnd = false) =>
    degenerationOf({ text, finish }, { mustEnd });
  it('where it is empty, goes in circles, says the same over and over, or has no end', () => {
    assert.equal(what(''), 'empty');
    assert.equal(what(' ... \n'), 'empty');
    assert.equal(what('So, we can do that. we can do that. we can do that.'), 'loop');
    assert.equal(what('a day of great days '.repeat(3)), 'loop');
    assert.equal(what('no no no no no no no no'), 'loop');
    assert.equal(what(`Sure ${'a'.repeat(24)}`), 'loop');
    assert.equal(
      what(
        `x ${'the old man saw it and '.repeat(2)} then ${'the old man saw it and '.repeat(2)} so ${'the old man saw it and '.repeat(2)}`,
      ),
      'repetitive',
    );
    assert.equal(what('It takes two days, and then', 'length', true), 'too-long');
    assert.equal(what('It takes two days, and then', 'length'), undefined);
  });

  it('not where it is short, a list, a table, an emoji, or says no twice', () => {
    for (const fine of [
      'Yes.',
      '👍',
      'No, no, no!',
      '| a | b |\n|------------------------------|---|',
      '- one\n- two\n- three',
      'Ha ha ha ha ha ha ha.',
      '你好',
    ]) {
      assert.equal(what(fine), undefined, fine);
    }
  });

  it('is counted with an interval, and by what', () => {
    const { score, counts } = degenerationScore([
      { text: '', finish: 'end' },
      { text: 'Fine.', finish: 'end' },
    ]);
    assert.equal(score.value, 0.5);
    assert.equal(score.rows, 2);
    assert.deepEqual(counts, { empty: 1, loop: 0, repetitive: 0, 'too-long': 0 });
  });

  it('while different runs of words are counted over all answers', () => {
    near(distinctRuns(['a b a b', 'a b'], 2), 2 / 4);
    near(distinctRuns(['a b c'], 1), 1);
    assert.equal(distinctRuns(['a'], 2), null);
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (texts) => {
        const share = distinctRuns(texts, 2);
        assert.ok(share === null || (share > 0 && share <= 1));
        degenerationScore(texts.map((text) => ({ text, finish: 'end' })));
      }),
      { numRuns: 40 },
    );
  });
});

describe('adherence', () => {
  const judge = judgeBy(
    GuidelinesSchema.parse({
      version: 1,
      checks: [
        { id: 'calm', kind: 'no-shouting' },
        { id: 'sorry', kind: 'required-phrases', phrases: ['sorry'], when: { promptMatches: 'late' } },
        { id: 'short', kind: 'length', maxWords: 2, severity: 'soft' },
      ],
    }),
  );
  const of = (answers: readonly string[], prompt = 'How?') => answers.map((answer) => judge.of(answer, { prompt }));

  it('is the share of answers that keep every gate, soft checks left out', () => {
    const score = adherenceScore(of(['Fine, fine, fine.', 'Yes!!', 'Yes.', 'No.']));
    assert.equal(score.value, 0.75);
    assert.ok(score.interval !== null && score.interval.low < 0.75 && score.interval.high > 0.75);
  });

  it('a check is of the answers that it is about', () => {
    const rates = checkRates(judge, [
      ...of(['Yes!!', 'Fine, fine, fine.']),
      ...of(['Sorry.', 'Yes.', 'Oh.'], 'It is late'),
    ]);
    assert.deepEqual(
      rates.map(({ id, kept }) => [id, kept.value, kept.rows]),
      [
        ['sorry', 1 / 3, 3],
        ['calm', 0.8, 5],
        ['short', 0.8, 5],
      ],
    );
  });

  it('of two ways of asking is compared on the same prompts', () => {
    const comparison = compareAdherence(of(['a', 'b', 'c', 'd!!', 'e']), of(['a!!', 'b!!', 'c!!', 'd', 'e']));
    assert.equal(comparison.difference.value, 0.4);
    assert.deepEqual([comparison.won, comparison.lost, comparison.exactP], [3, 1, 0.625]);
    assert.throws(() => compareAdherence(of(['a']), []), RangeError);
  });
});
