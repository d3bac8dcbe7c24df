import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import type {
  CandidateOutcome,
  CandidateSource,
  ModelLimits,
  ResolvedModel,
} from '../../activities/contract/selection.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { leastParameters, misfits, type StatedModel } from '../../activities/selection/fitting.ts';
import { rankOutcomes } from '../../activities/selection/ranking.ts';
import { resolveModel } from '../../activities/selection/resolve-model.ts';
import { checkSafetensors } from '../../activities/selection/safetensors.ts';
import { createS3Client, storeSettings } from '../../artifacts/settings.ts';
import type { Device } from '../../activities/contract/validation.ts';
import { FAMILIES_OF } from '../../pipelines/families.ts';
import type { IntendedUse } from '../../pipelines/licence/use.ts';
import { SelectionSchema } from '../../pipelines/definition/selection.ts';
import { startTestHub } from '../support/hub.ts';
import { pythonForTests } from '../support/python.ts';
import { runStep } from '../support/step.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { tinyModel } from '../support/tiny-model.ts';

const header = (shapes: Readonly<Record<string, readonly number[]>>): Uint8Array =>
  Buffer.from(
    JSON.stringify({
      __metadata__: { format: 'pt' },
      ...Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, { dtype: 'F16', shape }])),
    }),
  );
const TEXT_FILES = ['config.json', 'tokenizer.json', 'model.safetensors'].map((path) => ({ path, size: 1000 }));
const stated = (more: Partial<StatedModel> = {}): StatedModel => ({
  files: TEXT_FILES,
  header: header({ 'encoder.layer.0.weight': [1000, 2000], 'cls.predictions.decoder.weight': [30_000, 1000] }),
  config: null,
  card: null,
  ...more,
});
const card = (language: string): string => `---\nlanguage: ${language}\n---\n`;
const WHOLE = { whole: true };

describe('what a source says of a model', () => {
  it('excludes it by the weights that every export keeps, as float32, and by nothing that it may leave behind', () => {
    assert.equal(leastParameters(stated().header ?? new Uint8Array()), 2_000_000);
    assert.deepEqual(misfits(stated(), { maxParameters: 2_000_000, maxSizeMb: 8, maxMemoryMb: 8 }, WHOLE), []);
    assert.deepEqual(misfits(stated(), { maxParameters: 1_999_999, maxSizeMb: 7.9, maxMemoryMb: 5 }, WHOLE), [
      'It has at least 2 million parameters, more than 2 million (selection.maxParameters).',
      'Its exported weights have at least 8 MB, more than 7.9 MB (selection.maxSizeMb).',
      'Its exported weights have at least 8 MB, more than 5 MB (selection.maxMemoryMb).',
    ]);
  });

  it('counts no masks and no statistics that are kept among the weights', () => {
    const masks = { 'h.0.attn.bias': [1, 1, 1024, 1024], 'h.0.attn.attention.bias': [1, 1, 64, 64] };
    const buffers = { 'h.0.attn.masked_bias': [], 'embeddings.position_ids': [1, 512] };
    const statistics = { 'bn1.running_mean': [64], 'bn1.running_var': [64], 'bn1.num_batches_tracked': [] };
    const kept = { 'h.0.attn.c_attn.bias': [30], 'h.0.attention.bias': [10], 'bn1.weight': [64], 'bn1.bias': [64] };
    assert.equal(leastParameters(header({ ...masks, ...buffers, ...statistics, ...kept })), 30 + 10 + 64 + 64);
    const biases = { 'h.0.conv.bias': [1, 2, 1, 1] };
    assert.equal(leastParameters(header(biases)), 2, 'four dimensions make a mask only of an attention');
  });

  it('excludes nobody by what is not known: fewer layers, no header, one that is none', () => {
    const strict = { maxParameters: 1, maxSizeMb: 0.001, maxMemoryMb: 0.001 };
    assert.deepEqual(misfits(stated(), strict, { whole: false }), []);
    for (const odd of [
      '',
      '{',
      '[]',
      'null',
      '{"a":{"shape":[-1]}}',
      '{"a":{"shape":"x"}}',
      '{"a":null}',
      '{"a":{"shape":[1e300]}}',
    ]) {
      assert.equal(leastParameters(Buffer.from(odd)), null, odd);
      assert.deepEqual(misfits(stated({ header: Buffer.from(odd) }), strict, WHOLE), [], odd);
    }
    assert.deepEqual(misfits(stated({ header: null }), strict, WHOLE), []);
  });

  it('knows a graph by its size', () => {
    const files = ['preprocessor_config.json', 'model.onnx'].map((path) => ({ path, size: 50e6 }));
    const graph = stated({ files, header: null });
    assert.deepEqual(misfits(graph, { maxSizeMb: 50 }, { input: 'image', whole: true }), []);
    assert.match(
      misfits(graph, { maxSizeMb: 49 }, { input: 'image', whole: true }).join(),
      /at least 50 MB, more than 49 MB/,
    );
  });

  it('excludes a model of pictures from texts, and one of texts from pictures', () => {
    const pictures = stated({ files: [{ path: 'preprocessor_config.json', size: 1 }] });
    assert.match(misfits(pictures, {}, WHOLE).join(), /takes pictures .* about texts/);
    assert.deepEqual(misfits(pictures, {}, { input: 'image', whole: true }), []);
    assert.match(misfits(stated(), {}, { input: 'image', whole: true }).join(), /takes texts .* about pictures/);
    const both = stated({ files: [...TEXT_FILES, { path: 'preprocessor_config.json', size: 1 }] });
    assert.deepEqual([...misfits(both, {}, WHOLE), ...misfits(both, {}, { input: 'image', whole: true })], []);
  });

  it('excludes an architecture that no trainer of the task loads, and says which it does', () => {
    const typed = (modelType: string | null, quantised = false) => stated({ config: { modelType, quantised } });
    const [reason = ''] = misfits(typed('bert'), { task: 'text-generation' }, WHOLE);
    assert.match(reason, /model_type bert, and models for text-generation are gpt2, .*llama/);
    assert.match(misfits(typed('gpt2'), { task: 'text-classification' }, WHOLE).join(), /gpt2.* are albert, bert/);
    assert.equal(misfits(typed('t5'), { task: 'text-classification' }, WHOLE).length, 1);
    assert.match(
      misfits(typed('bert', true), { task: 'text-classification' }, WHOLE).join(),
      /quantization_config.*original weights/,
    );
    for (const task of Object.keys(FAMILIES_OF) as (keyof typeof FAMILIES_OF)[]) {
      for (const known of FAMILIES_OF[task]) assert.deepEqual(misfits(typed(known), { task }, WHOLE), [], known);
    }
    const kind = [stated(), typed(null)].flatMap((model) => misfits(model, { task: 'text-generation' }, WHOLE));
    assert.deepEqual(kind, [], 'what names none may be any');
    assert.deepEqual(misfits(typed('t5'), {}, WHOLE), [], 'nobody asked');
  });

  it('leaves a graph to those who judge graphs, whatever architecture lies beside it', () => {
    const named = (names: readonly string[]) =>
      stated({
        files: ['preprocessor_config.json', ...names].map((path) => ({ path, size: 1000 })),
        header: null,
        config: { modelType: 'detr', quantised: false },
      });
    const asked = { input: 'image', whole: true } as const;
    for (const task of ['image-classification', 'image-retrieval'] as const) {
      assert.deepEqual(misfits(named(['model.onnx']), { task }, asked), []);
      assert.match(
        misfits(named(['model.safetensors']), { task }, asked).join(),
        /detr.*convnext, mobilenet_v2, resnet/,
      );
      assert.deepEqual(misfits(named(['model.safetensors', 'model.onnx']), { task }, asked), []);
    }
  });

  it('excludes what the declared device cannot hold: a copy a worker in its memory, one in its storage', () => {
    const on = (device: Device, hardwareFit?: number) => misfits(stated(), { hardwareFit }, { ...WHOLE, device });
    assert.deepEqual(on({ ramMb: 8.9, cores: 1 }, 0.9), []);
    assert.deepEqual(on({ ramMb: 8.8, cores: 1 }, 0.9), [
      '1 copy of its exported weights, one a worker, have at least 8 MB, more than 0.9 of 8.8 MB (intendedUse.hardware.ramMb, gates.hardwareFit).',
    ]);
    assert.match(on({ ramMb: 35 }, 0.9).join(), /^4 copies .* at least 32 MB, more than 0\.9 of 35 MB/);
    assert.deepEqual(on({ ramMb: 35, cores: 3 }, 0.9), []);
    assert.match(on({ storageMb: 8 }, 0.9).join(), /^Its exported weights have at least 8 MB, .*hardware\.storageMb/);
    assert.deepEqual(on({ storageMb: 8 }, 1), []);
    assert.deepEqual([...on({}, 0.9), ...on({ ramMb: 1, storageMb: 1 })], [], 'no device, or no gate that asks');
    assert.deepEqual(misfits(stated(), { hardwareFit: 0.9 }, { whole: false, device: { ramMb: 1 } }), []);
  });

  it('excludes by language only where the card names some, and not all that are asked for', () => {
    const of = (language: string, languages: string[]) =>
      misfits(stated({ card: card(language) }), { languages }, WHOLE);
    assert.deepEqual(of('en', ['en']), []);
    assert.deepEqual(of('[en-US, de]', ['de', 'en']), []);
    assert.deepEqual(of('multilingual', ['th']), []);
    assert.match(
      of('[en, fr]', ['en', 'de']).join(),
      /names the languages en, fr, and not de \(selection\.languages\)/,
    );
    for (const odd of ['English', 'eng', '[en, Swiss German]', '[en, gsw]', '[en, code]', 'mul']) {
      assert.deepEqual(of(odd, odd === 'eng' ? ['en'] : ['de']), [], odd);
    }
    assert.deepEqual(of('[de, fr]', ['deu', 'fra']), []);
    assert.match(of('eng', ['de']).join(), /names the languages en, and not de/);
    assert.match(of('en', ['haw']).join(), /not haw/);
    assert.deepEqual(misfits(stated({ card: '# No front matter' }), { languages: ['de'] }, WHOLE), []);
    assert.deepEqual(misfits(stated(), { languages: ['de'] }, WHOLE), []);
  });

  it('is named as the reason where nobody is left, with the limit that would have to give', () => {
    const outcome = (id: string, message: string): CandidateOutcome => ({
      id,
      error: { kind: 'BadModel', message, retryable: false },
    });
    const [tooLarge = ''] = misfits(stated(), { maxSizeMb: 1 }, WHOLE);
    const candidates = [outcome('one', tooLarge), outcome('two', tooLarge)];
    assert.throws(() => rankOutcomes({ candidates, selection: SelectionSchema.parse({ maxSizeMb: 1 }) }), {
      kind: 'NoCandidate',
      message: /one: .*at least 8 MB, more than 1 MB \(selection\.maxSizeMb\).*two: /,
    });
  });
});

describe('a candidate that cannot fit', () => {
  const intendedUse = { commercial: true, domain: 'support', publish: false, hosted: true, modify: true };
  const saved = { ...process.env };
  let root: string;
  let test: TestStore;
  let services: ActivityServices;
  let files: Record<string, Buffer>;
  let parameters: number;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'espalier-fitting-'));
    test = await withStore();
    services = { store: test.store, pointers: test.pointers, python: pythonForTests() };
    process.env['HF_HOME'] = join(root, 'hub');
    const folder = await tinyModel();
    const names = ['config.json', 'model.safetensors', 'tokenizer.json'];
    files = Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const)),
    );
    files['README.md'] = Buffer.from('---\nlicense: apache-2.0\nlanguage: en\n---\n');
    ({ parameters } = await checkSafetensors(join(folder, 'model.safetensors')));
  });
  after(async () => {
    for (const name of ['HF_HOME', 'HF_ENDPOINT', ...Object.keys(test.env)]) {
      if (saved[name] === undefined) delete process.env[name];
      else process.env[name] = saved[name];
    }
    await rm(root, { recursive: true, force: true });
  });
  const resolve = (
    model: string,
    limits: ModelLimits,
    more: Partial<CandidateSource> = {},
    device: Pick<IntendedUse, 'hardware'> = {},
  ): Promise<ResolvedModel> => {
    const candidate = { id: 'tiny', model, pooling: 'mean', optional: false, ...more } as const;
    return runStep(resolveModel, { candidate, intendedUse: { ...intendedUse, ...device }, limits }, services);
  };

  it('is told by the hub before its weights are fetched, with every reason at once', async () => {
    const hub = await startTestHub('org/tiny');
    try {
      process.env['HF_ENDPOINT'] = hub.endpoint;
      hub.commit(files);
      const limits = { maxParameters: 10, maxSizeMb: 0.001, languages: ['de'] };
      const { unfit = [], licence } = await resolve('hf:org/tiny@main', limits);
      assert.equal(unfit.length, 3);
      assert.match(unfit.join(' '), /maxParameters.*maxSizeMb.*names the languages en, and not de/);
      assert.equal(licence.spdx, 'Apache-2.0', 'what it says of its terms is on record all the same');
      const weights = hub.requests.filter((line) => line.startsWith('GET') && line.includes('model.safetensors'));
      assert.ok(weights.length > 0 && weights.every((line) => / bytes=\d+-\d+$/.test(line)), weights.join('\n'));
      const fine = await resolve('hf:org/tiny@main', { maxParameters: parameters, languages: ['en'] });
      assert.equal(fine.unfit, undefined);
      assert.equal((await resolve('hf:org/tiny@main', { maxParameters: 10 }, { layers: 1 })).unfit, undefined);
    } finally {
      await hub.stop();
    }
  });

  it('is told by the hub for its architecture, its configuration read and of its weights the header alone', async () => {
    const hub = await startTestHub('org/tiny');
    try {
      process.env['HF_ENDPOINT'] = hub.endpoint;
      hub.commit(files);
      const { unfit = [] } = await resolve('hf:org/tiny@main', { task: 'text-generation' });
      assert.match(unfit.join(), /^Its config\.json has the model_type bert, and models for text-generation are gpt2/);
      const weights = hub.requests.filter((line) => line.startsWith('GET') && line.includes('model.safetensors'));
      assert.ok(weights.length > 0 && weights.every((line) => / bytes=\d+-\d+$/.test(line)), weights.join('\n'));
      assert.equal((await resolve('hf:org/tiny@main', { task: 'text-classification' })).unfit, undefined);
      const device = { hardware: { ramMb: (parameters * 4 * 2) / 1e6, cores: 4 } };
      const small = await resolve('hf:org/tiny@main', { hardwareFit: 1 }, {}, device);
      assert.match((small.unfit ?? []).join(), /4 copies .* \(intendedUse\.hardware\.ramMb, gates\.hardwareFit\)/);
    } finally {
      await hub.stop();
    }
  });

  it('is told by a bucket before it is copied', async () => {
    Object.assign(process.env, test.env);
    const settings = storeSettings();
    const client = createS3Client(settings);
    try {
      for (const [name, Body] of Object.entries(files)) {
        await client.send(new PutObjectCommand({ Bucket: settings.bucket, Key: `models/unfit/${name}`, Body }));
      }
      const model = `s3://${settings.bucket}/models/unfit`;
      const { unfit = [], tree, licence } = await resolve(model, { maxParameters: 10 });
      assert.match(unfit.join(' '), /at least 0\.\d+ million parameters, more than 0\.00001 million/);
      assert.equal(tree, null, 'nothing was copied');
      assert.equal(licence.spdx, 'Apache-2.0');
      const foreign = await resolve(model, { task: 'text-generation' });
      assert.match((foreign.unfit ?? []).join(), /model_type bert/);
      assert.equal(foreign.tree, null, 'nothing was copied');
      const fine = await resolve(model, { maxParameters: parameters, task: 'text-classification' });
      assert.ok(fine.unfit === undefined && fine.tree !== null);
    } finally {
      client.destroy();
    }
  });

  it('is told by an uploaded folder', async () => {
    const tree = await test.store.putTree(await tinyModel(), 'tiny');
    const { unfit = [] } = await resolve('./tiny', { maxMemoryMb: 0.001 }, { tree });
    assert.match(unfit.join(' '), /selection\.maxMemoryMb/);
    const fine = await resolve('./tiny', { maxMemoryMb: 500, task: 'text-classification' }, { tree });
    assert.equal(fine.unfit, undefined);
    const foreign = await resolve('./tiny', { task: 'text-generation' }, { tree });
    assert.match((foreign.unfit ?? []).join(), /model_type bert/);
  });
});
