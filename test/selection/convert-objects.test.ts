import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { foreignWeightsOf, putForeignWeightsAside } from '../../activities/selection/foreign-weights.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { drivenOver, foreignFiles } from '../support/foreign-files.ts';
import { importFolder } from '../support/import-folder.ts';
import { tinyModel } from '../support/tiny-model.ts';

const SAME = [
  'garden',
  'garden-part',
  'garden-v2',
  'honest',
  'long-head',
  'old-keras',
  'own-model',
  'saved-model',
  'training',
];
const GRAPH = '_CHECKPOINTABLE_OBJECT_GRAPH of .*';
const BIAS = 'bert/encoder/layer/0/attention/self_attention/query/bias/\\.ATTRIBUTES/VARIABLE_VALUE';

/** By checkpoint: what the refusal says, beside its name. */
const UNSAFE: Readonly<Record<string, RegExp>> = {
  beyond: /OBJECT_GRAPH would have 4611686018427387904 bytes/,
  'cut-message': new RegExp(`${GRAPH} ends in the middle`),
  damaged: new RegExp(`${GRAPH} has another length or checksum`),
  empty: new RegExp(`${GRAPH} ends in the middle`),
  escape: new RegExp(`${GRAPH} has the name b'tf/bert/\\\\x1b\\[2J'`),
  latin: new RegExp(`${GRAPH} has the name b'tf/bert/\\\\xe9'`),
  length: new RegExp(`${GRAPH} ends in the middle`),
  'long-name': new RegExp(`${GRAPH} has the name b'bert/xx`),
  longer: new RegExp(`${GRAPH} has another length or checksum`),
  many: new RegExp(`${GRAPH} has more than 200000 objects`),
  'more-text': /bert\/words\/\.ATTRIBUTES\/VARIABLE_VALUE of .* text \(DT_STRING\), not numbers/,
  'name-twice': new RegExp(`${GRAPH} has field 2 twice`),
  nameless: new RegExp(`${BIAS} of .* is no variable that its objects name`),
  'no-message': new RegExp(`${GRAPH} has a number of more than 64 bits`),
  numbers: new RegExp(`${GRAPH} holds values of type 1, not text`),
  'odd-attribute': new RegExp(`${GRAPH} has an attribute with field 7`),
  'odd-field': new RegExp(`${GRAPH} has field 2 of kind 0`),
  'odd-key': /bert\/bias of .* is no variable that its objects name/,
  'odd-node': new RegExp(`${GRAPH} has an object with field 9`),
  texts: new RegExp(`${GRAPH} holds more than one text`),
  'two-names': new RegExp(`${GRAPH} calls ${BIAS} both tf_bert_.*/query/bias and tf_bert_model/bert/pooler/dense/bias`),
  type: /query\/bias of .* does not hold floats/,
  unchecked: new RegExp(`${GRAPH} has no checksum`),
  unnamed: new RegExp(`${BIAS} of .* is no variable that its objects name`),
  within: /OBJECT_GRAPH and bert\/embeddings\/LayerNorm\/beta\/.* overlap/,
};
const BAD: Readonly<Record<string, RegExp>> = {
  missing: /has no encoder\.layer\.0\.attention\.self\.query\.bias/,
  'more-layers': /encoder\.layer\.7\.output\.dense\.bias, which config\.json has no place for/,
  'other-heads': /self_attention\/key\/kernel has 8 heads, by config\.json there are 4/,
  projection: /embedding_projection\/kernel, which config\.json has no place for/,
  'same-name':
    /two variables that are called bert\/encoder\/layer_\._0\/attention\/self\/query\/bias; one is other\/bias/,
  shape: /query\.bias .* has the shape \[33\], by config\.json it is \[32\]/,
  'two-gardens': /weights of the bert of 2 models: below bert_encoder\/, bert_encoder_1\//,
  'two-models': /of 2 models: below tf_bert_for_.*_classification\/bert\/, tf_bert_for_.*_classification_1\/bert\//,
  'two-nested': /of 2 models: below bert\/tf_bert_for_.*\/bert\/, tf_bert_for_/,
  'unknown-model': /is a TensorFlow 2 checkpoint in which nothing is called bert, .*; it has dense/,
};

describe('converting a checkpoint of TensorFlow 2', function () {
  this.timeout(120_000);
  let root: string;
  let files: string;
  let weights: Buffer;
  let services: ActivityServices;

  before(async () => {
    ({ root, files, weights, services } = await foreignFiles('object_checkpoint_files.py'));
  });
  after(() => rm(root, { recursive: true, force: true }));

  /** A model's folder that has the checkpoint, by this name, in place of its weights. */
  async function modelWith(name: string, prefix: string): Promise<string> {
    const folder = await mkdtemp(join(root, 'model-'));
    await cp(await tinyModel(), folder, { recursive: true });
    await rm(join(folder, 'model.safetensors'));
    await mkdir(join(folder, prefix, '..'), { recursive: true });
    for (const end of ['index', 'data-00000-of-00001']) {
      await cp(join(files, `${name}.ckpt.${end}`), join(folder, `${prefix}.${end}`));
    }
    return folder;
  }

  it('gives the very bytes of the weights out of a SavedModel’s variables, whose graph stays outside unread', async () => {
    const folder = await modelWith('saved-model', 'saved_model/1/variables/variables');
    await writeFile(join(folder, 'saved_model', '1', 'saved_model.pb'), 'a graph that calls PyFunc');
    const model = await importFolder(folder, services, 'tensorflow');
    const path = await services.store.fileInTree(model.model, 'model.safetensors');
    assert.ok((await readFile(path)).equals(weights));
    const { from, parts = [], ...told } = model.converted ?? assert.fail();
    assert.deepEqual(
      [from, ...parts].map((file) => file.path),
      ['index', 'data-00000-of-00001'].map((end) => `saved_model/1/variables/variables.${end}`),
    );
    assert.deepEqual(told, { of: 'checkpoint', leftOut: ['classifier'] });
    assert.match(
      model.quarantined.find((file) => file.path === 'saved_model/1/saved_model.pb')?.reason ?? '',
      /SavedModel, of which nothing is run/,
    );
  });

  it('takes weights by whatever name they were saved under, if the index has its files beside it', async () => {
    const folder = await modelWith('honest', 'my_model');
    const { converted } = await importFolder(folder, services, 'tensorflow');
    assert.equal(converted?.from.path, 'my_model.index');
    const data = 'my_model.data-00000-of-00001';
    assert.equal(foreignWeightsOf(['my_model.index', 'faiss.index'], 'tensorflow'), undefined);
    assert.deepEqual(foreignWeightsOf(['faiss.index', 'my_model.index', data], 'tensorflow'), {
      form: 'checkpoint',
      name: 'my_model.index',
      parts: [data],
      config: null,
    });
    const saved = ['variables/variables.index', 'variables/variables.data-00000-of-00001'];
    assert.equal(foreignWeightsOf(saved, 'tensorflow')?.name, saved[0]);
    assert.throws(() => foreignWeightsOf([...saved, 'my_model.index', data], 'tensorflow'), {
      kind: 'BadModel',
      message: /2 checkpoints or files of weights: my_model\.index, variables\/variables\.index/,
    });
    for (const folderOfIt of ['../variables', 'assets/variables', 'saved_model/x/variables']) {
      const names = ['index', 'data-00000-of-00001'].map((end) => `${folderOfIt}/variables.${end}`);
      assert.equal(foreignWeightsOf(names, 'tensorflow'), undefined);
    }
  });

  it('tells the longest name that a head may have', async () => {
    const { converted } = await importFolder(await modelWith('long-head', 'model'), services, 'tensorflow');
    const told = converted?.of === 'checkpoint' ? converted.leftOut : [];
    assert.deepEqual(told, ['classifier', 'h'.repeat(500)]);
  });

  it('follows no link to a folder of variables', async () => {
    const folder = await modelWith('saved-model', 'variables/variables');
    await rename(join(folder, 'variables'), join(root, 'elsewhere'));
    await symlink(join(root, 'elsewhere'), join(folder, 'variables'));
    assert.equal(await putForeignWeightsAside(folder, 'tensorflow', await mkdtemp(join(root, 'work-'))), undefined);
  });

  it('refuses every hostile checkpoint by name, with the variable', async () => {
    const stdout = await drivenOver(files, 'checkpoint_driver.py');
    const judged = JSON.parse(stdout) as Record<string, [kind: string, message: string] | null>;
    const sound = Object.keys(judged).filter((name) => judged[name] === null);
    assert.deepEqual(sound.toSorted(), [...SAME, 'no-pooler'].toSorted());
    assert.deepEqual(
      Object.keys(judged).toSorted(),
      [...sound, ...Object.keys(UNSAFE), ...Object.keys(BAD)].toSorted(),
    );
    for (const [kind, expected] of [
      ['UnsafeModel', UNSAFE],
      ['BadModel', BAD],
    ] as const) {
      for (const [name, message] of Object.entries(expected)) {
        assert.equal(judged[name]?.[0], kind, name);
        assert.match(judged[name]?.[1] ?? '', message, name);
        assert.ok(judged[name]?.[1].includes(`${name}.ckpt.`) || name === 'other-heads', name);
      }
    }
    for (const name of SAME) {
      assert.ok((await readFile(join(files, `${name}.safetensors`))).equals(weights), name);
    }
  });
});
