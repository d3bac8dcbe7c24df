import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkEdgeInputs, measureFlips } from '../../activities/validation/behaviour.ts';
import { edgeInputs, probabilityProblem } from '../../activities/validation/edge-inputs.ts';
import { argmaxRows } from '../../activities/validation/metrics.ts';
import { editsOf } from '../../activities/validation/perturbations.ts';
import { wilsonInterval } from '../../activities/validation/statistics.ts';
import type { ModelOutput } from '../../inference/graph-model.ts';
import { TextModel } from '../../inference/text-model.ts';
import { writeTinyOnnx } from '../support/tiny-onnx.ts';

/** A classifier of two labels whose rule is the given function: what the measurements must find out. */
function ruleModel(rule: (text: string) => boolean): { run: typeof answer; runAll: typeof answer } {
  const answer = async (texts: readonly string[]): Promise<ModelOutput> => ({
    rows: texts.length,
    embeddings: new Float32Array(texts.length),
    probabilities: Float32Array.from(texts.flatMap((text) => (rule(text) ? [0, 1] : [1, 0]))),
  });
  return { run: answer, runAll: answer };
}

describe('edge inputs', () => {
  it('are different, named, and hold what their names say', () => {
    assert.equal(new Set(edgeInputs().map(({ name }) => name)).size, edgeInputs().length);
    assert.equal(new Set(edgeInputs().map(({ text }) => text)).size, edgeInputs().length);
    const text = (name: string): string => edgeInputs().find((input) => input.name === name)!.text;
    assert.equal(text('empty'), '');
    assert.ok(Buffer.byteLength(text('100 kB of words')) >= 100_000);
    assert.match(text('100 kB without a space'), /^x{102400}$/);
    assert.ok(text('NUL').includes('\0'));
    assert.match(text('a lone surrogate'), /\p{Surrogate}/u);
    assert.match(text('Hebrew with a direction override'), /\p{Script=Hebrew}/u);
    assert.match(text('Thai, without spaces'), /^\p{Script=Thai}+$/u);
    assert.match(text('Chinese beyond the basic plane'), /[\u{20000}-\u{2fa1f}]/u);
    assert.match(text("the model's special tokens as text"), /\[SEP\]/);
    assert.match(text('mixed scripts that look alike'), /\p{Script=Cyrillic}/u);
    assert.equal(text('decomposed accents').normalize('NFC'), 'café naïve');
  });

  it('are all answered by a real exported model', async function () {
    this.timeout(120_000);
    const folder = join(await mkdtemp(join(tmpdir(), 'espalier-edge-')), 'model');
    await writeTinyOnnx(folder, 'classifier');
    const model = await TextModel.load(folder);
    const results = await checkEdgeInputs(model, 2);
    await model.release();
    await rm(join(folder, '..'), { recursive: true });
    assert.deepEqual(
      results.filter(({ ok }) => !ok),
      [],
    );
    assert.equal(results.length, edgeInputs().length);
  });

  it('are not ok when the model throws or answers with no distribution, and the others are asked all the same', async () => {
    const answers: Record<string, () => number[]> = {
      fine: () => [0.25, 0.75],
      throws: () => {
        throw new Error('tokeniser panic');
      },
      'not a number': () => [Number.NaN, 1],
      'no share': () => [0.9, 0.9],
      short: () => [1],
    };
    const run = async ([name = '']: readonly string[]): Promise<ModelOutput> => ({
      rows: 1,
      embeddings: new Float32Array(1),
      probabilities: Float32Array.from(answers[name]!()),
    });
    const inputs = Object.keys(answers).map((name) => ({ name, text: name }));
    const results = await checkEdgeInputs({ run, runAll: run }, 2, undefined, inputs);
    assert.deepEqual(
      results.map(({ ok }) => ok),
      [true, false, false, false, false],
    );
    assert.deepEqual(
      results.slice(1, 3).map(({ detail }) => detail),
      ['tokeniser panic', 'a probability is NaN'],
    );
    assert.match(results[3]!.detail, /sum to 1\.7999/);
    assert.equal(results[4]!.detail, '1 probabilities for 2 labels');
  });

  it('count a missing answer as a problem', () => {
    assert.equal(probabilityProblem(undefined, 2), 'no probabilities came back');
    assert.equal(probabilityProblem([0.5, 0.5], 2), null);
  });
});

describe('harmless edits', () => {
  it('change the text, and nothing but what they say', () => {
    const apply = (name: string, text: string): string =>
      editsOf('flipRate')
        .find((edit) => edit.name === name)!
        .apply(text);
    assert.equal(apply('lower case', 'My CARD'), 'my card');
    assert.equal(apply('upper case', 'My card'), 'MY CARD');
    assert.equal(apply('doubled spaces', 'a b c'), 'a  b  c');
    assert.equal(apply('surrounding white space', 'a').trim(), 'a');
    assert.equal(apply('trailing punctuation', 'where is it?! '), 'where is it');
    assert.equal(apply('trailing punctuation', 'where is it'), 'where is it.');
    assert.equal(apply('trailing punctuation', '?!'), '?!');
  });

  it('flip a model that looks at the final full stop, and are told apart', async () => {
    const model = ruleModel((text) => text.trimEnd().endsWith('.'));
    const texts = ['one.', 'two', 'three.', 'four'];
    const predicted = argmaxRows((await model.runAll(texts)).probabilities!, 2);
    const { score, byEdit } = await measureFlips(model, texts, predicted, 2);
    assert.deepEqual(score, { value: 1, interval: wilsonInterval(4, 4), rows: 4 });
    assert.deepEqual(
      byEdit.filter(({ flipped }) => flipped > 0),
      [{ name: 'trailing punctuation', edited: 4, flipped: 4 }],
    );
  });

  it('count a text once however many edits flip it, and ask no edit that changes nothing', async () => {
    const model = ruleModel((text) => text === 'Hello you');
    const { score, byEdit } = await measureFlips(model, ['Hello you', 'BYE', 'x', 'y'], Int32Array.of(1, 0, 0, 0), 2);
    assert.equal(score.value, 0.25);
    assert.deepEqual(
      byEdit.find(({ name }) => name === 'upper case'),
      { name: 'upper case', edited: 3, flipped: 1 },
    );
    assert.deepEqual(
      byEdit.find(({ name }) => name === 'doubled spaces'),
      { name: 'doubled spaces', edited: 1, flipped: 1 },
    );
  });

  it('leave alone a model that reads letters only', async () => {
    const model = ruleModel((text) => text.toLowerCase().includes('card'));
    const { score } = await measureFlips(model, ['My card', 'hello'], Int32Array.of(1, 0), 2);
    assert.equal(score.value, 0);
  });
});
