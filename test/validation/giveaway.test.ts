import assert from 'node:assert/strict';
import { findGiveaways, oneLabel } from '../../activities/validation/giveaway.ts';

const near = (actual: number, expected: number): void =>
  assert.ok(Math.abs(actual - expected) < 1e-9, `${actual} is not ${expected}`);

describe('a word that gives the label away', () => {
  const labels = Int32Array.from({ length: 90 }, (_, row) => row % 3);
  const found = (textOf: (row: number) => string) =>
    findGiveaways(
      Array.from({ length: 90 }, (_, row) => textOf(row)),
      oneLabel(labels),
      3,
    );

  /** A word of its own for each number. */
  const letters = (number: number): string =>
    [26 ** 2, 26, 1].map((power) => String.fromCodePoint(97 + (Math.floor(number / power) % 26))).join('');

  it('is found at its place with its counts, and its F1 is 1 where the rule is perfect', async () => {
    const { placed, score } = await found((row) => `message ${row % 7} of kind ${row % 3 === 0 ? 'xq17' : 'other'}`);
    assert.deepEqual(
      {
        word: placed?.word,
        place: placed?.place,
        label: placed?.label,
        both: placed?.both,
        labelled: placed?.labelled,
      },
      { word: 'xq17', place: 'last word', label: 0, both: 30, labelled: 30 },
    );
    assert.equal(score.value, 1);
    // One rule was tried; Wilson's of n of n begins at n / (n + z²).
    near(score.interval!.low, (2 * 30) / (60 + 3.841458820694124));
  });

  it('is no word of the subject, which stands where the sentence wants it: that is evidence only', async () => {
    const filler = (row: number, words: number) => Array.from({ length: words }, (_, at) => `w${(row * 7 + at) % 23}`);
    const { placed, anywhere, score } = await found((row) => {
      const all = filler(row, 20);
      if (row % 3 === 0) all.splice(row % 20, 0, 'passport');
      return all.join(' ');
    });
    assert.deepEqual([anywhere?.word, anywhere?.place, anywhere?.score.value], ['passport', null, 1]);
    assert.notEqual(placed?.word, 'passport');
    assert.ok(score.interval === null || score.interval.low < 0.8);
  });

  it('counts as tried only what its numbers of rows let be a good rule', async () => {
    // Nineteen words of ten rows each stand at a place and could never reach F1 0.8 with a label of thirty.
    const { placed } = await found((row) => `${row % 3 === 0 ? 'xq17' : `rare${row % 6}`} text`);
    assert.ok(placed!.score.interval!.low > 0.9);
  });

  it('is told with its F1 also where it is too weak to be tried, and nothing is claimed of it', async () => {
    // In every row: half of 30 + 90.
    const { placed, score } = await found((row) => `text ${letters(row)} ${letters(row + 90)} ${letters(row + 180)}`);
    assert.deepEqual([placed?.word, placed?.rows, placed?.both, placed?.labelled], ['text', 90, 30, 30]);
    assert.deepEqual([score.value, score.interval?.low], [1 / 2, 0]);
    assert.ok(score.interval!.high > 1 / 2);
  });

  it('is at least as good as the best that was tried: where a weaker one was, a low threshold is a threshold', async () => {
    // Of 30 rows with the second word 14 are of the label, which has 30: F1 is 14/30, and could have been 1.
    const { placed, score } = await found((row) => {
      const alert = row % 3 === 0 ? row < 42 : row < 24;
      return `text ${alert ? 'alert' : letters(row)} ${letters(row + 90)} ${letters(row + 180)}`;
    });
    assert.deepEqual([placed?.word, score.value], ['text', 1 / 2]);
    assert.ok(score.interval!.low > 0.25 && score.interval!.low < 14 / 30, `${score.interval!.low}`);
  });

  it('is none where no word has the rows for it', async () => {
    const { placed, score } = await found((row) => `${letters(row)} ${letters(row + 90)} ${letters(row + 180)}`);
    assert.deepEqual([placed, score.value, score.interval?.low], [null, 0, 0]);
  });

  it('is no word of nearly every text where most rows have one label', async () => {
    const most = Int32Array.from({ length: 300 }, (_, row) => Number(row % 10 === 0));
    const texts = Array.from(most, (_, row) => `${row % 15 === 7 ? letters(row) : 'dear'} ${letters(row + 90)}`);
    const { placed, score } = await findGiveaways(texts, oneLabel(most), 2);
    // As a rule for the 270 of 300 rows it would be right 9 times in 10.
    assert.ok(score.interval!.low < 0.8 && score.value! < 0.5, JSON.stringify([placed, score]));
  });

  it('is found of a label that most rows have where no other row has it, though some of the label lack it, too', async () => {
    const most = Int32Array.from({ length: 1000 }, (_, row) => Number(row % 10 === 0));
    const texts = Array.from(
      most,
      (label, row) => `${label === 0 && row % 9 !== 4 ? 'xx' : letters(row)} ${letters(row + 7)}`,
    );
    const { placed, score } = await findGiveaways(texts, oneLabel(most), 2);
    assert.deepEqual(
      [placed?.word, placed?.label, placed?.rows, placed?.both, placed?.labelled, placed?.counted],
      ['xx', 0, 800, 800, 900, undefined],
    );
    near(score.value!, (2 * 800) / (800 + 900));
    assert.ok(score.interval!.low > 0.8);
  });

  it('is no word that most rows have of such a label and most others, too, however many rows show a difference', async () => {
    // In 19 of 20 rows with the label, in 4 of 5 others: F1 of the rule is 0.93, and always to say the label would have 0.95.
    const most = Int32Array.from({ length: 10_000 }, (_, row) => Number(row % 10 === 0));
    const texts = Array.from(most, (label, row) => {
      const has = label === 0 ? row % 20 !== 1 : row % 50 !== 0;
      return `${has ? 'dear' : letters(row)} ${letters(row + 90)}`;
    });
    const { placed, score } = await findGiveaways(texts, oneLabel(most), 2);
    assert.deepEqual([placed?.word, placed?.label, placed?.counted], ['dear', 0, 'without']);
    near(score.value!, (2 * 200) / (700 + 1000));
  });

  it('is no word of a few rows', async () => {
    const { score } = await findGiveaways(['a word', 'other words'], oneLabel(Int32Array.of(0, 1)), 2);
    assert.match(score.notApplicable ?? '', /no label has 10 rows with it and 10 without it/);
  });

  it('is not said to be none where too few rows lack the label that the others have', async () => {
    const most = Int32Array.from({ length: 300 }, (_, row) => Number(row < 9));
    const texts = Array.from(most, (label, row) => `${label === 1 ? 'xx' : letters(row)} ${letters(row + 300)}`);
    const { score } = await findGiveaways(texts, oneLabel(most), 2);
    assert.equal(score.value, null);
    assert.match(score.notApplicable ?? '', /no label has 10 rows with it and 10 without it/);
  });

  it('ends with its signal, which can be given while it is looked for', async () => {
    const texts = Array.from({ length: 4000 }, (_, row) =>
      Array.from({ length: 60 }, (_one, at) => letters((row * 61 + at * 17) % 9000)).join(' '),
    );
    const hundred = oneLabel(Int32Array.from(texts, (_, row) => row % 100));
    const aborting = new AbortController();
    setImmediate(() => aborting.abort(new Error('called off')));
    await assert.rejects(findGiveaways(texts, hundred, 100, aborting.signal), /called off/);
  });
});
