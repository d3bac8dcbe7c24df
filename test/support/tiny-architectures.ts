/** A random, tiny model of every architecture that the trainer loads, in folders by their `model_type`. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { FAMILIES_OF, IMAGE_FAMILIES } from '../../pipelines/families.ts';
import { temporaryFolder } from '../training/fixtures.ts';
import { pythonForTests } from './python.ts';
import { tinyGpt } from './tiny-gpt.ts';
import { tinyModel } from './tiny-model.ts';

/** Folders by `model_type`. */
export type Architectures = Readonly<Record<string, string>>;

/** Encoders of texts: two layers, with the tiny BERT's tokenizer. */
export async function tinyTextArchitectures(): Promise<Architectures> {
  return made(FAMILIES_OF['text-classification'], async (folder) => [
    scriptOf('tiny_architectures.py'),
    await tinyModel(),
    folder,
  ]);
}

/** Causal language models: two layers, 96 positions, with the tiny GPT's tokenizer. */
export async function tinyLanguageArchitectures(): Promise<Architectures> {
  return made(FAMILIES_OF['text-generation'], async (folder) => [
    scriptOf('tiny_generators.py'),
    (await tinyGpt()).model,
    folder,
  ]);
}

/** Classifiers of pictures, as the trainer's own tests make them, with what prepares pictures for them. */
export async function tinyPictureArchitectures(): Promise<Architectures> {
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
  return made(IMAGE_FAMILIES, async (folder) => ['-c', script, folder]);
}

const scriptOf = (name: string): string => fileURLToPath(new URL(`./${name}`, import.meta.url));

async function made(
  families: readonly string[],
  argv: (folder: string) => Promise<readonly string[]>,
): Promise<Architectures> {
  const folder = await temporaryFolder();
  const { executable, packages } = pythonForTests();
  const env = {
    ...process.env,
    PYTHONPATH: packages,
    TINY_MODEL: await tinyModel(),
    OMP_NUM_THREADS: '1',
    PYTHONDONTWRITEBYTECODE: '1',
  };
  await promisify(execFile)(executable, await argv(folder), { env, cwd: packages });
  return Object.fromEntries(families.map((family) => [family, join(folder, family)]));
}
