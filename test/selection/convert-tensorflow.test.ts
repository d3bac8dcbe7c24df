import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImportedModel } from '../../activities/contract/selection.ts';
import { foreignWeightsOf } from '../../activities/selection/foreign-weights.ts';
import { convertWeights } from '../../activities/selection/weights-conversion.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { digestBytes } from '../../artifacts/digest.ts';
import type { Candidate } from '../../pipelines/definition.ts';
import { drivenOver, foreignFiles } from '../support/foreign-files.ts';
import { importFolder } from '../support/import-folder.ts';
import { pythonForTests } from '../support/python.ts';
import { tinyModel } from '../support/tiny-model.ts';

const QUERY = 'encoder\\.layer\\.0\\.attention\\.self\\.query';

/** By file: what the refusal says of it, beside its name. */
const UNSAFE: Readonly<Record<string, RegExp>> = {
  'absurd.h5': /query\/bias:0.*would have 4611686018427387904 bytes/,
  'big-endian.h5': /query\/bias:0.*little-endian floats/,
  'broken.h5': /no sound HDF5 file/,
  'chunked.h5': /not stored in one piece/,
  'complex.h5': /little-endian floats/,
  'deep.h5': /more than 16 groups deep/,
  'empty.h5': /no shape that weights have/,
  'external-link.h5': /query\/bias:0.*a link to another file/,
  'external-storage.h5': /query\/bias:0.*lie in another file \(b'.*outside\.pipe'\)/,
  'gzip.h5': /query\/bias:0.*filter 1,/,
  'hard-cycle.h5': /bert\/again.*is bert once more/,
  'integers.h5': /little-endian floats/,
  'many.h5': /more than 8000 groups and arrays/,
  'model.h5': /whole Keras model \(model_config\)/,
  'name.h5': /has the name 'bert\/\\x1b\[2Jcleared'/,
  'named-type.h5': /neither a group nor an array/,
  'part-cut': /tf_model-00001-of-00003\.h5 is no sound HDF5 file/,
  'part-linked': /bert\/stolen of tf_model-00001-of-00003\.h5 is a link to another file/,
  'overlap.h5': /the arrays of overlap\.h5 overlap/,
  'reference.h5': /little-endian floats/,
  'root-cycle.h5': /bert\/again.*is \/ once more/,
  'shuffle.h5': /filter 2,/,
  'soft-cycle.h5': /bert\/again.*a soft link/,
  'soft-link.h5': /query\/bias:0.*a soft link/,
  'text.h5': /little-endian floats/,
  'truncated.h5': /no sound HDF5 file: .*truncated/,
  'two-names.h5': /query\/bias:0 once more/,
  'slash.h5': /has the name 'a\/b'/,
  'unknown-filter.h5': /filter 32015,/,
  'user-block.h5': /does not begin as an HDF5 file/,
  'virtual.h5': /query\/bias:0.*virtual/,
  'words.h5': /does not begin as an HDF5 file/,
};
const BAD: Readonly<Record<string, RegExp>> = {
  'doubled.h5': new RegExp(`other_model.* would both be ${QUERY}\\.bias`),
  'half-pooler.h5': /has no pooler\.dense\.bias below its group bert/,
  'missing.h5': new RegExp(`has no ${QUERY}\\.weight, ${QUERY}\\.bias below`),
  'more-layers.h5': /encoder\.layer\.7\.output\.dense\.bias, which config\.json has no place for/,
  'index-deep': /tf_model\.h5\.index\.json is not JSON/,
  'index-list': /tf_model\.h5\.index\.json has no weight_map/,
  'index-twice': /tf_model\.h5\.index\.json is not JSON: a key is there twice/,
  'part-doubled': /tf_model\.h5\.index\.json has two names of one array/,
  'part-elsewhere': /names bert\/encoder\/.*query\/bias:0, which is not in tf_model-0000\d-of-00003\.h5/,
  'part-missing': /names tf_model-0000\d-of-00003\.h5, which is not beside it/,
  'part-outside': /names \.\.\/outside\.bin, which is not beside it/,
  'part-unnamed':
    /query\/bias:0 is in tf_model-0000\d-of-00003\.h5, and tf_model\.h5\.index\.json does not name it there/,
  'shape.h5': new RegExp(`${QUERY}\\.bias .* has the shape \\[33\\], by config\\.json it is \\[32\\]`),
};

describe('converting a TensorFlow file', function () {
  this.timeout(120_000);
  let root: string;
  let files: string;
  let weights: Buffer;
  let services: ActivityServices;
  const python = pythonForTests();

  before(async () => {
    ({ root, files, weights, services } = await foreignFiles('tensorflow_files.py'));
  });
  after(() => rm(root, { recursive: true, force: true }));

  /** A model's folder that has the file in place of its weights. */
  async function modelWith(file: string): Promise<string> {
    const folder = await mkdtemp(join(root, 'model-'));
    await cp(await tinyModel(), folder, { recursive: true });
    await rm(join(folder, 'model.safetensors'));
    await cp(join(files, file), join(folder, 'tf_model.h5'));
    return folder;
  }
  async function imported(folder: string, convert?: Candidate['convert']): Promise<ImportedModel> {
    return importFolder(folder, services, convert);
  }
  async function weightsOf({ model }: ImportedModel): Promise<Buffer> {
    return readFile(await services.store.fileInTree(model, 'model.safetensors'));
  }

  it('happens only where it was asked for, and the refusal says how to ask', async () => {
    const folder = await modelWith('honest.h5');
    const message = /tf_model\.h5 holds TensorFlow weights, .*says convert: 'tensorflow'/;
    await assert.rejects(imported(folder), { kind: 'UnsafeModel', message });
    await assert.rejects(imported(folder, 'torch'), { kind: 'UnsafeModel', message });
    assert.equal(foreignWeightsOf(['tf_model.h5', 'pytorch_model.bin'], 'torch')?.name, 'pytorch_model.bin');
    assert.equal(foreignWeightsOf(['tf_model.h5', 'pytorch_model.bin'], 'tensorflow')?.name, 'tf_model.h5');
    assert.equal(foreignWeightsOf(['sub/tf_model.h5', 'tf_model-00001-of-00002.h5'], 'tensorflow'), undefined);
    const parts = [
      'tf_model-00002-of-00002.h5',
      'tf_model-00001-of-00002.h5',
      'tf_model-1.h5',
      'tf_model.h5.index.json',
    ];
    assert.deepEqual(foreignWeightsOf(parts, 'tensorflow'), {
      form: 'keras',
      name: 'tf_model.h5.index.json',
      parts: ['tf_model-00001-of-00002.h5', 'tf_model-00002-of-00002.h5'],
      config: null,
    });
    assert.equal(foreignWeightsOf([...parts, 'tf_model.h5'], 'tensorflow')?.name, 'tf_model.h5');
  });

  it('never happens where there is a model.safetensors: the file stays unopened outside', async () => {
    const folder = await modelWith('model.h5');
    await writeFile(join(folder, 'model.safetensors'), weights);
    const { converted, quarantined } = await imported(folder, 'tensorflow');
    assert.equal(converted, undefined);
    assert.match(quarantined[0]?.reason ?? '', /only where the candidate says .* and has no model\.safetensors/);
  });

  it('gives the very bytes of the safetensors that the weights were in, without the head, and tells what of and by what', async () => {
    const model = await imported(await modelWith('with-head.h5'), 'tensorflow');
    assert.ok((await weightsOf(model)).equals(weights));
    const bytes = await readFile(join(files, 'with-head.h5'));
    assert.deepEqual(model.converted, {
      of: 'keras',
      from: { path: 'tf_model.h5', sha256: digestBytes(bytes).slice('sha256:'.length), bytes: bytes.length },
      h5py: '3.16.0',
      leftOut: ['mlm___cls'],
    });
    assert.deepEqual(model.quarantined, [{ path: 'tf_model.h5', reason: 'was converted to model.safetensors' }]);
  });

  it('puts the parts together that an index names', async () => {
    const folder = await mkdtemp(join(root, 'model-'));
    await cp(await tinyModel(), folder, { recursive: true });
    await rm(join(folder, 'model.safetensors'));
    await cp(join(files, 'parts'), folder, { recursive: true });
    const model = await imported(folder, 'tensorflow');
    assert.ok((await weightsOf(model)).equals(weights));
    const { from, parts = [] } = model.converted ?? assert.fail();
    const names = [1, 2, 3].map((part) => `tf_model-0000${part}-of-00003.h5`);
    assert.deepEqual(
      [from, ...parts].map(({ path }) => path),
      ['tf_model.h5.index.json', ...names],
    );
    assert.equal(parts[1]?.sha256, digestBytes(await readFile(join(files, 'parts', names[1] ?? ''))).slice(7));
  });

  it('refuses what points elsewhere or is not what config.json asks for, with the tensor and the way out', async () => {
    await assert.rejects(imported(await modelWith('external-link.h5'), 'tensorflow'), {
      kind: 'UnsafeModel',
      message: UNSAFE['external-link.h5'],
      fix: /take a model that has model\.safetensors/,
    });
    await assert.rejects(imported(await modelWith('missing.h5'), 'tensorflow'), {
      kind: 'BadModel',
      message: BAD['missing.h5'],
      fix: /TFAutoModel/,
    });
  });

  it('refuses every hostile file by name, and opens nothing that one points to', async () => {
    const stdout = await drivenOver(files, 'tensorflow_driver.py');
    const judged = JSON.parse(stdout) as Record<string, [kind: string, message: string] | null>;
    const sound = Object.keys(judged).filter((name) => judged[name] === null);
    assert.deepEqual(sound, ['honest.h5', 'no-pooler.h5', 'parts', 'with-head.h5']);
    const all = [...sound, ...Object.keys(UNSAFE), ...Object.keys(BAD)];
    assert.deepEqual(Object.keys(judged).toSorted(), all.toSorted());
    for (const [kind, expected] of [
      ['UnsafeModel', UNSAFE],
      ['BadModel', BAD],
    ] as const) {
      for (const [name, message] of Object.entries(expected)) {
        assert.equal(judged[name]?.[0], kind, name);
        assert.match(judged[name]?.[1] ?? '', message, name);
      }
    }
    for (const name of ['honest', 'parts']) {
      assert.ok((await readFile(join(files, `${name}.safetensors`))).equals(weights), name);
    }
  });

  it('follows no link for the config', async () => {
    const folder = await modelWith('honest.h5');
    await rename(join(folder, 'config.json'), join(root, 'elsewhere.json'));
    await symlink(join(root, 'elsewhere.json'), join(folder, 'config.json'));
    const workDir = await mkdtemp(join(root, 'work-'));
    const file = { form: 'keras', name: 'honest.h5', parts: [], folder: files } as const;
    const options = { python, workDir, signal: AbortSignal.timeout(60_000) };
    await assert.rejects(convertWeights(file, folder, options), {
      kind: 'BadModel',
      message: /no config\.json beside/,
    });
  });

  it('calls a file unsafe that makes its reader crash, and not the attempt broken', async () => {
    const executable = join(root, 'crashing');
    await writeFile(executable, '#!/bin/sh\nkill -SEGV $$\n', { mode: 0o755 });
    const workDir = await mkdtemp(join(root, 'work-'));
    const file = { form: 'keras', name: 'honest.h5', parts: [], folder: files } as const;
    const options = { python: { ...python, executable }, workDir, signal: AbortSignal.timeout(60_000) };
    const message = /made the process that reads it crash or never end, SIGSEGV/;
    await assert.rejects(convertWeights(file, workDir, options), { kind: 'UnsafeModel', retryable: false, message });
  });

  it('takes no answer but to the conversion that was asked for', async () => {
    const torch = { of: 'torch', scanner: { name: 'scanner', version: '1', verdict: 'clean' }, torch: '2' };
    const keras = { of: 'keras', h5py: '3', leftOut: [] };
    for (const [asked, answer] of [
      ['keras', torch],
      ['torch', keras],
      ['checkpoint', keras],
      ['keras', { ...keras, of: 'checkpoint' }],
    ] as const) {
      const executable = join(root, 'answering');
      await writeFile(executable, `#!/bin/sh\necho '${JSON.stringify({ result: answer })}' >&3\n`, { mode: 0o755 });
      const workDir = await mkdtemp(join(root, 'work-'));
      const file = { form: asked, name: 'honest.h5', parts: [], folder: files };
      const options = { python: { ...python, executable }, workDir, signal: AbortSignal.timeout(60_000) };
      await assert.rejects(convertWeights(file, workDir, options), {
        kind: 'Internal',
        message: /gave no answer to what was asked, code 0/,
      });
    }
  });

  it('says which config it cannot follow: none, another family, figures that no encoder has', async () => {
    const given = JSON.parse(await readFile(join(await tinyModel(), 'config.json'), 'utf8')) as object;
    for (const [change, message] of [
      [
        { model_type: 't5' },
        /model_type 't5' are not converted, only of bert, camembert, distilbert, electra, gpt2, resnet/,
      ],
      [
        { num_hidden_layers: 10 ** 9 },
        /num_hidden_layers of config\.json is 1000000000, not a whole number from 1 to 200/,
      ],
      [{ hidden_size: '32' }, /hidden_size of config\.json is 32, not a whole number/],
      [
        { model_type: undefined, registered_name: 'keras_hub>BertBackbone' },
        /config\.json is of a Keras object \('keras_hub>BertBackbone'\), as KerasHub saves its models/,
      ],
      [{ position_embedding_type: 'relative_key' }, /position_embedding_type 'relative_key'/],
    ] as const) {
      const folder = await modelWith('honest.h5');
      await writeFile(join(folder, 'config.json'), JSON.stringify({ ...given, ...change }));
      await assert.rejects(imported(folder, 'tensorflow'), { kind: 'BadModel', message });
    }
    const none = await modelWith('honest.h5');
    await rm(join(none, 'config.json'));
    await assert.rejects(imported(none, 'tensorflow'), { kind: 'BadModel', message: /no config\.json beside/ });
  });
});
