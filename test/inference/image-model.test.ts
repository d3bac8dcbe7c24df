import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { ImageModel } from '../../inference/image-model.ts';
import { TextModel } from '../../inference/text-model.ts';
import { pythonForTests } from '../support/python.ts';

/** Embedding: the mean of each channel; probabilities: their softmax. */
const GRAPH = `
import sys, onnx
from onnx import helper, TensorProto
value = helper.make_tensor_value_info
nodes = [
    helper.make_node("GlobalAveragePool", ["pixel_values"], ["pooled"]),
    helper.make_node("Flatten", ["pooled"], ["embedding"]),
    helper.make_node("Softmax", ["embedding"], ["probabilities"]),
]
graph = helper.make_graph(nodes, "means", [value("pixel_values", TensorProto.FLOAT, ["batch", 3, "height", "width"])],
    [value(name, TensorProto.FLOAT, ["batch", 3]) for name in ("embedding", "probabilities")])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), sys.argv[1])
`;

describe('a model of pictures', () => {
  let folder: string;
  let model: ImageModel;
  const plain = (background: string): Promise<Buffer> =>
    sharp({ create: { width: 20, height: 10, channels: 3, background } })
      .png()
      .toBuffer();

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-image-model-'));
    await promisify(execFile)(pythonForTests().executable, ['-c', GRAPH, join(folder, 'model.onnx')]);
    const processor = { size: { height: 8, width: 6 }, do_normalize: false };
    const labels = ['red', 'green', 'blue'];
    const config = { kind: 'classifier', input: 'image', inputs: ['pixel_values'], processor, dimension: 3, labels };
    await writeFile(join(folder, 'classifier.json'), JSON.stringify(config));
    model = await ImageModel.load(folder);
  });
  after(async () => {
    await model.release();
    await rm(folder, { recursive: true, force: true });
  });

  it('says embeddings and probabilities in order, in batches as in one', async () => {
    const pictures = await Promise.all(['#ff0000', '#00ff00', '#0000ff', '#ffffff', '#000000'].map(plain));
    const done: number[] = [];
    const all = await model.runAll(pictures, { batchSize: 2, onProgress: (rows) => done.push(rows) });
    deepEqual(done, [2, 4, 5]);
    deepEqual([...all.embeddings], [1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0]);
    deepEqual(await model.run(pictures), all);
    ok((all.probabilities?.[0] ?? 0) > 0.5);
    equal((await model.run([])).rows, 0);
  });

  it('is the same from its files in memory', async () => {
    const read = async (name: string): Promise<Buffer> => readFile(join(folder, name));
    const files = { 'classifier.json': await read('classifier.json'), 'model.onnx': await read('model.onnx') };
    const copy = await ImageModel.from({ where: 'here', ...files });
    const picture = [await plain('#336699')];
    deepEqual(await copy.run(picture), await model.run(picture));
    await copy.release();
    await rejects(copy.run(picture), /released/);
  });

  it('names the picture that cannot be decoded', async () => {
    const pictures = [await plain('red'), Buffer.from('no picture')];
    await rejects(model.runAll(pictures, { batchSize: 1 }), { kind: 'BadData', where: 'picture 2' });
    await rejects(model.run(pictures, { names: ['a', 'b.jpg'] }), { kind: 'BadData', where: 'b.jpg' });
  });

  it('is not taken for one of texts', async () => {
    await rejects(TextModel.load(folder), /takes pictures, not texts/);
  });
});
