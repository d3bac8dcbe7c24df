/** A released model's files, handed out only as what the signature says: once from memory, and again from the disk if need be. */
import { join } from 'node:path';
import type { MODEL_FILES } from '../artifacts/bundle.ts';
import { readWithDigest } from '../artifacts/digest.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { VerifiedFolder } from '../artifacts/model-signature.ts';
import type { ClassifierConfig } from '../inference/config.ts';
import { configOf, type ModelFiles } from '../inference/text-model.ts';

/** Where a pool has its model from. */
export interface ModelSource {
  /** The files, in memory that is the taker's own: it may be handed to another thread. */
  take(): Promise<ModelFiles>;
}

export class VerifiedModel implements ModelSource {
  /** The bundle on the local disk. */
  readonly folder: string;
  readonly config: ClassifierConfig;
  readonly #model: string;
  readonly #signed: VerifiedFolder['files'];
  #inMemory: ModelFiles | undefined;

  /** `verified`: the folder, verified, with the model's files kept. Throws BadModel for a config that cannot be used. */
  constructor(folder: string, model: string, { files, kept }: VerifiedFolder) {
    this.folder = folder;
    this.#model = model;
    this.#signed = files;
    const file = (name: (typeof MODEL_FILES)[number]): Buffer => {
      const bytes = kept.get(`${model}/1/${name}`);
      if (bytes !== undefined) return bytes;
      throw new EspalierError('BadModel', `the bundle lacks ${model}/1/${name}`, { where: folder });
    };
    this.#inMemory = this.#files(file('classifier.json'), file('tokenizer.json'), file('model.onnx'));
    this.config = configOf(this.#inMemory);
  }

  /** Throws Corrupt when a file on the disk is no longer what was signed. */
  async take(): Promise<ModelFiles> {
    const files = this.#inMemory;
    // A model of gigabytes stays in memory once, in the runtime: a later taker is one that replaces a lost worker.
    this.#inMemory = undefined;
    if (files !== undefined) return files;
    return this.#files(
      await this.#read('classifier.json'),
      await this.#read('tokenizer.json'),
      await this.#read('model.onnx'),
    );
  }

  #files(config: Buffer, tokenizer: Buffer, model: Buffer): ModelFiles {
    const where = join(this.folder, this.#model, '1');
    return { where, 'classifier.json': config, 'tokenizer.json': tokenizer, 'model.onnx': model };
  }

  async #read(name: (typeof MODEL_FILES)[number]): Promise<Buffer> {
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
