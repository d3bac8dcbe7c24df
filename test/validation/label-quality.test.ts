import assert from 'node:assert/strict';
import {
  findLabelErrors,
  outOfFold,
  placesByLabel,
  suspiciousLabels,
} from '../../activities/validation/label-quality.ts';
import { labelSignal } from '../../activities/validation/label-signal.ts';
import { seededRandom, shuffleStart } from '../../activities/validation/random.ts';
import { clouds } from '../support/clouds.ts';

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
    const part = await findLabelErrors({ ...rows, classes }, settings, { mostCells: cellsOf(150) + 1 });
    assert.equal(part.score.rows, 150);
    for (const { score } of [whole, part]) assert.ok(Math.abs(score.value! - 0.2) < 0.1, `${score.value}`);
    // Rows are counted in what was given, not in the sample.
    assert.ok(part.suspicions.length > 15);
    const right = part.suspicions.filter(
      ({ row, suggested }) => swapped.includes(row) && suggested === rows.classes[row],
    );
    assert.ok(right.length > part.suspicions.length * 0.8, `${right.length} of ${part.suspicions.length}`);
    assert.deepEqual(await findLabelErrors({ ...rows, classes }, settings, { mostCells: cellsOf(150) + 1 }), part);
  });

  it('is none where a label has so few rows that right ones would be accused', async () => {
    const { score, suspicions } = await findLabelErrors({ ...rows, classes }, settings, { mostCells: cellsOf(23) });
    assert.match(score.notApplicable!, /^23 rows, as many of 300 as can be learnt from, are too few for 3 labels/);
    assert.deepEqual([score.value, suspicions], [null, []]);
    assert.equal((await findLabelErrors({ ...rows, classes }, settings, { mostCells: cellsOf(24) })).score.rows, 24);
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
