import { deepEqual, equal, ok } from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { servingQuestions } from '../../activities/deployment/serving-questions.ts';
import { float32FromBytes } from '../../activities/validation/float32.ts';
import type { EvaluateModelInput, Evaluation } from '../../activities/contract/validation.ts';
import type { ReferenceStatistics } from '../../artifacts/bundle.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import {
  compareManyRows,
  comparisonOf,
  evaluateManyRows,
  manyRows,
  probeManyRows,
  type Measured,
} from '../support/many-rows.ts';
import { withStore, type TestStore } from '../support/store.ts';

const ROWS = 120_000;
const KEPT = 20_000;
/** Read whole, these rows and their answers did not fit. */
const HEAP_MB = 80;
/**
 * Of several labels a row, of which 60 MB are the samples. V8 gives a process up by the time that collecting takes once
 * four fifths are full: nearer, a busy machine would decide.
 */
const SAMPLES_HEAP_MB = 100;
/** Likewise of the texts that a probe is fitted on. */
const PROBE_HEAP_MB = 64;

interface Prediction {
  readonly rowId: string;
  readonly expected: string;
  readonly predicted: string;
  readonly probability: number;
  readonly frozenProbe: string;
  readonly text?: string;
}

describe('evaluating more rows than memory holds', function () {
  this.timeout(240_000);
  let opened: TestStore;
  let input: EvaluateModelInput;
  let evaluated: Measured<Evaluation>;
  let details: {
    readonly mistakes: readonly Prediction[];
    readonly testRows: number;
    readonly predictions: readonly Prediction[];
    readonly allPredictions: { readonly rows: number; readonly file: ArtifactRef };
  };
  const all: Prediction[] = [];

  before(async () => {
    opened = await withStore();
    input = await manyRows(opened.store, { train: 30_000, test: ROWS });
    evaluated = await evaluateManyRows(opened, input, HEAP_MB);
    details = await opened.store.getJson(evaluated.output.details);
    const lines = createReadStream(await opened.store.file(details.allPredictions.file));
    for await (const line of createInterface({ input: lines })) all.push(JSON.parse(line) as Prediction);
  });
  after(() => opened.close());

  it('counts every row, once, in a heap that could not hold them', () => {
    const { measures, confusion, perLabel, calibration } = evaluated.output;
    equal(measures.accuracy.rows, ROWS);
    deepEqual([details.allPredictions.rows, details.testRows], [ROWS, ROWS]);
    deepEqual(
      all.map(({ rowId }) => rowId),
      Array.from({ length: ROWS }, (_, row) => `test-${row}`),
    );
    const right = all.filter(({ expected, predicted }) => expected === predicted).length;
    equal(measures.accuracy.value, right / ROWS);
    equal(
      confusion.flat().reduce((sum, count) => sum + count, 0),
      ROWS,
    );
    equal(confusion[0]![0]! + confusion[1]![1]!, right);
    equal(perLabel.find(({ label }) => label === 'odd')?.support, ROWS / 3);
    equal(
      calibration!.bins.reduce((sum, { rows }) => sum + rows, 0),
      ROWS,
    );
    const frozen = all.filter(({ expected, frozenProbe }) => expected === frozenProbe).length;
    ok(Math.abs(measures.gainOverProbe.value! - (right - frozen) / ROWS) < 1e-12);
    for (const { value, interval } of [measures.macroF1, measures.gainOverProbe, measures.calibrationError!]) {
      ok(interval!.low < value! && value! < interval!.high && interval!.high - interval!.low < 0.01);
    }
  });

  it('lists the surest mistakes of all rows, with their texts for whoever looks into them', () => {
    const surest = all
      .filter(({ expected, predicted }) => expected !== predicted)
      .toSorted((a, b) => b.probability - a.probability || (a.rowId < b.rowId ? -1 : 1))
      .slice(0, 20);
    deepEqual(
      details.mistakes,
      surest.map(({ rowId, expected, predicted, probability, text }) => ({
        rowId,
        expected,
        predicted,
        probability,
        text,
      })),
    );
    deepEqual(
      evaluated.output.mistakes,
      surest.map(({ rowId, expected, predicted, probability }) => ({ rowId, expected, predicted, probability })),
    );
    ok(surest.every(({ text = '' }) => text.length > 0));
  });

  it('keeps a sample of the rows for what needs them, spread over all, and says of each what the file says', async () => {
    equal(details.predictions.length, KEPT);
    const byId = new Map(all.map((row) => [row.rowId, row]));
    for (const row of details.predictions) deepEqual(row, byId.get(row.rowId));
    const places = details.predictions.map(({ rowId }) => Number(rowId.slice('test-'.length)));
    deepEqual(
      places,
      places.toSorted((a, b) => a - b),
    );
    const inFirstHalf = places.filter((place) => place < ROWS / 2).length;
    ok(Math.abs(inFirstHalf - KEPT / 2) < 5 * Math.sqrt(KEPT / 4), `${inFirstHalf} in the first half`);
    const { measures, reference } = evaluated.output;
    deepEqual([measures.gainOverTrivial!.rows, measures.leakedTestRows!.rows], [KEPT, KEPT]);
    const path = await opened.store.fileInTree(reference, 'reference.json');
    const { rows, textLengths, places: kept } = JSON.parse(await readFile(path, 'utf8')) as ReferenceStatistics;
    deepEqual([rows, textLengths.length], [KEPT, KEPT]);
    deepEqual(kept, places);
    // A deployment asks the first rows of the reference again, wherever they stand in the split.
    const asking = { most: 16, places: kept };
    const [question] = await servingQuestions(opened.store, input.dataset.digest, asking, new AbortController().signal);
    const few = { most: 4, places: kept, among: [9, 1] };
    const signal = new AbortController().signal;
    const split = await servingQuestions(opened.store, input.dataset.digest, few, signal);
    deepEqual(
      split.map((one) => one.rows),
      [[0, 2], [1], [9]],
      'the long ones one by one',
    );
    const [{ data }] = question!.inputs as [{ readonly data: readonly string[] }];
    deepEqual(
      data.map((text) => Number(text.split(' ').at(-1))),
      places.slice(0, 16).map((place) => place * 7919),
    );
    const probabilities = float32FromBytes(
      await readFile(await opened.store.fileInTree(reference, 'probabilities.f32')),
    );
    for (const [row, { probability }] of details.predictions.slice(0, 16).entries()) {
      equal(Math.max(probabilities[2 * row]!, probabilities[2 * row + 1]!), probability);
    }
  });

  it('compares as many rows with the model in production in the same heap, in the order of both', async () => {
    const asked = await comparisonOf(opened.store, input, evaluated.output);
    const { output } = await compareManyRows(opened, asked, HEAP_MB);
    ok(output.comparable);
    deepEqual([output.rows, output.rowsKnown], [ROWS, 0]);
    // Production answers everything the other way round.
    const right = all.filter(({ expected, predicted }) => expected === predicted).length;
    deepEqual([output.won, output.lost], [right, ROWS - right]);
    const { value, interval } = output.macroF1.difference;
    ok(interval!.low < value! && value! < interval!.high && interval!.high - interval!.low < 0.02);
    const surest = all.filter(({ expected, predicted }) => expected === predicted);
    surest.sort((a, b) => b.probability - a.probability);
    deepEqual(
      output.wonExamples.map(({ rowId }) => rowId),
      surest.slice(0, 10).map(({ rowId }) => rowId),
    );
    const { rows } = await opened.store.getJson<{ readonly rows: ArtifactRef }>(output.details);
    equal((await readFile(await opened.store.file(rows), 'utf8')).split('\n').length, ROWS + 1);
  });
});

describe('evaluating many rows of several labels', function () {
  this.timeout(240_000);

  it('holds samples of them, whatever the splits have', async () => {
    const opened = await withStore();
    try {
      const rows = { train: 400_000, test: 1000 };
      const input = await manyRows(opened.store, { ...rows, severalLabels: true });
      const { output } = await evaluateManyRows(opened, input, SAMPLES_HEAP_MB);
      equal(output.measures.accuracy.rows, rows.test);
      deepEqual(output.trivial?.map(({ kind, learntFrom }) => [kind, learntFrom?.rows, learntFrom?.of]).toSorted(), [
        ['TF-IDF with logistic regression', 100_000, rows.train],
        ['most frequent set of labels', rows.train, rows.train],
      ]);
    } finally {
      opened.close();
    }
  });
});

describe('probing many rows', function () {
  this.timeout(240_000);
  let opened: TestStore;
  before(async () => (opened = await withStore()));
  after(() => opened.close());

  for (const severalLabels of [false, true]) {
    it(`reads all training texts, with ${severalLabels ? 'several labels' : 'one label'} each, and holds none`, async () => {
      const { baseline, dataset } = await manyRows(opened.store, { train: 240_000, test: 1, severalLabels });
      const asked = { encoder: baseline.encoder, dataset, neighbours: 5, seed: 7 };
      const several = severalLabels ? { multiLabel: true as const } : {};
      const { output } = await probeManyRows(opened, { ...asked, ...several }, PROBE_HEAP_MB);
      deepEqual([output.linearAccuracy.rows, output.fittedOn], [500, undefined]);
    });
  }
});
