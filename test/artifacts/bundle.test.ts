import { deepEqual, equal } from 'node:assert/strict';
import { missingModelFiles, modelKindOf } from '../../artifacts/bundle.ts';

describe('the kind of a bundle', () => {
  const classifier = (model: string) => [`${model}/1/model.onnx`, `${model}/1/classifier.json`];

  it('is that of a model which finds pictures where an index lies beside the model', () => {
    equal(modelKindOf('parts', classifier('parts')), 'classifier');
    equal(modelKindOf('parts', [...classifier('parts'), 'index/index.json']), 'retriever');
  });

  it('is not taken from the name of the model', () => {
    equal(modelKindOf('index', classifier('index')), 'classifier');
    deepEqual(missingModelFiles('index', classifier('index')), []);
  });
});
