import assert from 'node:assert/strict';
import { join } from 'node:path';
import { rowsInFile, rowsInMemory } from '../../activities/selection/embedded-rows.ts';
import { knnLeaveOneOut, knnPredict, normaliseRows, type LabelledEmbeddings } from '../../activities/selection/knn.ts';
import {
  crossValidatedProbe,
  fitLinearProbe,
  highestClasses,
  linearScores,
  probedClasses,
  trainLinearProbe,
} from '../../activities/selection/linear-probe.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { temporaryFolder } from '../training/fixtures.ts';

/** Numerical Recipes' linear congruential generator: the same data can be made anywhere. */
function* uniform(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

const DIMENSION = 5;
const CLASSES = 3;

/** Three overlapping classes whose features differ in scale and place; the last feature never varies. */
function sample(rows: number, seed: number) {
  const random = uniform(seed);
  const next = (): number => random.next().value;
  const embeddings = new Float32Array(rows * DIMENSION);
  const classes = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    const label = (classes[row] = Math.floor(next() * CLASSES));
    for (let at = 0; at < DIMENSION; at++) {
      const noise = (next() + next() + next() - 1.5) * (1 + at);
      embeddings[row * DIMENSION + at] =
        at === 4 ? 7 : noise + (at % CLASSES === label ? 1.2 : 0) * (1 + at) * 0.4 + at;
    }
  }
  return { embeddings, classes };
}

const train = sample(120, 1);
const test = sample(60, 2);
const options = { dimension: DIMENSION, classes: CLASSES };
const digits = (values: Int32Array): string => [...values].join('');

function nearest(
  known: LabelledEmbeddings,
  queries: Float32Array,
  dimension: number,
  asked: { readonly neighbours: number; readonly classes: number },
): Promise<Int32Array> {
  const classes = new Int32Array(queries.length / dimension);
  return knnPredict(
    rowsInMemory(known, dimension),
    rowsInMemory({ embeddings: queries, classes }, dimension),
    dimension,
    asked,
  );
}

/** Read back in blocks of the fewest rows that there are, and written in parts that are none of theirs. */
async function inFile(data: LabelledEmbeddings, heldBytes = 0) {
  const dimension = DIMENSION;
  const rows = data.classes.length;
  async function* parts() {
    for (const [start, end] of [
      [0, 7],
      [7, 1000],
      [1000, rows],
    ] as const) {
      await Promise.resolve();
      const embeddings = data.embeddings.subarray(start * dimension, end * dimension);
      yield { embeddings, classes: data.classes.subarray(start, end) };
    }
  }
  const path = join(await temporaryFolder(), 'rows.f32');
  const { signal } = new AbortController();
  return rowsInFile(path, parts(), { dimension, signal, blockValues: 1, heldBytes });
}

describe('the kNN score', () => {
  // numpy: stable descending sort of the cosine similarities, majority vote, ties by summed similarity.
  const expected: readonly [neighbours: number, classes: string][] = [
    [1, '222202210101201120010102122212221200122011200101021201211012'],
    [5, '212201220201201220010102122212222200112012000102021101200112'],
    [9, '012201220201201120010202122212222200112012000102021101200112'],
  ];
  for (const [neighbours, classes] of expected) {
    it(`gives numpy's classes for ${neighbours} neighbours`, async () => {
      const found = await nearest(train, test.embeddings, DIMENSION, { neighbours, classes: CLASSES });
      assert.equal(digits(found), classes);
    });
  }

  it('is the same of rows and queries in files, a block at a time, as in memory', async () => {
    const [known, asked] = [sample(1300, 4), sample(700, 5)];
    const settings = { neighbours: 7, classes: CLASSES };
    const found = await knnPredict(await inFile(known), await inFile(asked), DIMENSION, settings);
    assert.deepEqual(found, await nearest(known, asked.embeddings, DIMENSION, settings));
  });

  it('asks each training row of all the others where rows are left out one by one, in files as in memory', async () => {
    const known = sample(90, 6);
    const settings = { neighbours: 5, classes: CLASSES };
    let right = 0;
    for (let row = 0; row < 90; row++) {
      const others = Array.from({ length: 90 }, (_, at) => at).filter((at) => at !== row);
      const without = await rowsInMemory(known, DIMENSION).pick(others);
      const asked = known.embeddings.subarray(row * DIMENSION, (row + 1) * DIMENSION);
      const [said] = await nearest(without, asked, DIMENSION, settings);
      right += Number(said === known.classes[row]);
    }
    assert.ok(right > 30 && right < 90, 'neither chance nor itself');
    const asked = { ...settings, seed: 7 };
    assert.deepEqual(await knnLeaveOneOut(rowsInMemory(known, DIMENSION), DIMENSION, asked), {
      correct: right,
      rows: 90,
      askable: { rows: 90, of: 90, others: 5 },
    });
    const many = sample(2300, 8);
    const found = await knnLeaveOneOut(rowsInMemory(many, DIMENSION), DIMENSION, asked);
    assert.equal(found.rows, 2000);
    assert.deepEqual(await knnLeaveOneOut(await inFile(many), DIMENSION, asked), found);
    const lonely = { embeddings: Float32Array.of(1, 0, 0, 0, 0), classes: Int32Array.of(1) };
    assert.equal((await knnLeaveOneOut(rowsInMemory(lonely, DIMENSION), DIMENSION, asked)).rows, 0);
  });

  it('leaves out no row whose label has too few others: the vote would be without what it goes by', async () => {
    const random = seededRandom(5);
    // Two numbers tell labels apart: label 0 has twelve rows, label 1 six, every other one row.
    const sizes = [12, 6, ...Array.from({ length: 40 }, () => 1)];
    const of = sizes.flatMap((size, label) => Array.from({ length: size }, () => label));
    const angle = (label: number): number => (label / sizes.length) * 2 * Math.PI + random.normal() / 1e4;
    const known = {
      embeddings: Float32Array.from(of.flatMap(angle).flatMap((turn) => [Math.cos(turn), Math.sin(turn)])),
      classes: Int32Array.from(of),
    };
    const settings = { neighbours: 5, classes: sizes.length, seed: 7 };
    const right = await nearest(known, known.embeddings, 2, { neighbours: 1, classes: sizes.length });
    assert.deepEqual(right, known.classes, 'all are found where none is left out');
    assert.deepEqual(await knnLeaveOneOut(rowsInMemory(known, 2), 2, settings), {
      correct: 18,
      rows: 18,
      askable: { rows: 18, of: 58, others: 5 },
    });
    // As many as vote: with six neighbours a label of six rows has too few others.
    const more = await knnLeaveOneOut(rowsInMemory(known, 2), 2, { ...settings, neighbours: 6 });
    assert.deepEqual(more, { correct: 12, rows: 12, askable: { rows: 12, of: 58, others: 6 } });
  });

  it('breaks a tied vote by similarity, and an exact tie by the lower class and the earlier row', async () => {
    const known = { embeddings: Float32Array.of(0, 1, 1, 0.2, 1, 0), classes: Int32Array.of(0, 2, 1) };
    const options2 = { classes: 3 };
    assert.deepEqual([...(await nearest(known, Float32Array.of(1, 0.2), 2, { ...options2, neighbours: 2 }))], [2]);
    const twins = { embeddings: Float32Array.of(1, 0, 1, 0), classes: Int32Array.of(2, 1) };
    assert.deepEqual([...(await nearest(twins, Float32Array.of(1, 0), 2, { ...options2, neighbours: 2 }))], [1]);
    assert.deepEqual([...(await nearest(twins, Float32Array.of(1, 0), 2, { ...options2, neighbours: 1 }))], [2]);
  });

  it('takes all rows when there are fewer than neighbours, and a zero embedding without NaN', async () => {
    const known = { embeddings: Float32Array.of(1, 0, 1, 0, 0, 0), classes: Int32Array.of(1, 1, 0) };
    assert.deepEqual([...(await nearest(known, Float32Array.of(0, 0), 2, { neighbours: 50, classes: 2 }))], [1]);
    assert.deepEqual([...normaliseRows(Float32Array.of(3, 4, 0, 0), 2)], [0.6, 0.8, 0, 0]);
  });
});

describe('the linear probe', () => {
  // scikit-learn 1.7.2: LogisticRegression(C=1/l2, tol=1e-12) on features standardised by numpy, folded back; its
  // intercepts are shown around their mean, because a softmax does not see a common constant.
  const figures = [
    {
      l2: 1,
      weights: [
        [1.488233, -0.487902, -0.285449, 0.296175, 0],
        [-0.76989, 0.765466, -0.072957, -0.153541, 0],
        [-0.718342, -0.277564, 0.358407, -0.142634, 0],
      ],
      bias: [-0.091778, -0.150703, 0.242482],
    },
    {
      l2: 10,
      weights: [
        [1.022436, -0.316737, -0.186449, 0.190874, 0],
        [-0.517775, 0.52081, -0.067087, -0.093773, 0],
        [-0.504661, -0.204073, 0.253536, -0.097101, 0],
      ],
      bias: [-0.046767, -0.074461, 0.121228],
    },
  ];
  for (const { l2, weights, bias } of figures) {
    it(`gives scikit-learn's weights at l2 = ${l2}`, async () => {
      const probe = await fitLinearProbe(train, l2, options);
      const mean = probe.bias.reduce((sum, value) => sum + value, 0) / CLASSES;
      const found = [...probe.weights.flat(), ...probe.bias.map((value) => value - mean)];
      [...weights.flat(), ...bias].forEach((value, at) => {
        assert.ok(Math.abs((found[at] ?? NaN) - value) < 2e-5, `${at}: ${found[at]} is not ${value}`);
      });
      const predicted = highestClasses(linearScores(probe, test.embeddings), CLASSES);
      assert.equal(predicted.filter((label, row) => label === test.classes[row]).length, 38);
    });
  }

  it('is the same, to the last bit, of rows in a file, a block at a time, as of rows in memory', async () => {
    const many = sample(2500, 6);
    const stored = await inFile(many);
    const sizes: number[] = [];
    for await (const { classes } of stored.blocks()) sizes.push(classes.length);
    assert.deepEqual(sizes, [512, 512, 512, 512, 452]);
    const inMemory = await crossValidatedProbe(many, { ...options, seed: 7 });
    assert.deepEqual(await crossValidatedProbe(stored, { ...options, seed: 7 }), inMemory);
    // Where what is made of the blocks is held, too.
    assert.deepEqual(await crossValidatedProbe(await inFile(many, 1e6), { ...options, seed: 7 }), inMemory);
    const predicted = highestClasses(linearScores(inMemory.probe, many.embeddings), CLASSES);
    assert.deepEqual(await probedClasses(inMemory.probe, stored), predicted);
  });

  it('gives the same bytes for the same seed', async () => {
    const first = await trainLinearProbe(train, { ...options, seed: 7 });
    assert.deepEqual(await trainLinearProbe(train, { ...options, seed: 7 }), first);
  });

  it('chooses a strong penalty where features are noise, a weak one where they separate the classes', async () => {
    const noise = sample(200, 3);
    const random = uniform(9);
    noise.classes.forEach((_, row) => (noise.classes[row] = Math.floor(random.next().value * CLASSES)));
    assert.ok((await trainLinearProbe(noise, { ...options, seed: 1 })).l2 >= 100);
    const clear = sample(200, 4);
    clear.classes.forEach((label, row) => (clear.embeddings[row * DIMENSION] = label * 100));
    assert.ok((await trainLinearProbe(clear, { ...options, seed: 1 })).l2 <= 10);
  });

  it('survives a class with one row, and equal rows of different classes', async () => {
    const few = { embeddings: Float32Array.of(1, 0, 1, 0, 0, 1, 0, 1), classes: Int32Array.of(0, 1, 2, 2) };
    const probe = await trainLinearProbe(few, { dimension: 2, classes: 3, seed: 1 });
    assert.ok([...probe.weights.flat(), ...probe.bias].every(Number.isFinite));
    assert.deepEqual([...highestClasses(linearScores(probe, Float32Array.of(0, 1)), 3)], [2]);
  });

  it('stops at an abort', async () => {
    const large = sample(20_000, 5);
    const running = trainLinearProbe(large, { ...options, seed: 1, signal: AbortSignal.timeout(30) });
    await assert.rejects(running, { name: 'TimeoutError' });
  });
});
