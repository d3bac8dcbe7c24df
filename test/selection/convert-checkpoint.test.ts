import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImportedModel } from '../../activities/contract/selection.ts';
import { foreignWeightsOf, putForeignWeightsAside } from '../../activities/selection/foreign-weights.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { drivenOver, foreignFiles } from '../support/foreign-files.ts';
import { importFolder } from '../support/import-folder.ts';
import { tinyModel } from '../support/tiny-model.ts';

const SOUND = ['honest', 'no-pooler', 'shards', 'slots'];
const BIAS = 'bert/encoder/layer_0/attention/self/query/bias';

/** By checkpoint: what the refusal says, beside its name. */
const UNSAFE: Readonly<Record<string, RegExp>> = {
  beyond: new RegExp(`${BIAS} would have 128 bytes at 122932 of beyond\\.ckpt\\.data-00000-of-00001`),
  'big-endian': /not written on a little-endian machine/,
  'cut-data': /output_weights would have 24 bytes at 122908 of cut-data\.ckpt\.data-00000-of-00001/,
  'cut-field': new RegExp(`${BIAS} of .* ends in the middle`),
  'cut-short': /does not end as the index of a TensorFlow checkpoint/,
  cycle: /the block at 1672 of .* lies at 1672, not at 777 where the one before it ends/,
  damaged: /the block at 0 of .* has another checksum/,
  deep: new RegExp(`${BIAS} of .* has more than 8 dimensions`),
  doubled: /the keys of .* are not in order: b'bert\/embeddings\/LayerNorm\/gamma' comes after/,
  empty: /has no header/,
  'far-beyond': new RegExp(`${BIAS} would have 128 bytes at 18446744073709551612`),
  'field-twice': new RegExp(`${BIAS} of .* has field 4 twice`),
  foot: /the footer of .* holds more than two places/,
  giant: new RegExp(`${BIAS} of .* its shape \\[2147483648, 2147483648\\] has 18446744073709551616`),
  'giant-block': /the block at 0 of .* would have 4611686018427387904 bytes at 0/,
  'giant-index': /the index block of .* would have 9223372036854775808 bytes/,
  'long-key': /a key of 0 shared and 4294967295 own bytes/,
  'long-number': /a number of more than 64 bits/,
  many: /more than 20000 entries/,
  name: /has the name b'bert\/\\x1b\[2Jcleared'/,
  negative: new RegExp(`the shape of ${BIAS} of .* has a length of 18446744073709551584`),
  'no-block': /has 1 bytes, too few for a block/,
  'no-checksum': new RegExp(`${BIAS} of .* has no checksum`),
  'no-footer': /does not end as the index/,
  'no-header': /has no header/,
  'no-shards': /in 0 files, not in 1 to 1000/,
  'odd-field': new RegExp(`${BIAS} of .* has field 8 of kind 0`),
  'odd-header': /the header of .* has field 9/,
  'other-shard': new RegExp(`${BIAS} of .* would lie in file 1 of 1`),
  overlap: new RegExp(`${BIAS} and bert/embeddings/LayerNorm/beta overlap in overlap\\.ckpt\\.data-.*, at 4`),
  'own-blocks': /names blocks beside those of its keys/,
  restarts: /more restarts than bytes/,
  'same-block': /the block at 0 of .* lies at 0, not at 777/,
  shared: /a key of 5 shared and 1 own bytes/,
  sizes: new RegExp(`${BIAS} of .* would have 128 bytes, its shape \\[31\\] has 124`),
  'skipped-block': /lies at 1557, not at 777/,
  slices: new RegExp(`${BIAS} of .* stored in slices`),
  snappy: /the block at 0 of .* is compressed \(Snappy\)/,
  text: new RegExp(`${BIAS} of .* text \\(DT_STRING\\)`),
  'too-many-shards': /in 2147483648 files/,
  type: new RegExp(`${BIAS} of .* does not hold floats`),
  'unknown-shape': new RegExp(`the shape of ${BIAS} of .* is unknown`),
  'unknown-type': new RegExp(`${BIAS} of .* values of type 99`),
  unordered: /the keys of .* are not in order/,
  variant: new RegExp(`${BIAS} of .* a variant \\(DT_VARIANT\\)`),
  words: /does not end as the index/,
  'wrong-value': /bert\/embeddings\/word_embeddings has another checksum in wrong-value\.ckpt\.data-00000-of-00001/,
};
const BAD: Readonly<Record<string, RegExp>> = {
  'half-pooler': /has no pooler\.dense\.bias/,
  missing: /has no encoder\.layer\.0\.attention\.self\.query\.bias/,
  'more-layers': /encoder\.layer\.7\.output\.dense\.bias, which config\.json has no place for/,
  'more-shards': /is of 2 files with weights, more-shards\.ckpt\.data-00000-of-00002 …, and there are 1/,
  'other-slot': /pooler\.dense\.bias\.lamb_m, which config\.json has no place for/,
  shape: /query\.bias .* has the shape \[33\], by config\.json it is \[32\]/,
};

describe('converting a TensorFlow checkpoint', function () {
  this.timeout(120_000);
  let root: string;
  let files: string;
  let weights: Buffer;
  let services: ActivityServices;

  before(async () => {
    ({ root, files, weights, services } = await foreignFiles('checkpoint_files.py'));
  });
  after(() => rm(root, { recursive: true, force: true }));

  /** A folder as Google's: bert_config.json and vocab.txt, and the checkpoint for the weights. */
  async function releaseOf(name: string, parts = 1): Promise<string> {
    const folder = await mkdtemp(join(root, 'model-'));
    const tiny = await tinyModel();
    await cp(join(tiny, 'README.md'), join(folder, 'README.md'));
    const { model_type: _, architectures: __, ...config } = await jsonIn(tiny, 'config.json');
    await writeFile(join(folder, 'bert_config.json'), JSON.stringify(config));
    const { model } = await jsonIn(tiny, 'tokenizer.json');
    const words = Object.entries((model as { vocab: Record<string, number> }).vocab);
    const lines = words.toSorted(([, left], [, right]) => left - right).map(([word]) => word);
    await writeFile(join(folder, 'vocab.txt'), `${lines.join('\n')}\n`);
    const shards = Array.from({ length: parts }, (_, part) => `data-0000${part}-of-0000${parts}`);
    for (const end of ['index', ...shards]) {
      await cp(join(files, `${name}.ckpt.${end}`), join(folder, `bert_model.ckpt.${end}`));
    }
    return folder;
  }
  async function jsonIn(folder: string, name: string): Promise<Record<string, unknown>> {
    return JSON.parse(await readFile(join(folder, name), 'utf8')) as Record<string, unknown>;
  }
  async function imported(folder: string, convert: 'tensorflow' | null = 'tensorflow'): Promise<ImportedModel> {
    return importFolder(folder, services, convert ?? undefined);
  }
  const fileOf = async ({ model }: ImportedModel, name: string): Promise<Buffer> =>
    readFile(await services.store.fileInTree(model, name));

  it('gives the very bytes of the weights, with the config and the tokenizer that Google’s release has not', async () => {
    const model = await imported(await releaseOf('slots', 2));
    assert.ok((await fileOf(model, 'model.safetensors')).equals(weights));
    const tiny = await tinyModel();
    assert.deepEqual(JSON.parse((await fileOf(model, 'config.json')).toString()), await jsonIn(tiny, 'config.json'));
    const made = JSON.parse((await fileOf(model, 'tokenizer.json')).toString()) as object;
    assert.deepEqual(made, await jsonIn(tiny, 'tokenizer.json'));
    assert.ok(model.converted?.of === 'checkpoint');
    const { from, parts, ...told } = model.converted;
    assert.deepEqual(
      [from, ...(parts ?? [])].map(({ path }) => path),
      ['index', 'data-00000-of-00002', 'data-00001-of-00002'].map((end) => `bert_model.ckpt.${end}`),
    );
    assert.deepEqual(told, {
      of: 'checkpoint',
      leftOut: ['cls', 'output_weights'],
      made: [
        { path: 'config.json', from: 'bert_config.json' },
        { path: 'tokenizer.json', from: 'vocab.txt' },
      ],
    });
    assert.deepEqual(model.quarantined.at(-1), { path: 'bert_config.json', reason: 'became config.json' });
  });

  it('happens only where it was asked for, of one checkpoint, and after tf_model.h5', async () => {
    await assert.rejects(imported(await releaseOf('honest'), null), {
      kind: 'UnsafeModel',
      message: /bert_model\.ckpt\.index is of a TensorFlow checkpoint, .* says convert: 'tensorflow'/,
    });
    const names = ['model.ckpt-9.index', 'model.ckpt-9.data-00000-of-00001', 'model.ckpt-9.data-1', 'bert_config.json'];
    const found = { form: 'checkpoint', name: names[0], parts: [names[1]] };
    assert.deepEqual(foreignWeightsOf(names, 'tensorflow'), { ...found, config: 'bert_config.json' });
    assert.deepEqual(foreignWeightsOf([...names, 'config.json'], 'tensorflow'), { ...found, config: null });
    assert.equal(foreignWeightsOf([...names, 'tf_model.h5'], 'tensorflow')?.form, 'keras');
    assert.equal(foreignWeightsOf([...names, 'model.safetensors'], 'tensorflow'), undefined);
    assert.equal(foreignWeightsOf(names, 'torch'), undefined);
    assert.equal(foreignWeightsOf(['sub/model.ckpt.index', '../model.ckpt.index'], 'tensorflow'), undefined);
    assert.throws(() => foreignWeightsOf([...names, 'model.ckpt-10.index'], 'tensorflow'), {
      kind: 'BadModel',
      message: /2 checkpoints or files of weights: model\.ckpt-10\.index, model\.ckpt-9\.index/,
    });
  });

  it('refuses every hostile checkpoint by name, with the variable', async () => {
    const stdout = await drivenOver(files, 'checkpoint_driver.py');
    const judged = JSON.parse(stdout) as Record<string, [kind: string, message: string] | null>;
    const sound = Object.keys(judged).filter((name) => judged[name] === null);
    assert.deepEqual(sound, SOUND);
    assert.deepEqual(
      Object.keys(judged).toSorted(),
      [...SOUND, ...Object.keys(UNSAFE), ...Object.keys(BAD)].toSorted(),
    );
    for (const [kind, expected] of [
      ['UnsafeModel', UNSAFE],
      ['BadModel', BAD],
    ] as const) {
      for (const [name, message] of Object.entries(expected)) {
        assert.equal(judged[name]?.[0], kind, name);
        assert.match(judged[name]?.[1] ?? '', message, name);
        assert.ok(judged[name]?.[1].includes(`${name}.ckpt.`), name);
      }
    }
    for (const name of ['honest', 'shards', 'slots']) {
      assert.ok((await readFile(join(files, `${name}.safetensors`))).equals(weights), name);
    }
  });

  it('is refused where a file of it is a link, or missing', async () => {
    const linked = await mkdtemp(join(root, 'link-'));
    const release = await releaseOf('honest');
    await rename(join(release, 'bert_model.ckpt.data-00000-of-00001'), join(linked, 'elsewhere'));
    await assert.rejects(imported(release), {
      kind: 'BadModel',
      message: /is of 1 files with weights, .* and there are 0/,
    });

    await symlink(join(linked, 'elsewhere'), join(release, 'bert_model.ckpt.data-00000-of-00001'));
    await assert.rejects(putForeignWeightsAside(release, 'tensorflow', linked), {
      kind: 'UnsafeModel',
      message: /bert_model\.ckpt\.data-00000-of-00001 is not a regular file/,
    });
  });

  it('says what is wrong with the files that its config and tokenizer are to be made of', async () => {
    for (const [name, content, message] of [
      ['bert_config.json', '{"hidden_size": 32, "hidden_size": 64}', /bert_config\.json names a key twice/],
      ['bert_config.json', '[]', /bert_config\.json is not a JSON object/],
      ['bert_config.json', '{"model_type": "t5"}', /bert_config\.json is of model_type "t5"/],
      ['vocab.txt', 'a\nb\n', /vocab\.txt has no \[CLS\]/],
      ['vocab.txt', null, /tokenizer\.json is missing/],
      ['bert_config.json', null, /there is no config\.json beside/],
    ] as const) {
      const folder = await releaseOf('honest');
      await (content === null ? rm(join(folder, name)) : writeFile(join(folder, name), content));
      await assert.rejects(imported(folder), { kind: 'BadModel', message });
    }
  });
});
