import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { inspectModelFolder, judgeName, neededOf } from '../../activities/selection/allow-list.ts';
import { onnxFile } from '../support/onnx-file.ts';
import { tinyModel } from '../support/tiny-model.ts';

const PICKLE = Buffer.from('\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x02os', 'latin1');

describe('the names of model files', () => {
  const accepted = [
    'model.safetensors',
    'config.json',
    'tokenizer.json',
    'vocab.txt',
    'merges.txt',
    'chat_template.jinja',
    '1_Pooling/config.json',
    'README.md',
    'LICENSE',
    'LICENSE.txt',
    'NOTICE',
    'licenses/LICENSE-2.0',
    'model.onnx',
    'onnx/model.onnx_data',
    'assets/curve.PNG',
  ];
  const refused: readonly [path: string, reason: RegExp][] = [
    ['pytorch_model.bin', /pickle/],
    ['weights/model.PT', /pickle/],
    ['modeling_custom.py', /code/],
    ['model-00001-of-00002.safetensors', /of split weights/],
    ['model.safetensors.index.json', /of split weights/],
    ['sub/model.safetensors', /not the one weights file/],
    ['tf_model.h5', /TensorFlow weights, which are converted only where/],
    [
      'tf_model-00001-of-00002.h5',
      /part of TensorFlow weights, which are converted only where .* convert: 'tensorflow'/,
    ],
    ['pytorch_model-00001-of-00002.bin', /part of split torch weights, which are converted only where/],
    ['checkpoint.pth.tar', /may hold a pickle, .*as model\.pth/],
    ['model.h5', /weights of Keras, .*convert: 'tensorflow'/],
    ['model.keras', /weights of Keras, .*convert: 'tensorflow'/],
    ['sub/model.weights.h5', /Keras file, of which only those beside config\.json/],
    ['bert_model.ckpt.index', /TensorFlow checkpoint, which is converted only where .* convert: 'tensorflow'/],
    ['bert_model.ckpt-1200.data-00000-of-00001', /TensorFlow checkpoint/],
    ['checkpoint', /TensorFlow checkpoint, and holds no weights/],
    ['model.ckpt-1200.meta', /TensorFlow checkpoint, and holds no weights/],
    ['saved_model.pb', /TensorFlow SavedModel, of which nothing is run: only its variables/],
    ['saved_model/1/variables/variables.data-00000-of-00001', /TensorFlow checkpoint, .*convert: 'tensorflow'/],
    ['variables/variables.index', /TensorFlow checkpoint, .*convert: 'tensorflow'/],
    ['flax_model.msgpack', /Flax weights, which are not converted/],
    ['model.tflite', /another format/],
    ['logo.svg', /script/],
    ['deep/er/and/deep/er/logo.png', /not needed/],
    ['model.onnx.py', /code/],
    ['../config.json', /outside/],
    ['/etc/config.json', /outside/],
    ['a/../../config.json', /outside/],
    ['..\\config.json', /outside/],
    ['config.json\0.py', /outside/],
    ['config.json.bak', /not needed/],
    ['.gitattributes', /not needed/],
    ['LICENSE.py', /code/],
    ['templates/chat_template.jinja', /not needed by a model of texts/],
    ['LICENSE-2.0.bin', /pickle/],
  ];
  for (const path of accepted) it(`let ${path} be looked at`, () => assert.ok('kind' in judgeName(path)));
  for (const [path, reason] of refused) {
    it(`keep ${JSON.stringify(path)} out, with the reason`, () => {
      const verdict = judgeName(path);
      assert.match('reason' in verdict ? verdict.reason : '', reason);
    });
  }
});

describe('the inspection of a model folder', () => {
  let root: string;
  before(async () => (root = await mkdtemp(join(tmpdir(), 'espalier-allow-list-'))));
  after(() => rm(root, { recursive: true, force: true }));

  async function folderWith(files: Record<string, string | Buffer | null>): Promise<string> {
    const folder = await mkdtemp(join(root, 'model-'));
    await cp(await tinyModel(), folder, { recursive: true });
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await (content === null ? rm(join(folder, path)) : writeFile(join(folder, path), content));
    }
    return folder;
  }
  const refusal = async (
    files: Record<string, string | Buffer | null>,
  ): Promise<{ kind: string; message: string; fix: string }> =>
    inspectModelFolder(await folderWith(files)).then(
      () => assert.fail('it was accepted'),
      (error: { kind: string; message: string; fix: string }) => error,
    );

  it('accepts a complete model and counts its weights', async () => {
    const { accepted, quarantined, weights } = await inspectModelFolder(await folderWith({}));
    assert.deepEqual(accepted, [
      'README.md',
      'config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    assert.deepEqual(quarantined, []);
    assert.ok((weights.parameters ?? 0) > 10_000);
  });

  it('leaves behind what is not needed or not what it is called, each with its reason', async () => {
    const folder = await folderWith({
      'pytorch_model.bin': PICKLE,
      'optimizer.pt': Buffer.from('PK\x03\x04rest', 'latin1'),
      'vocab.txt': PICKLE,
      'merges.txt': Buffer.from([0xff, 0xfe, 0x41]),
      'special_tokens_map.json': '{"a":',
      LICENSE: Buffer.from('\x7fELF....', 'latin1'),
      'code/run.py': 'print(1)',
      '.cache/x': 'x',
      'training_args.json': '{}',
    });
    await symlink('/etc/hostname', join(folder, 'NOTICE'));
    await symlink('/etc', join(folder, '1_Pooling'));
    const { accepted, quarantined } = await inspectModelFolder(folder);
    assert.deepEqual(accepted, [
      'README.md',
      'config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    const reasons = Object.fromEntries(quarantined.map((file) => [file.path, file.reason]));
    assert.deepEqual(Object.keys(reasons), [
      '.cache/x',
      '1_Pooling',
      'LICENSE',
      'NOTICE',
      'code/run.py',
      'merges.txt',
      'optimizer.pt',
      'pytorch_model.bin',
      'special_tokens_map.json',
      'training_args.json',
      'vocab.txt',
    ]);
    assert.match(reasons['pytorch_model.bin'] ?? '', /is a pickle/);
    assert.match(reasons['vocab.txt'] ?? '', /is a pickle/);
    assert.match(reasons['optimizer.pt'] ?? '', /zip archive/);
    assert.match(reasons['LICENSE'] ?? '', /program/);
    assert.match(reasons['merges.txt'] ?? '', /not UTF-8/);
    assert.match(reasons['special_tokens_map.json'] ?? '', /not JSON/);
    assert.match(reasons['code/run.py'] ?? '', /code/);
    assert.equal(reasons['NOTICE'], 'is a symbolic link');
    assert.equal(reasons['1_Pooling'], 'is a symbolic link');
  });

  it('takes pictures for what they begin with, whatever they are called', async () => {
    const png = Buffer.from('\x89PNG\r\n\x1a\n....', 'latin1');
    const folder = await folderWith({
      'a.png': png,
      'b.webp': Buffer.from('RIFF\x10\0\0\0WEBPVP8 ', 'latin1'),
      'c.gif': 'GIF89a....',
      'd.tif': Buffer.from('MM\0*....', 'latin1'),
      'e.bmp': 'BM......',
      'f.jpeg': Buffer.from('\xff\xd8\xff\xe0....', 'latin1'),
      'g.jpg': png,
      'h.png': '<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
      'i.png': PICKLE,
      'j.png': '',
    });
    const { accepted, quarantined } = await inspectModelFolder(folder);
    const pictures = accepted.filter((path) => /^[a-j]\./.test(path));
    assert.deepEqual(pictures, ['a.png', 'b.webp', 'c.gif', 'd.tif', 'e.bmp', 'f.jpeg']);
    assert.deepEqual(
      quarantined.map(({ path }) => path),
      ['g.jpg', 'h.png', 'i.png', 'j.png'],
    );
  });

  it('keeps an ONNX file with its data, and no data that belongs to none', async () => {
    // The data's name sorts before that of the file it belongs to.
    const folder = await folderWith({
      'onnx/z.onnx': onnxFile({ external: { location: 'a.onnx_data', length: '4' } }),
      'onnx/a.onnx_data': 'data',
      'a.onnx_data': 'stray',
      'evil.onnx': onnxFile({ domain: 'evil' }),
      'loose.onnx': onnxFile({ external: { location: 'config.json' } }),
      'spoofed.onnx': PICKLE,
    });
    const { accepted, quarantined } = await inspectModelFolder(folder);
    assert.deepEqual(
      accepted.filter((path) => path.includes('onnx')),
      ['onnx/a.onnx_data', 'onnx/z.onnx'],
    );
    const reasons = Object.fromEntries(quarantined.map(({ path, reason }) => [path, reason]));
    assert.match(reasons['a.onnx_data'] ?? '', /belongs to no accepted ONNX file/);
    assert.match(reasons['evil.onnx'] ?? '', /operators of the domain "evil"/);
    assert.match(reasons['loose.onnx'] ?? '', /external data in config\.json/);
    assert.match(reasons['spoofed.onnx'] ?? '', /is a pickle/);
  });

  it('refuses names that are one where case or Unicode forms do not count, folders too', async () => {
    for (const path of ['Config.json', 'MODEL.safetensors/x', 'caf\u00e9/x']) {
      const twin: Record<string, string> = path.startsWith('caf') ? { 'cafe\u0301/y': 'y' } : {};
      const error = await refusal({ [path]: 'x', ...twin });
      assert.equal(error.kind, 'UnsafeModel');
      assert.match(error.message, /are one name where case or Unicode forms do not count/);
    }
  });

  it('refuses a pickle named model.safetensors for what it is', async () => {
    const error = await refusal({ 'model.safetensors': PICKLE });
    assert.equal(error.kind, 'UnsafeModel');
    assert.match(error.message, /model\.safetensors is a pickle/);
    assert.match(error.fix, /save_pretrained/);
  });

  it('refuses a torch archive named model.safetensors for what it is', async () => {
    assert.match(
      (await refusal({ 'model.safetensors': Buffer.from('PK\x03\x04'.repeat(20), 'latin1') })).message,
      /zip archive/,
    );
  });

  it('refuses weights that were cut off', async () => {
    const whole = await readFile(join(await tinyModel(), 'model.safetensors'));
    const error = await refusal({ 'model.safetensors': whole.subarray(0, -1) });
    assert.equal(error.kind, 'UnsafeModel');
    assert.match(error.message, /truncated/);
  });

  it('refuses a folder with only pickled weights, saying what was found and how to convert it', async () => {
    const error = await refusal({ 'model.safetensors': null, 'pytorch_model.bin': PICKLE });
    assert.equal(error.kind, 'UnsafeModel');
    assert.match(error.message, /pytorch_model\.bin is a pickle/);
    assert.match(error.fix, /save_pretrained/);
  });

  it('refuses sharded weights, saying how to merge them', async () => {
    const error = await refusal({
      'model.safetensors': null,
      'model-00001-of-00002.safetensors': 'x',
      'model.safetensors.index.json': '{}',
    });
    assert.match(error.message, /model-00001-of-00002\.safetensors is of split weights/);
    assert.match(error.fix, /max_shard_size/);
  });

  it('refuses a config that brings code', async () => {
    for (const name of ['config.json', 'tokenizer_config.json']) {
      const error = await refusal({ [name]: '{"model_type":"bert","auto_map":{"AutoModel":"modeling.Evil"}}' });
      assert.equal(error.kind, 'UnsafeModel');
      assert.match(error.message, new RegExp(`${name} asks to run code`));
    }
  });

  it('finds the wish for code at any depth and by any of its names, and takes no word of a vocabulary for it', async () => {
    const wishes = [
      '{"model_type":"bert","text_config":{"auto_map":{"AutoModel":"modeling.Evil"}}}',
      '{"model_type":"bert","trust_remote_code":true}',
      '{"model_type":"bert","parts":[{"custom_pipelines":{}}]}',
    ];
    for (const wish of wishes) {
      assert.match((await refusal({ 'config.json': wish })).message, /config\.json asks to run code/);
    }
    const folder = await folderWith({ 'vocab.json': '{"auto_map":1,"trust_remote_code":2}' });
    assert.ok((await inspectModelFolder(folder)).accepted.includes('vocab.json'));
  });

  it('leaves out JSON that names a key twice, nests without end or would fill the memory', async () => {
    const folder = await folderWith({
      'special_tokens_map.json': '{"a":1,"\\u0061":2}',
      'added_tokens.json': '['.repeat(1000) + ']'.repeat(1000),
      'vocab.json': `[${'{},'.repeat(7_000_000)}{}]`,
    });
    const { quarantined } = await inspectModelFolder(folder);
    const reasons = Object.fromEntries(quarantined.map(({ path, reason }) => [path, reason]));
    assert.match(reasons['special_tokens_map.json'] ?? '', /names a key twice/);
    assert.match(reasons['added_tokens.json'] ?? '', /more than 64 levels/);
    assert.match(reasons['vocab.json'] ?? '', /more than 6000000 values/);
  });

  it('refuses a model without config or tokenizer, naming the file', async () => {
    for (const name of ['config.json', 'tokenizer.json']) {
      const error = await refusal({ [name]: null });
      assert.equal(error.kind, 'BadModel');
      assert.match(error.message, new RegExp(`${name} is missing`));
    }
    assert.match((await refusal({ 'tokenizer.json': '{' })).message, /tokenizer\.json is not JSON/);
  });
});

describe('the inspection of a folder with a model of pictures', () => {
  let root: string;
  before(async () => (root = await mkdtemp(join(tmpdir(), 'espalier-allow-pictures-'))));
  after(() => rm(root, { recursive: true, force: true }));

  const GRAPH = onnxFile({});
  const PROCESSOR = '{"size":{"height":28,"width":28}}';

  async function folderWith(files: Record<string, string | Buffer>): Promise<string> {
    const folder = await mkdtemp(join(root, 'model-'));
    for (const [path, content] of Object.entries(files)) await writeFile(join(folder, path), content);
    return folder;
  }

  async function withWeights(files: Record<string, string | Buffer>): Promise<string> {
    const folder = await folderWith(files);
    await cp(join(await tinyModel(), 'model.safetensors'), join(folder, 'model.safetensors'));
    return folder;
  }

  it('asks for no tokenizer, but for how pictures are prepared, which a text model leaves behind', async () => {
    const folder = await withWeights({ 'config.json': '{}', 'preprocessor_config.json': PROCESSOR });
    const { accepted, weights } = await inspectModelFolder(folder, 'image');
    assert.deepEqual(accepted, ['config.json', 'model.safetensors', 'preprocessor_config.json']);
    assert.ok((weights.parameters ?? 0) > 10_000);
    assert.match(JSON.stringify(judgeName('preprocessor_config.json')), /not needed by a model of texts/);
    await assert.rejects(inspectModelFolder(folder), { name: 'BadModel', message: /tokenizer\.json is missing/ });
    const without = await withWeights({ 'config.json': '{}' });
    await assert.rejects(inspectModelFolder(without, 'image'), { message: /preprocessor_config\.json is missing/ });
  });

  it('takes a graph for the weights where there are none, and needs no config then', async () => {
    const folder = await folderWith({ 'model.onnx': GRAPH, 'preprocessor_config.json': PROCESSOR });
    const { accepted, weights } = await inspectModelFolder(folder, 'image');
    assert.deepEqual(accepted, ['model.onnx', 'preprocessor_config.json']);
    assert.deepEqual(weights, { parameters: null, bytes: GRAPH.length });
    await assert.rejects(inspectModelFolder(folder), { name: 'UnsafeModel', message: /no acceptable weights/ });
  });

  it('refuses a graph that is unsound or asks for foreign code, and preprocessing that asks for it', async () => {
    for (const graph of [onnxFile({ domain: 'evil.ops' }), Buffer.from('no graph at all')]) {
      const folder = await folderWith({ 'model.onnx': graph, 'preprocessor_config.json': PROCESSOR });
      await assert.rejects(inspectModelFolder(folder, 'image'), {
        name: 'UnsafeModel',
        message: /model\.safetensors or model\.onnx is needed; found model\.onnx/,
      });
    }
    const asking = '{"auto_map":{"AutoImageProcessor":"own--processing.Mine"}}';
    const folder = await folderWith({ 'model.onnx': GRAPH, 'preprocessor_config.json': asking });
    await assert.rejects(inspectModelFolder(folder, 'image'), { name: 'UnsafeModel', message: /asks to run code/ });
  });

  it('fetches a graph and its data only for pictures, and only where there are no weights', () => {
    const graph = ['config.json', 'model.onnx', 'model.onnx_data', 'other.onnx', 'preprocessor_config.json'];
    assert.deepEqual(
      graph.filter(neededOf(graph, 'image')),
      graph.filter((path) => path !== 'other.onnx'),
    );
    assert.deepEqual(graph.filter(neededOf(graph)), ['config.json']);
    const both = [...graph, 'model.safetensors'];
    assert.deepEqual(both.filter(neededOf(both, 'image')), [
      'config.json',
      'preprocessor_config.json',
      'model.safetensors',
    ]);
  });
});
