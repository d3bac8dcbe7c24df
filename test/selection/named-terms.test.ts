import { equal } from 'node:assert/strict';
import { sizeOf } from '../../activities/selection/named-terms.ts';

describe('the size of a model that is known by its name', () => {
  const of = (sizes: Readonly<Record<string, number | null>>): number | null =>
    sizeOf(Object.entries(sizes).map(([path, size]) => ({ path, size })));

  it('counts what would be loaded: weights before a graph, and of pictures a graph where there are no weights', () => {
    const graph = { 'preprocessor_config.json': 1, 'model.onnx': 1000, 'model.onnx_data': 5000 };
    equal(of(graph), 6001);
    equal(of({ ...graph, 'config.json': 10, 'model.safetensors': 400, 'pytorch_model.bin': 400 }), 411);
    equal(of({ 'config.json': 10, 'tokenizer.json': 20, 'model.safetensors': 400, 'model.onnx': 1000 }), 430);
  });

  it('is not known where the source leaves out the size of one of them', () => {
    equal(of({ 'preprocessor_config.json': 1, 'model.onnx': null }), null);
    equal(of({ 'config.json': 10, 'model.safetensors': 400, 'notes.bin': null }), 410);
  });
});
