import assert from 'node:assert/strict';
import { appendFile, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ActivityServices } from '../../activities/step.ts';
import { exportGenerator } from '../../activities/training/export-generator.ts';
import { measureGeneratorParity } from '../../activities/training/generator-parity.ts';
import { runTrainingProcess } from '../../activities/training/process.ts';
import { readGeneratorConfig } from '../../inference/generation/config.ts';
import { pythonForTests } from '../support/python.ts';
import { runStep } from '../support/step.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { tinyLanguageArchitectures } from '../support/tiny-architectures.ts';
import { tinyGenerator } from '../support/tiny-generator.ts';
import { tinyGpt } from '../support/tiny-gpt.ts';
import { temporaryFolder } from './fixtures.ts';

describe('the export of a generator', function () {
  this.timeout(300_000);
  let storage: TestStore;
  let services: ActivityServices;
  before(async () => {
    storage = await withStore();
    services = { store: storage.store, pointers: storage.pointers, python: pythonForTests() };
  });
  after(() => storage.close());

  it('says in Node what every supported family says in PyTorch, token by token', async () => {
    const python = pythonForTests();
    const folder = await temporaryFolder();
    const models = await tinyLanguageArchitectures();
    // A template is looked at for what it is of, and never run.
    const tokenizerConfig = join(models['qwen2']!, 'tokenizer_config.json');
    await writeFile(
      tokenizerConfig,
      JSON.stringify({ chat_template: "{{ '<|im_start|>' + raise_exception('run!') }}" }),
    );
    const workDir = join(folder, 'job');
    await mkdir(workDir);
    const outcome = await runTrainingProcess({
      job: {
        version: 1,
        id: 'families',
        tasks: Object.entries(models).map(([kind, model]) => ({
          verb: 'export-generator',
          model,
          out: join(folder, 'out', kind),
        })),
      },
      python,
      workDir,
      signal: new AbortController().signal,
      onEvent: () => undefined,
    });
    assert.equal(outcome.kind, 'done');
    for (const kind of Object.keys(models)) {
      const out = join(folder, 'out', kind);
      const parity = await measureGeneratorParity(join(out, 'generator'), join(out, 'parity.json'));
      assert.ok(parity.maxAbs < 1e-4, `${kind} differs by ${parity.maxAbs}`);
      assert.ok(parity.tokens > 60, `${kind}: ${parity.tokens} tokens`);
      const { chatFormat } = await readGeneratorConfig(join(out, 'generator'));
      assert.equal(chatFormat, kind === 'qwen2' ? 'chatml' : 'plain');
    }
  });

  it('gives the same bytes again, and no path of the machine in them', async () => {
    const model = await storage.store.putTree((await tinyGpt()).model, 'tiny');
    const exported = await runStep(exportGenerator, { model }, services);
    assert.deepEqual([exported.layers, exported.contextTokens, exported.vocabularySize], [2, 64, 320]);
    assert.ok(exported.parityMaxAbs < 1e-4 && exported.parityTokens > 60);
    const before = join(await tinyGenerator(), 'generator');
    for (const name of ['model.onnx', 'tokenizer.json', 'generator.json']) {
      const bytes = await readFile(await storage.store.fileInTree(exported.generator, name));
      assert.ok(bytes.equals(await readFile(join(before, name))), name);
      assert.doesNotMatch(bytes.toString('latin1'), /site-packages|espalier-test-|\.py\b/);
    }
  });

  it('is refused when it is not what PyTorch runs', async () => {
    const folder = await temporaryFolder();
    await cp(await tinyGenerator(), folder, { recursive: true });
    const parity = join(folder, 'parity.json');
    const known = JSON.parse(await readFile(parity, 'utf8')) as { prompts: { ids: number[]; greedy: number[] }[] };
    const measure = async (change: (prompt: { ids: number[]; greedy: number[] }) => void) => {
      const changed = structuredClone(known);
      change(changed.prompts[0]!);
      await writeFile(parity, JSON.stringify(changed));
      return measureGeneratorParity(join(folder, 'generator'), parity);
    };
    await measure(() => undefined);
    await assert.rejects(
      measure((prompt) => void (prompt.greedy[0]! += 1)),
      { kind: 'BadModel', message: /token 0 is/ },
    );
    await assert.rejects(
      measure((prompt) => void (prompt.ids[0]! += 1)),
      { kind: 'BadModel', message: /tokenizer reads/ },
    );
    const values = await readFile(join(folder, 'parity.f32'));
    values.writeFloatLE(values.readFloatLE(40) + 0.1, 40);
    await writeFile(join(folder, 'parity.f32'), values);
    await assert.rejects(
      measure(() => undefined),
      { kind: 'BadModel', message: /logits differ by up to 0\.1/ },
    );
  });

  it('is not made of a model that brings code, is of another kind, or has too few weights', async () => {
    const refused = async (change: (folder: string) => Promise<void>) => {
      const folder = join(await temporaryFolder(), 'model');
      await cp((await tinyGpt()).model, folder, { recursive: true });
      await change(folder);
      return runStep(exportGenerator, { model: await storage.store.putTree(folder, 'changed') }, services);
    };
    const config = async (folder: string, more: object) => {
      const file = join(folder, 'config.json');
      await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), ...more }));
    };
    await assert.rejects(
      refused((folder) => config(folder, { auto_map: { AutoModel: 'evil.py' } })),
      { kind: 'UnsafeModel' },
    );
    await assert.rejects(
      refused((folder) => appendFile(join(folder, 'config.json'), ']')),
      { kind: 'BadModel' },
    );
  });
});
