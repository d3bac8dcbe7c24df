import assert from 'node:assert/strict';
import { identityFlips, noiseFlips } from '../../activities/validation/invariance.ts';
import { editsOf } from '../../activities/validation/perturbations.ts';
import { scanTriggers, suspectWords } from '../../activities/validation/triggers.ts';

const near = (actual: number, expected: number): void =>
  assert.ok(Math.abs(actual - expected) < 1e-9, `${actual} is not ${expected}`);

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
