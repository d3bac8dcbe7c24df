import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TextModel } from '../../inference/text-model.ts';
import { TextTokenizer } from '../../inference/tokenizer.ts';
import { writeTinyOnnx } from '../support/tiny-onnx.ts';

const TEXTS = [
  'where is my card',
  '',
  'refund',
  'my package is late and the box is broken',
  '😀 二 SEP',
  'x '.repeat(5000),
];

describe('a text model', () => {
  let root: string;
  let encoder: string;
  let classifier: string;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'espalier-text-model-'));
    encoder = join(root, 'encoder');
    classifier = join(root, 'classifier');
    await Promise.all([writeTinyOnnx(encoder, 'encoder'), writeTinyOnnx(classifier, 'classifier')]);
  });
  after(() => rm(root, { recursive: true, force: true }));

  /** What tiny_onnx.py says the outputs are, computed here from the token ids. */
  async function byHand(text: string): Promise<{ embedding: number[]; odd: number }> {
    const ids = await (await TextTokenizer.load(join(encoder, 'tokenizer.json'), 32)).ids(text);
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const modulo = mean(ids.map((id) => id % 3));
    return { embedding: [mean(ids), 1, modulo], odd: 1 / (1 + Math.exp(-modulo)) };
  }

  it('gives each text the embedding worked out by hand, whatever it is padded to', async () => {
    const model = await TextModel.load(encoder);
    const output = await model.run(TEXTS);
    assert.equal(output.rows, TEXTS.length);
    assert.equal(output.probabilities, undefined);
    for (const [row, text] of TEXTS.entries()) {
      const expected = (await byHand(text)).embedding;
      const found = [...output.embeddings.subarray(row * 3, row * 3 + 3)];
      found.forEach((value, at) =>
        assert.ok(Math.abs(value - (expected[at] ?? NaN)) < 1e-4, `${row}: ${found.join()}`),
      );
    }
    await model.release();
  });

  it('gives a classifier’s probabilities beside the embedding, row by row', async () => {
    const model = await TextModel.load(classifier);
    assert.deepEqual(model.config.kind === 'classifier' && model.config.labels, ['even', 'odd']);
    const { probabilities = new Float32Array() } = await model.run(TEXTS);
    assert.equal(probabilities.length, TEXTS.length * 2);
    for (const [row, text] of TEXTS.entries()) {
      const odd = probabilities[row * 2 + 1] ?? NaN;
      assert.ok(Math.abs(odd - (await byHand(text)).odd) < 1e-5);
      assert.ok(Math.abs(odd + (probabilities[row * 2] ?? NaN) - 1) < 1e-6);
    }
    await model.release();
  });

  it('gives the same, in order, for many texts in small batches, and reports progress', async () => {
    const model = await TextModel.load(classifier);
    const texts = Array.from({ length: 101 }, (_, index) => `${'card '.repeat(index % 40)} ${TEXTS[index % 5]}`);
    const seen: number[] = [];
    const all = await model.runAll(texts, { batchSize: 7, onProgress: (done) => seen.push(done) });
    assert.equal(all.rows, 101);
    for (const [row, text] of texts.entries()) {
      const one = await model.run([text]);
      const tail = [
        ...all.embeddings.subarray(row * 3, row * 3 + 3),
        ...(all.probabilities?.subarray(row * 2, row * 2 + 2) ?? []),
      ];
      const expected = [...one.embeddings, ...(one.probabilities ?? [])];
      tail.forEach((value, at) => assert.ok(Math.abs(value - (expected[at] ?? NaN)) < 1e-4));
    }
    assert.equal(seen.at(-1), 101);
    assert.ok(seen.length >= 15);
    await model.release();
  });

  it('answers no texts with no rows', async () => {
    const model = await TextModel.load(classifier);
    assert.deepEqual(await model.run([]), {
      rows: 0,
      embeddings: new Float32Array(),
      probabilities: new Float32Array(),
    });
    assert.equal((await model.runAll([])).rows, 0);
    await model.release();
  });

  it('stops at an abort', async () => {
    const model = await TextModel.load(encoder);
    const controller = new AbortController();
    const running = model.runAll(
      Array.from({ length: 50 }, () => 'card'),
      {
        batchSize: 1,
        signal: controller.signal,
        onProgress: (done) => done === 3 && controller.abort(),
      },
    );
    await assert.rejects(running, { name: 'AbortError' });
    await model.release();
  });

  it('finishes calls under way before it frees the model, and refuses later ones', async () => {
    const model = await TextModel.load(encoder);
    const running = model.run(['card']);
    await new Promise((resume) => setTimeout(resume, 5));
    await model.release();
    assert.equal((await running).rows, 1);
    await assert.rejects(model.run(['card']), /released/);
    await model.release();
  });

  const broken: readonly [title: string, file: string, content: string | null, message: RegExp][] = [
    ['no config', 'encoder.json', null, /neither classifier.json nor encoder.json/],
    ['a config that is not JSON', 'encoder.json', '{', /config cannot be used/],
    ['a config with a wrong field', 'encoder.json', '{"kind":"encoder","maxLength":-1}', /maxLength/],
    ['no model.onnx', 'model.onnx', null, /model\.onnx cannot be loaded.*ENOENT/],
    ['a model.onnx that is none', 'model.onnx', 'not a graph', /model\.onnx cannot be loaded/],
    ['no tokenizer.json', 'tokenizer.json', null, /tokenizer\.json cannot be used.*ENOENT/],
    [
      'a config that names other inputs than the graph has',
      'encoder.json',
      '{"kind":"encoder","maxLength":8,"pooling":"mean","dimension":3,"inputs":["input_ids","token_type_ids"]}',
      /input 'token_type_ids', input 'attention_mask'/,
    ],
    [
      'an encoder called a classifier',
      'classifier.json',
      '{"kind":"classifier","maxLength":8,"pooling":"mean","dimension":3,"inputs":["input_ids","attention_mask"],"labels":["a","b"]}',
      /output 'probabilities'/,
    ],
    [
      'a classifier of which more is told than is known here',
      'classifier.json',
      '{"kind":"classifier","maxLength":8,"pooling":"mean","dimension":3,"inputs":["input_ids","attention_mask"],"labels":["a","b"],"abstains":0.4}',
      /Unrecognized key: "abstains"/,
    ],
  ];
  for (const [title, file, content, message] of broken) {
    it(`refuses ${title}, naming the place`, async () => {
      const folder = await mkdtemp(join(root, 'broken-'));
      await cp(encoder, folder, { recursive: true });
      await (content === null ? rm(join(folder, file)) : writeFile(join(folder, file), content));
      await assert.rejects(TextModel.load(folder), (error: { kind: string; where: string; message: string }) => {
        assert.equal(error.kind, 'BadModel');
        assert.ok(error.where.startsWith(folder), error.where);
        assert.match(error.message, message);
        return true;
      });
    });
  }

  it('refuses a graph whose embedding has another width than its config says', async () => {
    const folder = await mkdtemp(join(root, 'broken-'));
    await cp(encoder, folder, { recursive: true });
    const config = {
      kind: 'encoder',
      maxLength: 8,
      pooling: 'mean',
      dimension: 5,
      inputs: ['input_ids', 'attention_mask'],
    };
    await writeFile(join(folder, 'encoder.json'), JSON.stringify(config));
    const model = await TextModel.load(folder);
    await assert.rejects(model.run(['card']), { kind: 'BadModel', where: join(folder, 'model.onnx') });
    await model.release();
  });
});
