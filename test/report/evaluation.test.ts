import assert from 'node:assert/strict';
import { sampleFacts } from '../support/facts.ts';
import { render, wordsOf } from '../support/report-page.ts';

const { evaluation, training, bundle, exported, data } = sampleFacts;
assert.ok(evaluation && training && bundle && exported && data);

describe('the report', () => {
  it('sums up the bill of materials, and shows the surest mistakes with their texts', () => {
    const words = wordsOf(render(sampleFacts, 'release'));
    assert.match(words, /bom\.cdx\.json of the bundle, CycloneDX 1\.6: [0-9a-f]{12}/);
    assert.match(words, /base model pypi:example-minilm==0\.1\.0#model 0\.1\.0 apache-2\.0 Apache-2\.0 6/);
    assert.match(words, /data set support-intents data 0f9e8d7c6b5a CC-BY-4\.0 none 5/);
    assert.match(words, /learningRate 0\.00005/);
    assert.match(words, /refund-request damaged-item 97\.0 % the parcel came broken, write to &lt;EMAIL_1&gt;/);
  });

  it('shows of several labels a row each one’s threshold, and no confusion matrix', () => {
    assert.ok(evaluation);
    const whole = { value: 0.5, interval: { low: 0.4, high: 0.6, confidence: 0.95 }, rows: 40 };
    const severalLabels = {
      microF1: whole,
      meanAveragePrecision: whole,
      subsetAccuracy: whole,
      labelsPerRow: { given: 1.25, predicted: 1.5 },
    };
    assert.ok(sampleFacts.exported && 'classifier' in sampleFacts.exported);
    const exported = { ...sampleFacts.exported, temperature: 1, calibratedLabels: 5 };
    const learntFrom = { rows: 200, of: 12_000 };
    const trivial = [{ kind: 'TF-IDF with logistic regression', accuracy: whole, midP: 0.01, learntFrom }];
    const perLabel = evaluation.perLabel.map((one, place) => ({
      ...one,
      ...(place === 0 ? { unfitted: true as const } : {}),
      threshold: 0.37,
      averagePrecision: 0.81,
      calibrationError: 0.02,
    }));
    const words = wordsOf(
      render({
        ...sampleFacts,
        exported,
        evaluation: { ...evaluation, trivial, perLabel, severalLabels, confusion: [] },
      }),
    );
    assert.match(words, /Trivial: TF-IDF with logistic regression, from 200 of 12\s000 training rows/);
    assert.match(words, /Micro F1 50/);
    assert.match(words, /Labels a row 1\.25 given, 1\.5 predicted/);
    assert.match(words, /Applies from Average precision ECE/);
    assert.match(words, /37\.0 % 81\.0 % 2\.0 %/);
    assert.equal(words.match(/37\.0 % \(not fitted\) 81\.0 %/g)?.length, 1);
    assert.match(words, /sigmoid fitted for 5 of 6 labels, on validation/);
    assert.doesNotMatch(words, /confusion matrix/i);
  });

  it('says where the rest is of an evaluation of more labels than a page can show', () => {
    assert.ok(data && evaluation);
    const labels = Array.from({ length: 700 }, (_, index) => `label ${index}`);
    const facts = { ...sampleFacts, data: { ...data, labels }, evaluation: { ...evaluation, confusion: [] } };
    const words = wordsOf(render(facts));
    const shown = evaluation.perLabel.length;
    assert.match(words, new RegExp(`The ${shown} labels with the lowest F1 of 700, test split; all are in the`));
    assert.match(words, /The confusion matrix of so many labels is in the evaluation artifact/);
    assert.doesNotMatch(wordsOf(render(sampleFacts)), /lowest F1|of so many labels/);
  });

  it('says which of two rules a word that gives a label away is judged by', () => {
    const { evaluation } = sampleFacts;
    assert.ok(evaluation?.diagnosis?.giveaway);
    const giveaway = { ...evaluation.diagnosis.giveaway, counted: 'without' } as const;
    const page = render({
      ...sampleFacts,
      evaluation: { ...evaluation, diagnosis: { ...evaluation.diagnosis, giveaway } },
    });
    const judged =
      /“please” as last word for account \(judged is how well the rows without the word tell those of other labels\): in 12 of its 41 rows/;
    assert.match(wordsOf(page), judged);
    assert.doesNotMatch(wordsOf(render(sampleFacts)), /judged is how well/);
  });

  it('says by which trait of a picture a label is given away most', () => {
    const { evaluation } = sampleFacts;
    assert.ok(evaluation?.diagnosis);
    const trait = { trait: 'width of at least', value: '48', label: 'refund', rows: 25, both: 20, labelled: 22 };
    const page = render({
      ...sampleFacts,
      evaluation: { ...evaluation, diagnosis: { ...evaluation.diagnosis, trait } },
    });
    assert.match(
      wordsOf(page),
      /Best rule of a trait of the picture width of at least 48 for refund: in 20 of its 22 pictures, and in 5 others/,
    );
  });
});
