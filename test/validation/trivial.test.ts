import assert from 'node:assert/strict';
import { fitSparseLogistic, sparseProbabilities } from '../../activities/validation/sparse-logistic.ts';
import { learnVocabulary, vectorise } from '../../activities/validation/tfidf.ts';
import { PIXEL_DIMENSION } from '../../activities/retrieval/pixels.ts';
import { bestByMacroF1, trivialModels } from '../../activities/validation/trivial.ts';

const TRAIN = [
  'where is my parcel',
  'my parcel is late',
  'cancel my order please',
  'please cancel it',
  'refund the order',
  'I want a refund now now',
];
const CLASSES = Int32Array.of(0, 0, 1, 1, 2, 2);
const TEST = ['parcel late', 'cancel the order', 'a refund', 'unknown words'];

describe('the trivial models', () => {
  // scikit-learn 1.8: v = TfidfVectorizer(); X = v.fit_transform(TRAIN); v.idf_; v.transform(TRAIN)[5];
  // LogisticRegression(C=1, tol=1e-10, max_iter=10000).fit(X, CLASSES).predict_proba(v.transform(TEST))
  it("weigh words as scikit-learn's TfidfVectorizer does", () => {
    const vocabulary = learnVocabulary(TRAIN);
    const columnOf = (word: string): number => vocabulary.columnOf.get(word) ?? -1;
    assert.equal(vocabulary.columnOf.size, 13);
    const idf = ['my', 'parcel', 'now'].map((word) => vocabulary.idf[columnOf(word)]!.toFixed(9));
    assert.deepEqual(idf, ['1.559615788', '1.847297860', '2.252762968']);
    const { starts, columns, values } = vectorise(TRAIN, vocabulary);
    const last = new Map(
      Array.from(columns.slice(starts[5], starts[6]), (column, at) => [column, values[starts[5]! + at]!]),
    );
    const shown = ['want', 'refund', 'now'].map((word) => last.get(columnOf(word))!.toFixed(9));
    assert.deepEqual(shown, ['0.419870805', '0.344300066', '0.839741610']);
  });

  it("learn what scikit-learn's LogisticRegression learns, an unknown text included", async () => {
    const vocabulary = learnVocabulary(TRAIN);
    const model = await fitSparseLogistic(vectorise(TRAIN, vocabulary), CLASSES, 3, { l2: 1, tolerance: 1e-9 });
    const expected = [
      0.486886, 0.239949, 0.273165, 0.220001, 0.380465, 0.399535, 0.248052, 0.242881, 0.509066, 0.319076, 0.318446,
      0.362478,
    ];
    for (const [at, chance] of sparseProbabilities(model, vectorise(TEST, vocabulary)).entries()) {
      assert.ok(Math.abs(chance - expected[at]!) < 2e-6, `${at}: ${chance}`);
    }
  });

  it('are another for macro-F1 where the one that is right oftener never answers a rare label', () => {
    const expected = Int32Array.of(0, 0, 0, 0, 0, 0, 0, 0, 1, 1);
    const [oftener, rare] = [
      { predicted: Int32Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0) },
      { predicted: Int32Array.of(0, 0, 0, 0, 0, 1, 1, 1, 1, 1) },
    ];
    assert.equal(bestByMacroF1([oftener, rare], { expected }, 2), rare);
    assert.equal(bestByMacroF1([rare, oftener], { expected }, 2), rare);
  });

  it('come best first, and without texts and pictures only the most frequent label is left', async () => {
    const test = { texts: TEST, classes: Int32Array.of(0, 2, 2, 2) };
    const models = await trivialModels({ texts: TRAIN, classes: CLASSES }, test, 3);
    assert.deepEqual(
      models.map(({ kind }) => kind),
      ['TF-IDF with logistic regression', 'most frequent label'],
    );
    assert.deepEqual([...models[0].predicted], [0, 2, 2, 2]);
    const pictures = await trivialModels({ classes: Int32Array.of(1, 2, 2, 0) }, { classes: test.classes }, 3);
    assert.deepEqual(
      pictures.map(({ predicted }) => [...predicted]),
      [[2, 2, 2, 2]],
    );
  });

  it('of pictures look at the five nearest by pixels, whatever their brightness, and the nearer label wins where two are even', async () => {
    // A picture that is bright at the place of its class; `strength` tells pictures of one class apart.
    const picture = (at: number, strength: number): number[] =>
      Array.from({ length: PIXEL_DIMENSION }, (_, pixel) => (pixel % 3 === at ? strength : 10));
    type Row = readonly [at: number, strength: number];
    const rowsOf = (rows: readonly Row[]) => ({
      classes: Int32Array.from(rows, ([at]) => at),
      /** In blocks of three. */
      pictures: (async function* () {
        for (let from = 0; from < rows.length; from += 3) {
          const block = rows.slice(from, from + 3);
          yield {
            ids: block.map((_, row) => `${from + row}`),
            classes: Int32Array.from(block, ([at]) => at),
            embeddings: Float32Array.from(block.flatMap(([at, strength]) => picture(at, strength))),
          };
        }
      })(),
    });
    const train: readonly Row[] = [
      [0, 200],
      [0, 180],
      [0, 160],
      [1, 200],
      [1, 190],
      [1, 150],
      [2, 200],
      [2, 120],
    ];
    const test: readonly Row[] = [
      [1, 60],
      [0, 255],
      [2, 90],
      [1, 240],
    ];
    const [best, other] = await trivialModels(rowsOf(train), rowsOf(test), 3);
    assert.equal(best.kind, 'nearest neighbours by pixels');
    assert.deepEqual(
      [...best.predicted],
      [1, 0, 2, 1],
      'of two pictures of the third label, both are among the five nearest',
    );
    assert.equal(other?.kind, 'most frequent label');
    const [few] = await trivialModels(
      rowsOf([
        [0, 200],
        [1, 200],
      ]),
      rowsOf([[1, 90]]),
      3,
    );
    assert.deepEqual([...few.predicted], [1], 'one vote each: the nearer');
  });
});
