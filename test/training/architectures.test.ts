import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TrainerTask } from '../../activities/training/job.ts';
import { measureParity } from '../../activities/training/parity.ts';
import { measurePictureParity } from '../../activities/training/picture-parity.ts';
import { FAMILIES_OF, IMAGE_FAMILIES } from '../../pipelines/families.ts';
import { pythonForTests } from '../support/python.ts';
import { tinyPictureArchitectures, tinyTextArchitectures } from '../support/tiny-architectures.ts';
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
    // Which the trainer's own tests ask in Python.
    const models = await tinyPictureArchitectures();
    const exports = IMAGE_FAMILIES.map((kind): TrainerTask => {
      return {
        verb: 'export-encoder',
        task: 'image-classification',
        model: models[kind]!,
        out: join(folder, `${kind}-out`),
      };
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
    const models = await tinyTextArchitectures();
    const kinds = Object.keys(models);
    assert.ok(kinds.length >= 9, kinds.join(', '));
    const tasks = kinds.map(async (kind): Promise<TrainerTask[]> => {
      const [model, out] = [models[kind]!, join(folder, `${kind}-out`)];
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
