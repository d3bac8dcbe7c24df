import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { foreignWeightsOf } from '../../activities/selection/foreign-weights.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { drivenOver, foreignFiles } from '../support/foreign-files.ts';
import { importFolder } from '../support/import-folder.ts';
import { tinyModel } from '../support/tiny-model.ts';

const SOUND = [
  'archive.keras',
  'masked.weights.h5',
  'own-attribute.weights.h5',
  'plain.weights.h5',
  'trained.weights.h5',
];
const QUERY = 'encoder/layer/tf_bert_layer_1/attention/self_attention/query/vars/1';

/** By file: what the refusal says. */
const UNSAFE: Readonly<Record<string, RegExp>> = {
  'assets.keras': /member 'assets\/vocabulary\.txt' of assets\.keras is there twice, or none that Keras writes/,
  'before.keras': /before\.keras has bytes before or after its zip archive/,
  'behind.keras': /member 'model\.weights\.h5' of behind\.keras ends behind the file/,
  'bomb.keras': /member 'metadata\.json' of bomb\.keras is compressed/,
  'compressed.keras': /of compressed\.keras is compressed/,
  'cut.keras': /cut\.keras is not a sound zip archive/,
  'damaged.keras': /damaged\.keras is not a sound zip archive: Bad CRC-32/,
  'integers.weights.h5': new RegExp(`${QUERY} of integers\\.weights\\.h5 does not hold little-endian floats`),
  'linked.weights.h5': new RegExp(`${QUERY} of linked\\.weights\\.h5 is a link to another file`),
  'longer.keras': /member 'model\.weights\.h5' of longer\.keras ends behind the file/,
  'no-hdf5.keras': /no-hdf5\.keras\.weights\.h5 does not begin as an HDF5 file/,
  'outside.keras': /member '\.\.\/stolen\.h5' of outside\.keras is there twice, or none/,
  'overlapping.keras': /the members of overlapping\.keras overlap/,
  'twice.keras': /member 'model\.weights\.h5' of twice\.keras is there twice/,
};
const BAD: Readonly<Record<string, RegExp>> = {
  'doubled.weights.h5': /would both be encoder\.layer\.1\.attention\.self\.query\.bias/,
  'masked-twice.weights.h5': /masked-twice\.weights\.h5 holds .*, and none of its parts has embeddings\/LayerNorm/,
  'missing.weights.h5': /missing\.weights\.h5 has no encoder\.layer\.1\.attention\.self\.query\.bias/,
  'more.weights.h5': /encoder\.layer\.7\.intermediate\.dense\.bias, which config\.json has no place for/,
  'no-weights.keras': /no-weights\.keras has no model\.weights\.h5/,
  'other-name.weights.h5': /bert\/pooler\/dense\/kernel of other-name\.weights\.h5 .* no place for/,
  'shape.weights.h5': new RegExp(`${QUERY} of shape\\.weights\\.h5\\) has the shape \\[33\\]`),
  'short-name.weights.h5': /bert\/bias of short-name\.weights\.h5 .* no place for/,
  'third-variable.weights.h5': /bert\/pooler\/dense\/vars\/2 of third-variable\.weights\.h5 .* no place for/,
  'two-models.weights.h5': /two-models\.weights\.h5 holds weights by Keras 3's attributes, and 2 of its parts have/,
  'unknown.weights.h5': /unknown\.weights\.h5 holds weights by Keras 3's attributes, and none of its parts has/,
};

describe('converting weights of Keras 3', function () {
  this.timeout(120_000);
  let root: string;
  let files: string;
  let weights: Buffer;
  let services: ActivityServices;

  before(async () => {
    ({ root, files, weights, services } = await foreignFiles('keras3_files.py'));
  });
  after(() => rm(root, { recursive: true, force: true }));

  it('gives the very bytes of the weights out of an archive, whose classes nobody builds, by any name', async () => {
    const folder = await mkdtemp(join(root, 'model-'));
    await cp(await tinyModel(), folder, { recursive: true });
    await rm(join(folder, 'model.safetensors'));
    await cp(join(files, 'archive.keras'), join(folder, 'best-model.keras'));
    const { model, converted } = await importFolder(folder, services, 'tensorflow');
    assert.ok((await readFile(await services.store.fileInTree(model, 'model.safetensors'))).equals(weights));
    assert.equal(converted?.from.path, 'best-model.keras');
    assert.ok(converted.of === 'keras');
    assert.deepEqual(converted.leftOut, ['dense']);
    await assert.rejects(importFolder(folder, services), {
      kind: 'UnsafeModel',
      message: /best-model\.keras holds weights of Keras, .*says convert: 'tensorflow'/,
    });
  });

  it('is done of the only file of weights there is, tf_model.h5 before any other', () => {
    const found = (...names: string[]): string | undefined => foreignWeightsOf(names, 'tensorflow')?.name;
    assert.equal(found('model.weights.h5', 'config.json'), 'model.weights.h5');
    assert.equal(found('model.keras', 'tf_model.h5', 'old.h5'), 'tf_model.h5');
    assert.equal(found('assets/model.keras', '../x.h5', 'tf_model-00001-of-00002.h5'), undefined);
    for (const second of ['model.keras', 'bert_model.ckpt.index']) {
      assert.throws(() => found('model.weights.h5', second), {
        kind: 'BadModel',
        message: /there are 2 checkpoints or files of weights: .*model\.weights\.h5/,
      });
    }
  });

  it('refuses every hostile file by name', async () => {
    const stdout = await drivenOver(files, 'tensorflow_driver.py');
    const judged = JSON.parse(stdout) as Record<string, [kind: string, message: string] | null>;
    assert.deepEqual(
      Object.keys(judged).toSorted(),
      [...SOUND, ...Object.keys(UNSAFE), ...Object.keys(BAD)].toSorted(),
    );
    for (const name of SOUND) {
      assert.equal(judged[name], null, name);
      const made = join(files, name.replace(/\.\w+$/, '.safetensors'));
      assert.ok((await readFile(made)).equals(weights), name);
    }
    for (const [kind, expected] of [
      ['UnsafeModel', UNSAFE],
      ['BadModel', BAD],
    ] as const) {
      for (const [name, message] of Object.entries(expected)) {
        assert.equal(judged[name]?.[0], kind, name);
        assert.match(judged[name]?.[1] ?? '', message, name);
      }
    }
  });
});
