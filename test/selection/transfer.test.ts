import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { meanDistance, pictureDomain, textDomain } from '../../activities/selection/domain.ts';
import { rowsInMemory } from '../../activities/selection/embedded-rows.ts';
import { crossValidatedProbe } from '../../activities/selection/linear-probe.ts';
import { logme } from '../../activities/selection/logme.ts';
import { shifted, tridiagonalise } from '../../activities/selection/tridiagonal.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { TokenCounter } from '../../inference/token-counts.ts';
import { cutIntoWindows } from '../../inference/windows.ts';
import { addedTokens } from '../support/added-tokens.ts';

const DIMENSION = 6;
const never = () => undefined;

/** Two labels whose means stand `apart` in every feature. */
function sample(rows: number, apart: number, seed = 1, dimension = DIMENSION) {
  const random = seededRandom(seed);
  const classes = Int32Array.from({ length: rows }, (_, row) => row % 2);
  const embeddings = Float32Array.from(
    { length: rows * dimension },
    (_, at) => random.normal() + apart * (Math.floor(at / dimension) % 2) + (at % dimension) / 10,
  );
  return { embeddings, classes };
}

/** Determinant and yᵀA⁻¹y by Gauss, another way than the one under test. */
function gauss(matrix: number[][], y: number[]): { logDeterminant: number; form: number } {
  const a = matrix.map((row) => [...row]);
  const b = [...y];
  let [logDeterminant, form] = [0, 0];
  for (let at = 0; at < b.length; at++) {
    logDeterminant += Math.log(a[at]![at]!);
    form += b[at]! ** 2 / a[at]![at]!;
    for (let row = at + 1; row < b.length; row++) {
      const factor = a[row]![at]! / a[at]![at]!;
      for (let column = at; column < b.length; column++) a[row]![column]! -= factor * a[at]![column]!;
      b[row]! -= factor * b[at]!;
    }
  }
  return { logDeterminant, form };
}

describe('the tridiagonal form', () => {
  it('solves, and knows determinant and trace of the inverse, as elimination does', async () => {
    const random = seededRandom(3);
    const base = Array.from({ length: 7 }, () => Array.from({ length: 7 }, () => random.uniform() - 0.5));
    const matrix = base.map((row) => base.map((other) => row.reduce((sum, value, at) => sum + value * other[at]!, 0)));
    const vector = Float64Array.from({ length: 7 }, () => random.uniform());
    const plus = matrix.map((row, at) => row.map((value, column) => value + (at === column ? 0.3 : 0)));
    const expected = gauss(plus, [...vector]);
    const trace = matrix.reduce(
      (sum, _, at) =>
        sum +
        gauss(
          plus,
          matrix.map((__, row) => Number(row === at)),
        ).form,
      0,
    );
    const form = await tridiagonalise(Float64Array.from(matrix.flat()), [Float64Array.from(vector)], never);
    const found = shifted(form, 0.3, form.vectors[0]!);
    const quadratic = found.solution.reduce((sum, value, at) => sum + value * form.vectors[0]![at]!, 0);
    assert.ok(Math.abs(found.logDeterminant - expected.logDeterminant) < 1e-9);
    assert.ok(Math.abs(found.inverseTrace - trace) < 1e-9 * trace);
    assert.ok(Math.abs(quadratic - expected.form) < 1e-9 * expected.form);
  });
});

describe('LogME', () => {
  const options = { dimension: DIMENSION, classes: 2, seed: 7 };

  it('is the greatest evidence of the regression, found by the covariance of the rows and a search', async () => {
    const data = sample(30, 0.8);
    const rows = Array.from(data.classes, (_, row) => [
      ...data.embeddings.subarray(row * DIMENSION, (row + 1) * DIMENSION),
    ]);
    const inner = rows.map((row) => rows.map((other) => row.reduce((sum, value, at) => sum + value * other[at]!, 0)));
    // y is normal with covariance (I + X Xᵀ / ratio) / beta; the best beta of a ratio is known, the ratio is searched.
    const best = (label: number): number => {
      const y = Array.from(data.classes, (one) => Number(one === label));
      const values = Array.from({ length: 400 }, (_, step) => {
        const ratio = 10 ** (-3 + step / 50);
        const covariance = inner.map((row, at) => row.map((value, column) => value / ratio + Number(at === column)));
        const { logDeterminant, form } = gauss(covariance, y);
        return (-30 * Math.log((2 * Math.PI * form) / 30) - logDeterminant - 30) / 2 / 30;
      });
      return Math.max(...values);
    };
    const { value, interval } = await logme(data, options);
    assert.ok(Math.abs((value ?? 0) - (best(0) + best(1)) / 2) < 1e-4, String(value));
    assert.ok(interval !== null && interval.low < value! && value! < interval.high);
  });

  it('rises with what the embeddings tell of the labels, and is the same for the same seed', async () => {
    const [none, some, much] = await Promise.all([0, 0.5, 2].map((apart) => logme(sample(200, apart), options)));
    assert.ok(none!.value! < some!.value! && some!.value! < much!.value!);
    assert.ok(none!.interval!.high < much!.interval!.low);
    assert.deepEqual(await logme(sample(200, 0.5), options), some);
  });

  it('is the same regression by its rows, where they are fewer than the features', async () => {
    // Features that never vary change no evidence: with 40 of them the rows are fewer, with none they are not.
    for (const apart of [0, 0.5, 2]) {
      const narrow = sample(30, apart);
      const embeddings = new Float32Array(30 * 46);
      for (let row = 0; row < 30; row++) embeddings.set(narrow.embeddings.subarray(row * 6, row * 6 + 6), row * 46);
      const byFeatures = await logme(narrow, options);
      const byRows = await logme({ ...narrow, embeddings }, { ...options, dimension: 46 });
      const ends = [byFeatures, byRows].map(({ value, interval }) => [value, interval?.low, interval?.high]);
      ends[0]!.forEach((one, at) => assert.ok(Math.abs(one! - ends[1]![at]!) < 1e-6, JSON.stringify(ends)));
    }
  });

  it('is the same by rows and by features of labels that the features tell little or nothing of', async () => {
    const rows = 60;
    const random = seededRandom(5);
    const draw = (dimension: number) => Float32Array.from({ length: rows * dimension }, () => random.normal());
    const dealt = (labels: number) => Int32Array.from({ length: rows }, (_, row) => row % labels);
    const [weak, plane, pairs, base] = [draw(20), draw(20), draw(20), draw(20)];
    for (let at = 0; at < plane.length; at++) {
      const [row, column] = [Math.floor(at / 20), at % 20];
      plane[at] =
        base[row]! * base[60 + column]! +
        base[row + 100]! * base[200 + column]! +
        ((row % 2) + base[row + 320]!) * base[300 + column]!;
      if (row % 2 === 1) pairs[at] = -pairs[at - 20]!;
    }
    const cases = [
      { name: 'no signal', embeddings: weak, classes: dealt(10) },
      { name: 'three dimensions, some signal', embeddings: plane, classes: dealt(2) },
      { name: 'three dimensions, none', embeddings: plane, classes: dealt(5) },
      {
        name: 'Xᵀy = 0',
        embeddings: pairs,
        classes: Int32Array.from({ length: rows }, (_, row) => (row >> 1) % 3),
      },
    ];
    for (const { name, embeddings, classes } of cases) {
      const labels = new Set(classes).size;
      const wide = new Float32Array(rows * 70);
      for (let row = 0; row < rows; row++) wide.set(embeddings.subarray(row * 20, row * 20 + 20), row * 70);
      const byFeatures = await logme({ embeddings, classes }, { dimension: 20, classes: labels, seed: 7 });
      const byRows = await logme({ embeddings: wide, classes }, { dimension: 70, classes: labels, seed: 7 });
      const ends = [byFeatures, byRows].map(({ value, interval }) => [value, interval?.low, interval?.high]);
      ends[0]!.forEach((one, at) =>
        assert.ok(Math.abs(one! - ends[1]![at]!) < 1e-6, `${name}: ${JSON.stringify(ends)}`),
      );
    }
  });

  it('is the evidence of no weights where the features tell nothing, and always a number', async () => {
    const opposite = new Float32Array(12 * 16);
    for (let row = 0; row < 12; row += 2) [opposite[row * 16 + row], opposite[(row + 1) * 16 + row]] = [1, -1];
    const classes = Int32Array.from({ length: 12 }, (_, row) => (row >> 1) % 3);
    const { value } = await logme({ embeddings: opposite, classes }, { dimension: 16, classes: 3, seed: 1 });
    assert.ok(Math.abs(value! - (Math.log(3 / (2 * Math.PI)) - 1) / 2) < 1e-9, String(value));
    for (let seed = 1; seed <= 5; seed++) {
      const random = seededRandom(seed);
      const embeddings = Float32Array.from({ length: 60 * 100 }, () => random.normal());
      const dealt = Int32Array.from({ length: 60 }, (_, row) => row % 10);
      const score = await logme({ embeddings, classes: dealt }, { dimension: 100, classes: 10, seed: 1 });
      assert.ok([score.value, score.interval!.low, score.interval!.high].every(Number.isFinite), JSON.stringify(score));
    }
  });

  it('does with more features than rows, features that never vary, and has nothing to say of one label', async () => {
    const wide = await logme(sample(20, 1, 2, 50), { ...options, dimension: 50 });
    assert.ok(Number.isFinite(wide.value));
    const flat = { embeddings: new Float32Array(20 * DIMENSION), classes: sample(20, 0).classes };
    assert.ok(Number.isFinite((await logme(flat, options)).value));
    const alone = { ...sample(20, 0), classes: new Int32Array(20) };
    assert.deepEqual(await logme(alone, options), { value: null, interval: null, rows: 20 });
  });

  it('stops when it is cancelled', async () => {
    const large = sample(2000, 0.2, 1, 512);
    await assert.rejects(logme(large, { ...options, dimension: 512, signal: AbortSignal.timeout(30) }));
  });
});

describe('the folds of the linear probe', () => {
  it('ask each row of a fit that has not seen it: noise is guessed, labels that stand apart are known', async () => {
    const options = { dimension: DIMENSION, classes: 2, seed: 1 };
    const { crossValidated: noise } = await crossValidatedProbe(sample(300, 0), options);
    const { crossValidated: clear } = await crossValidatedProbe(sample(300, 3), options);
    assert.equal(noise.rows, 300);
    assert.ok(noise.correct > 110 && noise.correct < 190, String(noise.correct));
    assert.ok(clear.correct > 290, String(clear.correct));
  });

  it('count no row whose label no other row of them has, and ask what is left as before', async () => {
    const { embeddings, classes } = sample(60, 3);
    // Five rows become the only one of their label; of a sixth label there are two.
    const own = Int32Array.from(classes, (label, row) => (row < 5 ? 2 + row : row < 7 ? 7 : label));
    const options = { dimension: DIMENSION, classes: 8, seed: 1 };
    const { crossValidated: counted } = await crossValidatedProbe({ embeddings, classes: own }, options);
    assert.deepEqual([counted.rows, counted.askable], [55, { rows: 55, of: 60, others: 1 }]);
    // 53 rows have the two labels that stand apart.
    assert.ok(counted.correct >= 48 && counted.correct <= 55, String(counted.correct));
  });
});

describe('how near the data are', () => {
  it('counts tokens, unknown ones and whole words, and leaves special tokens out', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-counts-'));
    const file = join(folder, 'tokenizer.json');
    const vocab = { '[UNK]': 0, '[CLS]': 1, '[SEP]': 2, sold: 3, out: 4, st: 5, '##ock': 6 };
    await writeFile(
      file,
      JSON.stringify({
        version: '1.0',
        added_tokens: addedTokens(['[UNK]', '[CLS]', '[SEP]']),
        normalizer: null,
        pre_tokenizer: { type: 'Whitespace' },
        post_processor: { type: 'BertProcessing', sep: ['[SEP]', 2], cls: ['[CLS]', 1] },
        decoder: null,
        model: {
          type: 'WordPiece',
          unk_token: '[UNK]',
          continuing_subword_prefix: '##',
          max_input_chars_per_word: 100,
          vocab,
        },
      }),
    );
    const texts = ['sold out', 'stock Ω'];
    const counts = await (await TokenCounter.load(file)).count(texts);
    const pairs = await (await TokenCounter.load(file)).count([['sold out', 'stock Ω'], 'sold']);
    await rm(folder, { recursive: true, force: true });
    assert.deepEqual(
      pairs.map(({ tokens, pieces, length, parts }) => [tokens, pieces, length, parts]),
      [
        [5, 4, 8, [2, 3]],
        [1, 1, 3, undefined],
      ],
    );
    assert.deepEqual(counts, [
      { tokens: 2, unknown: 0, pieces: 2, whole: 2, length: 4 },
      { tokens: 3, unknown: 1, pieces: 2, whole: 0, length: 5 },
    ]);
    assert.deepEqual(textDomain(texts, counts, { maxLength: 4, distance: 0.5 }), {
      input: 'text',
      rows: 2,
      tokensPerWord: 5 / 4,
      unknownTokens: 1 / 5,
      vocabularyCoverage: 2 / 4,
      cutTexts: 1 / 2,
      distance: 0.5,
    });
  });

  it('counts a text as cut only where its windows do not reach its end', () => {
    const counts = [4, 6, 10, 40].map((length) => ({ tokens: length - 2, unknown: 0, pieces: 1, whole: 1, length }));
    const of = (windows?: { overlap: number; most: number }) => {
      const { cutTexts, windowedTexts } = textDomain(['a', 'b', 'c', 'd'], counts, {
        maxLength: 6,
        windows,
        distance: 0,
      });
      return { cutTexts, windowedTexts };
    };
    assert.deepEqual(of(), { cutTexts: 2 / 4, windowedTexts: undefined });
    // Two windows of four own tokens each, none in common: eight and two special ones.
    assert.deepEqual(of({ overlap: 0, most: 2 }), { cutTexts: 1 / 4, windowedTexts: 2 / 4 });
    assert.deepEqual(of({ overlap: 0.5, most: 2 }), { cutTexts: 2 / 4, windowedTexts: 2 / 4 });
  });

  it('counts two texts as cut just where a window leaves out some of the first, or none reaches the end of the second', () => {
    const windows = { overlap: 0.25, most: 2 };
    const maxLength = 11;
    for (let first = 1; first <= 12; first++) {
      for (let second = 1; second <= 24; second++) {
        const parts = [
          null,
          ...Array.from({ length: first }, () => 0),
          null,
          ...Array.from({ length: second }, () => 1),
        ];
        const ids = [...parts.keys(), parts.length];
        const whole = { ids, types: ids, parts: [...parts, null] };
        const read = new Set(cutIntoWindows(whole, maxLength, windows).flatMap((line) => line.ids));
        const pair = { tokens: first + second, unknown: 0, pieces: 1, whole: 1, length: ids.length };
        const parted = { ...pair, parts: [first, second] as const };
        const { cutTexts } = textDomain(['a\nb'], [parted], { maxLength, windows, distance: 0 });
        assert.equal(cutTexts, Number(read.size < ids.length), `${first} and ${second} tokens`);
      }
    }
  });

  it('finds the same kind of data at a distance of about 0, and another kind far away', async () => {
    const draw = (seed: number) => sample(400, 0, seed).embeddings;
    const distance = (one: Float32Array, another: Float32Array) => {
      const [left, right] = [one, another].map((embeddings) =>
        rowsInMemory({ embeddings, classes: new Int32Array(embeddings.length / DIMENSION) }, DIMENSION),
      );
      return meanDistance(left!, right!, DIMENSION);
    };
    const same = await distance(draw(1), draw(2));
    const other = await distance(
      draw(1),
      draw(2).map((value) => value + 2),
    );
    assert.ok(Math.abs(same ?? 1) < 0.01, String(same));
    // 6 features two deviations apart, each of variance 1: 6 · 4 / (6 + 6).
    assert.ok(Math.abs((other ?? 0) - 2) < 0.2, String(other));
    assert.equal(await distance(draw(1), new Float32Array(0)), null);
    assert.equal(await distance(new Float32Array(12), new Float32Array(12)), null);
  });

  it('says how many pictures are smaller than what the model sees, and how far their colour is from its own', () => {
    const processor = {
      resize: { shortestEdge: 224 },
      filter: 2,
      crop: { width: 224, height: 224 },
      scale: 1 / 255,
      mean: [0, 0, 0],
      deviation: [1, 1, 1],
    };
    const seen = [
      { width: 32, height: 40, channels: [1, 0, 0] },
      { width: 500, height: 300, channels: [1, 0, 2] },
      { width: 224, height: 224, channels: [1, 0, 1] },
    ];
    assert.deepEqual(pictureDomain(seen, processor), {
      input: 'image',
      rows: 3,
      medianEdge: 224,
      modelEdge: 224,
      enlarged: 1 / 3,
      distance: 2 / 3,
    });
    assert.equal(pictureDomain([], processor).distance, null);
  });
});
