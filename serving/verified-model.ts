/** A released model's files, handed out only as what the signature says: once from memory, and again from the disk if need be. */
import { join } from 'node:path';
import { MODEL_FILES, PROMPT_FILE, TOKENIZER_FILE } from '../artifacts/bundle.ts';
import { readWithDigest } from '../artifacts/digest.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { VerifiedFolder } from '../artifacts/model-signature.ts';
import { parseModelConfig, type ClassifierConfig, type ImageClassifierConfig } from '../inference/config.ts';
import type { GeneratorConfig } from '../inference/generation/config.ts';
import { generatorConfigOf, type GeneratorFiles } from '../inference/generation/generator.ts';
import { servedPromptOf, type ServedGeneration } from '../inference/generation/served-prompt.ts';
import type { ImageModelFiles } from '../inference/image-model.ts';
import type { ModelFiles } from '../inference/text-model.ts';

/** Of texts, or of pictures: these have no tokenizer. */
export type ClassifierFiles = ModelFiles | ImageModelFiles;

/** Where a pool has its model from. */
export interface ModelSource<Files = ClassifierFiles> {
  /** The files, in memory that is the taker's own: it may be handed to another thread. */
  take(): Promise<Files>;
}

abstract class VerifiedFiles {
  /** The bundle on the local disk. */
  readonly folder: string;
  readonly where: string;
  readonly #model: string;
  readonly #signed: VerifiedFolder['files'];
  #kept: ReadonlyMap<string, Buffer> | undefined;

  constructor(folder: string, model: string, { files, kept }: VerifiedFolder) {
    this.folder = folder;
    this.where = join(folder, model, '1');
    this.#model = model;
    this.#signed = files;
    this.#kept = kept;
  }

  /** Whether the signature speaks of such a file. */
  protected has(name: string): boolean {
    return this.#signed.has(`${this.#model}/1/${name}`);
  }

  /** The bytes as they were hashed. Throws BadModel once they are let go of, or where the bundle has none. */
  protected kept(name: string): Buffer {
    const bytes = this.#kept?.get(`${this.#model}/1/${name}`);
    if (bytes !== undefined) return bytes;
    throw new EspalierError('BadModel', `the bundle lacks ${this.#model}/1/${name}`, { where: this.folder });
  }

  /**
   * These files by name: from memory the first time, then let go of (a model of gigabytes stays in memory once, in the
   * runtime; a later taker is one that replaces a lost worker). Throws Corrupt when a file on the disk is no longer what
   * was signed.
   */
  protected async takeFiles<Name extends string>(names: readonly Name[]): Promise<Record<Name, Buffer>> {
    const fromMemory = this.#kept !== undefined;
    const entries: [Name, Buffer][] = [];
    for (const name of names) entries.push([name, fromMemory ? this.kept(name) : await this.#read(name)]);
    this.#kept = undefined;
    return Object.fromEntries(entries) as Record<Name, Buffer>;
  }

  async #read(name: string): Promise<Buffer> {
    const path = `${this.#model}/1/${name}`;
    const { bytes, digest } = await readWithDigest(join(this.folder, path));
    const signed = this.#signed.get(path);
    if (digest === signed) return bytes;
    throw new EspalierError('Corrupt', `${path} is ${digest}, but ${signed ?? 'nothing'} was signed`, {
      where: this.folder,
      fix: 'restart the server: it fetches the bundle again',
    });
  }
}

export class VerifiedModel extends VerifiedFiles implements ModelSource {
  readonly kind = 'classifier';
  readonly config: ClassifierConfig | ImageClassifierConfig;

  /** `verified`: the folder, verified, with the model's files kept. Throws BadModel for a config that cannot be used. */
  constructor(folder: string, model: string, verified: VerifiedFolder) {
    super(folder, model, verified);
    for (const name of MODEL_FILES.classifier) this.kept(name);
    const config = parseModelConfig('classifier.json', this.kept('classifier.json').toString('utf8'), this.where);
    if (config.kind !== 'classifier') {
      throw new EspalierError('BadModel', 'the model is not a classifier', { where: this.where });
    }
    if (config.input !== 'image') this.kept(TOKENIZER_FILE);
    this.config = config;
  }

  async take(): Promise<ClassifierFiles> {
    const { where } = this;
    if (this.config.input === 'image') return { where, ...(await this.takeFiles(MODEL_FILES.classifier)) };
    return { where, ...(await this.takeFiles([...MODEL_FILES.classifier, TOKENIZER_FILE])) };
  }
}

export class VerifiedGenerator extends VerifiedFiles implements ModelSource<GeneratorFiles> {
  readonly kind = 'generator';
  readonly config: GeneratorConfig;
  /** How it answers where a request does not say. */
  readonly generation: ServedGeneration;

  /** As a `VerifiedModel`. */
  constructor(folder: string, model: string, verified: VerifiedFolder) {
    super(folder, model, verified);
    for (const name of MODEL_FILES.generator) this.kept(name);
    this.config = generatorConfigOf({ where: this.where, 'generator.json': this.kept('generator.json') });
    const prompt = this.has(PROMPT_FILE) ? servedPromptOf(this.kept(PROMPT_FILE), this.where) : null;
    this.generation = prompt?.generation ?? {};
  }

  async take(): Promise<GeneratorFiles> {
    const optional = this.has(PROMPT_FILE) ? ([PROMPT_FILE] as const) : [];
    return { where: this.where, ...(await this.takeFiles([...MODEL_FILES.generator, ...optional])) };
  }
}
