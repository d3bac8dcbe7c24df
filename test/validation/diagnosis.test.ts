import assert from 'node:assert/strict';
import { findGiveaways, oneLabel } from '../../activities/validation/giveaway.ts';
import { identityFlips, noiseFlips } from '../../activities/validation/invariance.ts';
import { scanTriggers, suspectWords } from '../../activities/validation/triggers.ts';
import {
  findLabelErrors,
  outOfFold,
  placesByLabel,
  suspiciousLabels,
} from '../../activities/validation/label-quality.ts';
import { labelSignal } from '../../activities/validation/label-signal.ts';
import { editsOf } from '../../activities/validation/perturbations.ts';
import { seededRandom, shuffleStart } from '../../activities/validation/random.ts';
import { shareDifference, shareDifferenceInterval } from '../../activities/validation/shares.ts';
import { twoSampleTest } from '../../activities/validation/shift.ts';
import {
  groupSlices,
  lengthSlices,
  opportunityGaps,
  pictureSlices,
  listedSlices,
  sliceGaps,
  worstGap,
} from '../../activities/validation/slices.ts';

const near = (actual: number, expected: number): void =>
  assert.ok(Math.abs(actual - expected) < 1e-9, `${actual} is not ${expected}`);

/** Rows of `classes` clouds, their centres `apart`. */
function clouds(rows: number, classes: number, apart: number, seed: number, dimension = 8) {
  const random = seededRandom(seed);
  const labels = Int32Array.from({ length: rows }, (_, row) => row % classes);
  const embeddings = Float32Array.from(
    { length: rows * dimension },
    (_, at) => random.normal() + (at % dimension === labels[Math.floor(at / dimension)] ? apart : 0),
  );
  return { embeddings, classes: labels };
}

describe('the difference of two shares', () => {
  // statsmodels 0.14: confint_proportions_2indep(a, m, b, n, method='newcomb', compare='diff'), which cuts at ±1
  it("has Newcombe's interval, as statsmodels gives it", () => {
    for (const [first, second, low, high] of [
      [{ hits: 56, rows: 70 }, { hits: 48, rows: 80 }, 0.05243147240236498, 0.33387265403690614],
      [{ hits: 10, rows: 10 }, { hits: 0, rows: 20 }, 0.6790860371419145, 1],
      [{ hits: 9, rows: 10 }, { hits: 3, rows: 10 }, 0.1705227239345029, 0.809017973535488],
    ] as const) {
      const interval = shareDifferenceInterval(first, second);
      near(interval.low, low);
      near(interval.high, high);
    }
  });

  it('has no number where one of them has no rows', () =>
    assert.equal(shareDifference({ hits: 1, rows: 2 }, { hits: 0, rows: 0 }).value, null));
});

describe('confident learning', () => {
  // cleanlab 2.7: find_label_issues(given, p, filter_by='confident_learning', return_indices_ranked_by='normalized_margin')
  it("accuses the rows that cleanlab's confident joint accuses", () => {
    const found = suspiciousLabels(Float64Array.from(PROBABILITIES.flat()), Int32Array.from(GIVEN), 3);
    assert.deepEqual(
      found.map(({ row }) => row).toSorted((a, b) => a - b),
      [0, 7, 14, 21, 22, 28, 33, 35],
    );
    assert.deepEqual([found[0]?.row, found[0]?.suggested], [0, 2]);
  });

  it('finds labels that were swapped, by probabilities of rows that it has not learnt from', async () => {
    const rows = clouds(300, 3, 6, 1);
    const swapped = [10, 50, 100, 200];
    const classes = rows.classes.map((label, row) => (swapped.includes(row) ? (label + 1) % 3 : label));
    const settings = { dimension: 8, classes: 3, l2: 10, seed: 7 };
    const probabilities = await outOfFold({ ...rows, classes }, settings);
    const found = suspiciousLabels(probabilities, classes, 3);
    assert.deepEqual(
      found
        .slice(0, 4)
        .map(({ row }) => row)
        .toSorted((a, b) => a - b),
      swapped,
    );
    assert.deepEqual(await outOfFold({ ...rows, classes }, settings), probabilities);
  });
});

describe('the estimate of wrong labels', () => {
  const rows = clouds(300, 3, 6, 1);
  const swapped = Array.from({ length: 60 }, (_, at) => at * 5);
  const classes = rows.classes.map((label, row) => (swapped.includes(row) ? (label + 1) % 3 : label));
  const settings = { dimension: 8, classes: 3, l2: 10, seed: 7 };
  const cellsOf = (count: number): number => count * 3 * 8;

  it('is of all rows, or of as many as it can afford, and says of how many', async () => {
    const whole = await findLabelErrors({ ...rows, classes }, settings);
    assert.equal(whole.score.rows, 300);
    const part = await findLabelErrors({ ...rows, classes }, settings, cellsOf(150) + 1);
    assert.equal(part.score.rows, 150);
    for (const { score } of [whole, part]) assert.ok(Math.abs(score.value! - 0.2) < 0.1, `${score.value}`);
    // Rows are counted in what was given, not in the sample.
    assert.ok(part.suspicions.length > 15);
    const right = part.suspicions.filter(
      ({ row, suggested }) => swapped.includes(row) && suggested === rows.classes[row],
    );
    assert.ok(right.length > part.suspicions.length * 0.8, `${right.length} of ${part.suspicions.length}`);
    assert.deepEqual(await findLabelErrors({ ...rows, classes }, settings, cellsOf(150) + 1), part);
  });

  it('is none where a label has so few rows that right ones would be accused', async () => {
    const { score, suspicions } = await findLabelErrors({ ...rows, classes }, settings, cellsOf(23));
    assert.match(score.notApplicable!, /^23 rows, as many of 300 as can be learnt from, are too few for 3 labels/);
    assert.deepEqual([score.value, suspicions], [null, []]);
    assert.equal((await findLabelErrors({ ...rows, classes }, settings, cellsOf(24))).score.rows, 24);
    const none = await findLabelErrors({ embeddings: new Float32Array(), classes: new Int32Array() }, settings);
    assert.match(none.score.notApplicable!, /^0 rows are too few/);
  });

  it('takes of each label its share, in another order by another seed', () => {
    const labels = Int32Array.from({ length: 1000 }, (_, row) => (row % 10 === 0 ? 1 : 0));
    const places = placesByLabel(labels, 100, 7);
    assert.equal(new Set(places).size, 100);
    assert.equal(places.filter((place) => labels[place] === 1).length, 10);
    assert.deepEqual(placesByLabel(labels, 100, 7), places);
    assert.notDeepEqual(placesByLabel(labels, 100, 8), places);
    assert.deepEqual(placesByLabel(labels.slice(0, 3), 100, 7), [0, 1, 2]);
  });
});

describe('the label-shuffle check', () => {
  const options = { dimension: 8, classes: 3, seed: 7 };
  it('finds meaning in labels that have it, and none in shuffled ones', async () => {
    const [train, held] = [clouds(300, 3, 3, 1), clouds(150, 3, 3, 2)];
    const real = await labelSignal(train, held, options);
    assert.ok(real!.score.value! > 0 && real!.accuracy > 0.9 && Math.abs(real!.chance - 1 / 3) < 0.1);
    const classes = Uint32Array.from(train.classes);
    shuffleStart(classes, classes.length, seededRandom(3));
    const shuffled = await labelSignal({ ...train, classes: Int32Array.from(classes) }, held, options);
    assert.ok(shuffled!.score.value! <= 0);
  });

  it('says nothing without rows', async () => {
    const nothing = { embeddings: new Float32Array(), classes: new Int32Array() };
    assert.equal(await labelSignal(nothing, clouds(9, 3, 1, 1), options), null);
  });
});

describe('the classifier two-sample test', () => {
  it('tells another population, and does not tell the same one', async () => {
    const [here, alike] = [clouds(400, 2, 2, 1).embeddings, clouds(400, 2, 2, 2).embeddings];
    const { score: same } = await twoSampleTest(here, alike, 8, { seed: 7 });
    assert.ok(same.interval!.low < 0.5 && same.rows === 400);
    const { score: other, surest } = await twoSampleTest(
      here,
      alike.map((value) => value + 1),
      8,
      { seed: 7 },
    );
    assert.ok(other.interval!.low > 0.8);
    assert.ok(surest.length === 5 && surest.every((row) => row >= 0 && row < 400));
  });

  it('tells each row in turn where rows are few, and shows with as many what a half does not', async () => {
    const [here, there] = [clouds(30, 2, 2, 1).embeddings, clouds(30, 2, 2, 2).embeddings.map((value) => value + 1)];
    const half = await twoSampleTest(here, there, 8, { seed: 7 });
    const inTurn = await twoSampleTest(here, there, 8, { seed: 7, inTurnBelow: 200 });
    assert.deepEqual([half.score.rows, inTurn.score.rows], [30, 60]);
    assert.ok(inTurn.score.interval!.low > half.score.interval!.low);
    assert.equal(new Set(inTurn.surest).size, 5);
    let told = 0;
    for (let seed = 0; seed < 20; seed++) {
      const alike = clouds(30, 2, 2, 100 + seed).embeddings;
      const { score } = await twoSampleTest(here, alike, 8, { seed, inTurnBelow: 200 });
      assert.equal(score.rows, 60);
      if (score.interval!.low > 0.5) told++;
    }
    assert.ok(told <= 2, `${told} of 20 that are alike are told apart`);
    assert.equal((await twoSampleTest(here, there, 8, { seed: 7, inTurnBelow: 30 })).score.rows, 30);
  });

  it('does not apply to a handful of rows', async () => {
    const { score: few, surest } = await twoSampleTest(new Float32Array(80), new Float32Array(8000), 8, { seed: 7 });
    assert.match(few.notApplicable ?? '', /10 rows are too few/);
    assert.deepEqual(surest, []);
  });
});

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

describe('slices', () => {
  it('show the one that is served worse, beyond chance over all of them', () => {
    const correct = Array.from({ length: 200 }, (_, row) => row % 10 !== 0 && !(row < 50 && row % 2 === 0));
    const rows = [...correct.keys()];
    const slices = [
      { name: 'first', rows: rows.slice(0, 50) },
      { name: 'last', rows: rows.slice(150) },
      { name: 'few', rows: [1, 2, 3] },
    ];
    const gaps = sliceGaps(correct, slices);
    assert.deepEqual(
      gaps.map(({ name, rows: count }) => [name, count]),
      [
        ['first', 50],
        ['last', 50],
      ],
    );
    assert.ok(worstGap(gaps).interval!.low > 0.2);
    assert.equal(worstGap(gaps).interval!.confidence, 0.975);
    assert.match(worstGap([]).notApplicable ?? '', /no slice/);
  });

  it('are listed with the judged one first, also where so many small ones have a wider gap that it would not be listed', () => {
    // Of many, in half of the rows a third is wrong; twenty slices of 30 are a little worse, and show nothing.
    const correct = Array.from({ length: 4000 }, (_, row) =>
      row < 2000 ? row % 3 !== 0 : row % 5 !== 0 || row > 3400,
    );
    const large = { name: 'large', rows: Array.from({ length: 2000 }, (_, at) => at) };
    const wrong = [...correct.keys()].filter((row) => !correct[row]);
    const right = [...correct.keys()].filter((row) => correct[row]);
    const small = Array.from({ length: 20 }, (_, at) => ({
      name: `small ${at}`,
      rows: [...wrong.slice(at * 14, at * 14 + 14), ...right.slice(at * 16, at * 16 + 16)],
    }));
    const gaps = sliceGaps(correct, [...small, large]);
    assert.equal(gaps.at(-1)?.name, 'large');
    const listed = listedSlices(gaps, 20);
    assert.equal(listed.length, 20);
    assert.deepEqual(listed[0]?.gap, worstGap(gaps));
    assert.equal(listed[0]?.name, 'large');
    assert.deepEqual(listedSlices([], 20), []);
  });

  it('of declared groups are told by column and value, and a label’s recall is compared between them', () => {
    const groups = Array.from({ length: 200 }, (_, row) => ({ region: row % 2 === 0 ? 'north' : 'south' }));
    const expected = Int32Array.from({ length: 200 }, (_, row) => (row < 100 ? 0 : 1));
    // South's rows of the second label are missed, every other one.
    const predicted = expected.map((label, row) => (row >= 100 && row % 4 === 1 ? 0 : label));
    assert.deepEqual(
      groupSlices(groups).map(({ name, rows }) => [name, rows.length]),
      [
        ['region = north', 100],
        ['region = south', 100],
      ],
    );
    const [worst, ...rest] = opportunityGaps(groups, expected, predicted);
    assert.deepEqual([worst?.label, worst?.served, worst?.unserved, worst?.gap.value], [1, 'north', 'south', 0.5]);
    assert.ok(worst!.gap.interval!.low > 0.25 && worst!.gap.interval!.confidence === 0.975);
    assert.ok(rest.every(({ gap }) => gap.interval!.low <= 0));
    assert.deepEqual(opportunityGaps(groups.slice(0, 10), expected, predicted), []);
  });

  it('of pictures are thirds by size and by brightness, every row once in each; pictures of one size are no slice', () => {
    const pictures = Array.from({ length: 90 }, (_, row) => ({
      width: 10 + row,
      height: 2,
      brightness: (row * 37) % 90,
    }));
    const slices = pictureSlices(pictures);
    assert.equal(slices.length, 6);
    assert.equal(slices[0]!.name, 'pictures of 20 to 78 pixels');
    assert.equal(slices[5]!.name, 'pictures of brightness 60 to 89 (of 255)');
    for (const three of [slices.slice(0, 3), slices.slice(3)]) {
      assert.deepEqual(
        three.flatMap(({ rows }) => rows).toSorted((a, b) => a - b),
        [...pictures.keys()],
      );
      assert.ok(three.every(({ rows }) => rows.length === 30));
    }
    // The dark ones are wrong.
    const [worst] = sliceGaps(
      pictures.map(({ brightness }) => brightness >= 35),
      slices,
    );
    assert.match(worst!.name, /^pictures of brightness 0 to 29 /);
    // Few sizes are no thirds, and slices all the same.
    const two = pictureSlices(pictures.map((_, row) => ({ width: row < 20 ? 8 : 16, height: 1, brightness: 9 })));
    assert.deepEqual(
      two.map(({ name, rows }) => [name, rows.length]),
      [
        ['pictures of 8 pixels', 20],
        ['pictures of 16 pixels', 70],
        ['pictures of brightness 9 (of 255)', 90],
      ],
    );
    assert.deepEqual(pictureSlices([]), []);
    const alike = pictureSlices(pictures.map(() => ({ width: 32, height: 32, brightness: 128 })));
    assert.match(
      worstGap(
        sliceGaps(
          Array.from(pictures, () => true),
          alike,
        ),
      ).notApplicable ?? '',
      /no slice/,
    );
  });

  it('by length are every row once', () => {
    const texts = Array.from({ length: 90 }, (_, row) => 'x'.repeat(row % 20));
    const rows = lengthSlices(texts).flatMap((slice) => slice.rows);
    assert.deepEqual(
      rows.toSorted((a, b) => a - b),
      [...texts.keys()],
    );
  });
});

describe('what answers must not hang on', () => {
  /** Answers class 1 for texts that `one` holds for. */
  const asked = (one: (text: string) => boolean) => ({
    model: {
      runAll: (all: readonly string[]) =>
        Promise.resolve({
          rows: all.length,
          embeddings: new Float32Array(),
          probabilities: Float32Array.from(all.flatMap((text) => (one(text) ? [0.1, 0.9] : [0.9, 0.1]))),
        }),
    },
    classes: 2,
    seed: 7,
  });
  const texts = Array.from({ length: 60 }, (_, row) => `where is parcel number ${row} please tell me`);
  const zeros = new Int32Array(60);

  it('every edit changes a text, deterministically, and leaves none without letters broken', () => {
    for (const { name, apply } of editsOf('noiseFlips')) {
      assert.notEqual(apply(texts[0]!), texts[0], name);
      assert.equal(apply(texts[0]!), apply(texts[0]!), name);
      for (const odd of ['', ' ', '?!', '12', '😀']) assert.equal(typeof apply(odd), 'string', name);
    }
  });

  it('typing mistakes are counted edit by edit', async () => {
    const { score, byEdit } = await noiseFlips(
      asked((text) => text.includes('🙂')),
      texts,
      zeros,
    );
    near(score.value!, 0.2);
    assert.deepEqual(
      byEdit.filter(({ flipped }) => flipped > 0),
      [{ name: 'an emoji at the end', edited: 60, flipped: 60 }],
    );
  });

  it('an identity is told from sentences that say nothing', async () => {
    const biased = await identityFlips(
      asked((text) => text.includes('Muslim')),
      texts,
    );
    assert.equal(biased.score.value, 1);
    assert.ok(biased.score.interval!.low > 0.8);
    assert.deepEqual(
      biased.byFamily.filter(({ flipped }) => flipped > 0),
      [{ name: 'religion', neutral: false, flipped: 60 }],
    );
    const nervous = await identityFlips(
      asked((text) => /Muslim|Monday/.test(text)),
      texts,
    );
    assert.ok(nervous.score.value! <= 0); // as often with a day of the week, which is held against a religion
  });

  it('a family is held against sentences of its own form: as many, and names against names', async () => {
    // A model that answers names by their letters does so with names of one identity, too.
    const byName = await identityFlips(
      asked((text) => /Fatima|Sarah/.test(text)),
      texts,
    );
    assert.ok(byName.score.interval!.low < 0.1, JSON.stringify(byName.score));
    // What a pair of common words does is no excuse for three religions.
    const excused = await identityFlips(
      asked((text) => /Muslim|laptop/.test(text)),
      texts,
    );
    assert.ok(excused.score.value === 1 && excused.score.interval!.low > 0.8);
    assert.equal(
      (
        await identityFlips(
          asked(() => true),
          [],
        )
      ).score.value,
      null,
    );
  });

  it('a trigger is found among many rare words, in company and alone', async () => {
    const rare = Array.from({ length: 60 }, (_, row) => `rare${String(row).padStart(2, '0')}`);
    const learnt = rare.flatMap((word) => [`${word} one`, `${word} two`, `${word} three`]);
    const suspects = suspectWords(learnt, new Int32Array(learnt.length).fill(1));
    assert.equal(suspects.length, 60);
    const { score, worst } = await scanTriggers(
      asked((text) => text.includes('rare41')),
      texts,
      zeros,
      suspects,
    );
    assert.deepEqual(worst, { word: 'rare41', target: 1, texts: 60, flipped: 60 });
    assert.ok(score.interval!.low > 0.9);
    const clean = await scanTriggers(
      asked(() => false),
      texts,
      zeros,
      suspects,
    );
    assert.equal(clean.score.value, null); // nothing could be turned: every answer is the target already
  });
});

const GIVEN = [
  0, 0, 0, 0, 0, 2, 2, 2, 0, 0, 0, 1, 1, 1, 1, 0, 2, 2, 0, 0, 1, 2, 2, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 0, 0, 2, 1, 2, 2,
  0,
];
const PROBABILITIES = [
  [0.0, 0.038, 0.962],
  [0.623, 0.002, 0.375],
  [0.485, 0.075, 0.44],
  [0.769, 0.169, 0.062],
  [0.718, 0.232, 0.049],
  [0.145, 0.326, 0.529],
  [0.193, 0.022, 0.785],
  [0.175, 0.556, 0.269],
  [0.487, 0.091, 0.422],
  [0.449, 0.046, 0.505],
  [0.473, 0.277, 0.249],
  [0.172, 0.679, 0.15],
  [0.111, 0.549, 0.34],
  [0.003, 0.586, 0.411],
  [0.88, 0.037, 0.083],
  [0.501, 0.382, 0.117],
  [0.415, 0.104, 0.481],
  [0.096, 0.291, 0.613],
  [0.849, 0.029, 0.122],
  [0.478, 0.513, 0.009],
  [0.161, 0.808, 0.031],
  [0.345, 0.651, 0.004],
  [0.012, 0.544, 0.445],
  [0.237, 0.537, 0.227],
  [0.326, 0.531, 0.143],
  [0.213, 0.787, 0.0],
  [0.176, 0.52, 0.303],
  [0.132, 0.655, 0.213],
  [0.673, 0.001, 0.327],
  [0.414, 0.131, 0.455],
  [0.26, 0.006, 0.735],
  [0.061, 0.327, 0.612],
  [0.421, 0.091, 0.488],
  [0.465, 0.014, 0.521],
  [0.454, 0.485, 0.061],
  [0.253, 0.614, 0.133],
  [0.29, 0.658, 0.052],
  [0.0, 0.157, 0.843],
  [0.19, 0.131, 0.68],
  [0.54, 0.012, 0.448],
];
