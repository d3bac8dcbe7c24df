/** What lies in a model's folder about its terms: card, licence texts and file sizes. Nothing of it is executed. */
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LicenceText } from './decision.ts';
import { isLicencePath, type Sources } from './model-terms.ts';
import { recogniseText } from './recognise.ts';
import { decodeUtf8 } from './strangers-yaml.ts';
import { holdsMetadata, readWeightsMetadata, type WeightsMetadata } from './weights-metadata.ts';

/** The longest real card has about 100 KB. */
const MAX_TEXT_BYTES = 2 * 1024 * 1024;
const LOADED = /\.(safetensors|onnx|onnx_data|json|txt|model)$/;

/** What the files say that state terms, as far as they can be read. */
export type TermFiles = Required<Pick<Sources, 'card' | 'texts' | 'unreadable' | 'weights'>>;

/** Whether a file of a model, by its path, says something about terms. */
export function statesTerms(path: string): boolean {
  return path === 'README.md' || isLicencePath(path);
}

/** Reads card, licence texts and what weights say of themselves; `name` is the path within the model, `path` where it lies on this disk. */
export function readTermFiles(files: readonly { readonly name: string; readonly path: string }[]): TermFiles {
  const unreadable: string[] = [];
  const texts: LicenceText[] = [];
  const weights: WeightsMetadata[] = [];
  let card: string | null = null;
  for (const { name, path } of files.filter((file) => holdsMetadata(file.name))) {
    const found = readWeightsMetadata(name, path);
    if (found === undefined) unreadable.push(`the header of ${name}`);
    else if (Object.keys(found.entries).length > 0) weights.push(found);
  }
  for (const { name, path } of files.filter((file) => statesTerms(file.name))) {
    const text = lstatSync(path).size > MAX_TEXT_BYTES ? undefined : decodeUtf8(readFileSync(path));
    if (text === undefined) unreadable.push(name);
    else if (name === 'README.md') card = text;
    else texts.push(recogniseText(name, text));
  }
  return { card, texts, unreadable, weights };
}

export interface ModelFolder extends TermFiles {
  /** Of the files that would be loaded. */
  readonly sizeBytes: number;
}

/** Regular files at the top of the folder only: a link may lead anywhere. */
export function readModelFolder(folder: string): ModelFolder {
  const files = readdirSync(folder)
    .map((name) => ({ name, path: join(folder, name), found: lstatSync(join(folder, name)) }))
    .filter(({ found }) => found.isFile());
  const sizeBytes = files.filter(({ name }) => LOADED.test(name)).reduce((sum, { found }) => sum + found.size, 0);
  return { ...readTermFiles(files), sizeBytes };
}
