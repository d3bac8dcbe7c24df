/** A released model's files, handed out only as what the signature says: once from memory, and again from the disk if need be. */
import { join } from 'node:path';
import { z } from 'zod';
import {
  INDEX_FILES,
  MODEL_FILES,
  MOST_NEIGHBOURS,
  PROMPT_FILE,
  RETRIEVAL_FILE,
  TOKENIZER_FILE,
  type RETRIEVER_CONFIGS,
} from '../artifacts/bundle.ts';
import { readWithDigest } from '../artifacts/digest.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { VerifiedFolder } from '../artifacts/model-signature.ts';
import type { Digest } from '../artifacts/reference.ts';
import {
  parseModelConfig,
  type ClassifierConfig,
  type ImageClassifierConfig,
  type ImageEncoderConfig,
} from '../inference/config.ts';
import type { GeneratorConfig } from '../inference/generation/config.ts';
import { generatorConfigOf, type GeneratorFiles } from '../inference/generation/generator.ts';
import { servedPromptOf, type ServedGeneration } from '../inference/generation/served-prompt.ts';
import { imageConfigOf, type ImageModelFiles } from '../inference/image-model.ts';
import { INDEX_FILE, VECTORS_FILE, type IndexFiles } from '../inference/retrieval/index-files.ts';
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
  readonly #kept: Map<string, Buffer>;

  constructor(folder: string, model: string, { files, kept }: VerifiedFolder) {
    this.folder = folder;
    this.where = join(folder, model, '1');
    this.#model = model;
    this.#signed = files;
    this.#kept = new Map(kept);
  }

  /** Where a file of the model lies in the bundle. */
  protected pathOf(name: string): string {
    return `${this.#model}/1/${name}`;
  }

  /** Whether the signature speaks of such a file of the model. */
  protected has(name: string): boolean {
    return this.#signed.has(this.pathOf(name));
  }

  /** What was signed of a file of the bundle. */
  protected signed(path: string): Digest | undefined {
    return this.#signed.get(path);
  }

  /** The bytes as they were hashed. Throws BadModel once they are let go of, or where the bundle has none. */
  protected kept(path: string): Buffer {
    const bytes = this.#kept.get(path);
    if (bytes !== undefined) return bytes;
    throw new EspalierError('BadModel', `the bundle lacks ${path}`, { where: this.folder });
  }

  /**
   * These files of the model by name: from memory the first time, then let go of (a model of gigabytes stays in memory once, in
   * the runtime; a later taker is one that replaces a lost worker). Throws Corrupt when a file on the disk is no longer what
   * was signed.
   */
  protected async takeFiles<Name extends string>(names: readonly Name[]): Promise<Record<Name, Buffer>> {
    const entries: [Name, Buffer][] = [];
    for (const name of names) entries.push([name, await this.takeFile(this.pathOf(name))]);
    return Object.fromEntries(entries) as Record<Name, Buffer>;
  }

  /** The same of one file of the bundle. */
  protected async takeFile(path: string): Promise<Buffer> {
    const kept = this.#kept.get(path);
    this.#kept.delete(path);
    if (kept !== undefined) return kept;
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
    for (const name of MODEL_FILES.classifier) this.kept(this.pathOf(name));
    const text = this.kept(this.pathOf('classifier.json')).toString('utf8');
    const config = parseModelConfig('classifier.json', text, this.where);
    if (config.kind !== 'classifier') {
      throw new EspalierError('BadModel', 'the model is not a classifier', { where: this.where });
    }
    if (config.input !== 'image') this.kept(this.pathOf(TOKENIZER_FILE));
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
    for (const name of MODEL_FILES.generator) this.kept(this.pathOf(name));
    this.config = generatorConfigOf({ where: this.where, 'generator.json': this.kept(this.pathOf('generator.json')) });
    const prompt = this.has(PROMPT_FILE) ? servedPromptOf(this.kept(this.pathOf(PROMPT_FILE)), this.where) : null;
    this.generation = prompt?.generation ?? {};
  }

  async take(): Promise<GeneratorFiles> {
    const optional = this.has(PROMPT_FILE) ? ([PROMPT_FILE] as const) : [];
    return { where: this.where, ...(await this.takeFiles([...MODEL_FILES.generator, ...optional])) };
  }
}

const SettingsSchema = z.object({
  version: z.literal(1),
  neighbours: z.int().min(1).max(MOST_NEIGHBOURS),
});

/** A model of pictures, and the index that its embeddings are looked up in. */
export class VerifiedRetriever extends VerifiedFiles implements ModelSource {
  readonly kind = 'retriever';
  readonly config: ImageEncoderConfig | ImageClassifierConfig;
  /** Of the `model.onnx` that is signed: an index of another one is refused. */
  readonly graph: Digest;
  /** Neighbours an answer where a request does not say. */
  readonly neighbours: number;
  readonly #config: (typeof RETRIEVER_CONFIGS)[number];

  /** As a `VerifiedModel`. */
  constructor(folder: string, model: string, verified: VerifiedFolder) {
    super(folder, model, verified);
    this.kept(this.pathOf('model.onnx'));
    for (const path of INDEX_FILES) this.kept(path);
    this.#config = this.has('classifier.json') ? 'classifier.json' : 'encoder.json';
    this.config = imageConfigOf({ where: this.where, [this.#config]: this.kept(this.pathOf(this.#config)) });
    this.neighbours = this.#neighbours();
    const signed = this.signed(this.pathOf('model.onnx'));
    if (signed === undefined) throw new EspalierError('BadModel', 'the model is not signed', { where: this.where });
    this.graph = signed;
  }

  async take(): Promise<ClassifierFiles> {
    return { where: this.where, ...(await this.takeFiles(['model.onnx', this.#config])) };
  }

  /** The index's files: what is searched is read once. */
  async takeIndex(): Promise<IndexFiles> {
    const [header, vectors] = INDEX_FILES;
    const where = join(this.folder, 'index');
    return { where, [INDEX_FILE]: await this.takeFile(header), [VECTORS_FILE]: await this.takeFile(vectors) };
  }

  #neighbours(): number {
    try {
      return SettingsSchema.parse(JSON.parse(this.kept(RETRIEVAL_FILE).toString('utf8'))).neighbours;
    } catch (error) {
      const message = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
      throw new EspalierError('BadModel', `${RETRIEVAL_FILE} cannot be used: ${message}`, {
        where: this.folder,
        fix: 'package the model again',
        cause: error,
      });
    }
  }
}
