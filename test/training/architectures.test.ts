import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { TrainerTask } from '../../activities/training/job.ts';
import { measureParity } from '../../activities/training/parity.ts';
import { measurePictureParity } from '../../activities/training/picture-parity.ts';
import { FAMILIES_OF, IMAGE_FAMILIES } from '../../pipelines/families.ts';
import { pythonForTests } from '../support/python.ts';
import { tinyModel } from '../support/tiny-model.ts';
import { runTasks, temporaryFolder, trainTask } from './fixtures.ts';

describe('every supported architecture', () => {
  it('is of one list, by which candidates are refused before they are fetched and the trainer loads them', async function () {
    this.timeout(120_000); // 4 s of one core: the imports
    const { executable, packages } = pythonForTests();
    const script = [
      'import json',
      'from espalier_trainer.model import LORA_TARGETS',
      'from espalier_trainer.tasks.causal_lm import LM_LORA_TARGETS',
      'from espalier_trainer.tasks.image_classification import IMAGE_LORA_TARGETS',
      'print(json.dumps([sorted(table) for table in (LORA_TARGETS, IMAGE_LORA_TARGETS, LM_LORA_TARGETS)]))',
    ].join('\n');
    const env = { ...process.env, PYTHONPATH: packages, OMP_NUM_THREADS: '1', PYTHONDONTWRITEBYTECODE: '1' };
    const { stdout } = await promisify(execFile)(executable, ['-c', script], { env });
    const [texts, pictures, language] = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as string[][];
    assert.deepEqual(FAMILIES_OF, {
      'text-classification': texts,
      'image-classification': pictures,
      'image-retrieval': pictures,
      'text-generation': language,
    });
  });

  it('of pictures says in Node what it said in PyTorch', async function () {
    this.timeout(600_000); // 20 s of one core; the limit is for a busy machine
    const folder = await temporaryFolder();
    const { executable, packages } = pythonForTests();
    // As the trainer's own tests make them, which ask them in Python.
    const script = [
      'import json, sys',
      'from pathlib import Path',
      'import torch, transformers',
      'from tests.test_export_images import PREPROCESSOR, TINY',
      'for name, config in TINY.items():',
      '    torch.manual_seed(1)',
      '    made = Path(sys.argv[1]) / name',
      '    transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING[type(config)](config).save_pretrained(made)',
      '    (made / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))',
    ].join('\n');
    const env = { ...process.env, TINY_MODEL: await tinyModel(), OMP_NUM_THREADS: '1', PYTHONDONTWRITEBYTECODE: '1' };
    await promisify(execFile)(executable, ['-c', script, folder], { env, cwd: packages });
    const exports = IMAGE_FAMILIES.map((kind): TrainerTask => {
      const [model, out] = [join(folder, kind), join(folder, `${kind}-out`)];
      return { verb: 'export-encoder', task: 'image-classification', model, out };
    });
    const { outcome } = await runTasks(exports);
    assert.ok(outcome.kind === 'done', JSON.stringify(outcome));
    for (const kind of IMAGE_FAMILIES) {
      const out = join(folder, `${kind}-out`);
      const worst = await measurePictureParity(join(out, 'encoder'), join(out, 'parity.json'));
      assert.ok(worst < 1e-4, `${kind} differs by ${worst}`);
    }
  });

  it('is cut to one layer, exported with the same answers, and trained with adapters', async function () {
    this.timeout(600_000); // 45 s of one core; the limit is for a busy machine
    const folder = await temporaryFolder();
    const { executable, packages } = pythonForTests();
    const script = fileURLToPath(new URL('../support/tiny_architectures.py', import.meta.url));
    const env = { ...process.env, PYTHONPATH: packages, OMP_NUM_THREADS: '1', PYTHONDONTWRITEBYTECODE: '1' };
    const { stdout } = await promisify(execFile)(executable, [script, await tinyModel(), folder], { env });
    const kinds = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as string[];
    assert.ok(kinds.length >= 9, kinds.join(', '));
    const tasks = kinds.map(async (kind): Promise<TrainerTask[]> => {
      const [model, out] = [join(folder, kind), join(folder, `${kind}-out`)];
      const trained = join(folder, `${kind}-trained`);
      const spec = { method: 'lora', epochs: 1, batchSize: 48 } as const;
      return [
        { verb: 'export-encoder', model, layers: 1, pooling: 'mean', maxLength: 64, out },
        await trainTask(trained, spec, { model }),
      ];
    });
    const { outcome } = await runTasks((await Promise.all(tasks)).flat());
    assert.ok(outcome.kind === 'done');
    for (const kind of kinds) {
      const out = join(folder, `${kind}-out`);
      const worst = await measureParity(join(out, 'encoder'), join(out, 'parity.json'));
      assert.ok(worst < 1e-4, `${kind} differs by ${worst}`);
    }
    const layers = outcome.results
      .filter((result) => result['verb'] === 'export-encoder')
      .map((result) => result['layers']);
    assert.deepEqual(
      layers,
      kinds.map(() => 1),
    );
    assert.ok(outcome.results.filter((result) => result['verb'] === 'train').every((result) => result['steps'] === 2));
  });
});
