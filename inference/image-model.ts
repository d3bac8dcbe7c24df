/**
 * An exported model of pictures (a folder with `model.onnx` and `encoder.json` or `classifier.json`) run on onnxruntime-node,
 * with the surface of `TextModel`: the same code probes, evaluates and serves.
 */
import { join } from 'node:path';
import { Tensor } from 'onnxruntime-node';
import {
  ofPictures,
  parseModelConfig,
  readModelConfig,
  type ImageClassifierConfig,
  type ImageEncoderConfig,
} from './config.ts';
import { GraphModel, type ModelOutput, type RunOptions } from './graph-model.ts';
import type { PictureLimits } from './image/decode.ts';
import { pixelValues } from './image/preprocess.ts';
import type { Feeds } from './session.ts';

/** A model's files as they were read and checked. */
export interface ImageModelFiles {
  /** For messages: the folder that they were read from. */
  readonly where: string;
  /** One of the two. */
  readonly 'classifier.json'?: Uint8Array;
  readonly 'encoder.json'?: Uint8Array;
  readonly 'model.onnx': Uint8Array;
}

export interface RunPicturesOptions extends RunOptions {
  /** What messages call a picture; default: its place in the list. */
  readonly names?: readonly string[];
  readonly limits?: PictureLimits;
}

/** Small: a batch computes on the event loop's thread, and a ResNet-50 takes some 60 ms a picture on one core. */
const BATCH_SIZE = 8;

export class ImageModel {
  readonly config: ImageEncoderConfig | ImageClassifierConfig;
  readonly #graph: GraphModel;

  private constructor(config: ImageEncoderConfig | ImageClassifierConfig, graph: GraphModel) {
    this.config = config;
    this.#graph = graph;
  }

  /** Loads a model folder. `threads` (default 1) are the runtime's own for one call. Throws BadModel. */
  static async load(directory: string, options: { readonly threads?: number } = {}): Promise<ImageModel> {
    const config = ofPictures(await readModelConfig(directory), directory);
    return new ImageModel(config, await GraphModel.open(config, join(directory, 'model.onnx'), options));
  }

  /** The same from files in memory; they may be let go of once it is loaded. */
  static async from(files: ImageModelFiles, options: { readonly threads?: number } = {}): Promise<ImageModel> {
    const config = imageConfigOf(files);
    const bytes = files['model.onnx'];
    return new ImageModel(
      config,
      await GraphModel.open(config, join(files.where, 'model.onnx'), { ...options, bytes }),
    );
  }

  /** One batch of files. Throws BadData naming the picture that cannot be decoded. */
  async run(images: readonly Uint8Array[], options: RunPicturesOptions = {}): Promise<ModelOutput> {
    if (images.length === 0) return this.#graph.empty(0);
    return this.#graph.run(await this.#feeds(images, 0, options));
  }

  /** Any number of files in batches of `batchSize` (8): results in order. Yields to the event loop between batches. */
  async runAll(images: readonly Uint8Array[], options: RunPicturesOptions = {}): Promise<ModelOutput> {
    return this.#graph.runAll(this.#batches(images, options), images.length, options);
  }

  /** The same of pixels that are prepared already (`pixelValues`). */
  async runPixels(pixels: readonly Float32Array[]): Promise<ModelOutput> {
    return pixels.length === 0 ? this.#graph.empty(0) : this.#graph.run(this.#tensor(pixels));
  }

  async *#batches(images: readonly Uint8Array[], options: RunPicturesOptions): AsyncGenerator<Feeds> {
    const size = options.batchSize ?? BATCH_SIZE;
    for (let start = 0; start < images.length; start += size) {
      yield await this.#feeds(images.slice(start, start + size), start, options);
    }
  }

  async #feeds(images: readonly Uint8Array[], first: number, options: RunPicturesOptions): Promise<Feeds> {
    const pixels: Float32Array[] = [];
    // One after the other: the memory of one decoded picture, not of a batch of them.
    for (const [index, bytes] of images.entries()) {
      options.signal?.throwIfAborted();
      const where = options.names?.[first + index] ?? `picture ${first + index + 1}`;
      const { limits, signal } = options;
      const decoding = {
        where,
        ...(limits === undefined ? {} : { limits }),
        ...(signal === undefined ? {} : { signal }),
      };
      pixels.push(await pixelValues(bytes, this.config.processor, decoding));
    }
    return this.#tensor(pixels);
  }

  #tensor(pixels: readonly Float32Array[]): Feeds {
    const { height, width } = this.config.processor.crop;
    const values = new Float32Array(pixels.length * 3 * height * width);
    for (const [index, picture] of pixels.entries()) values.set(picture, index * 3 * height * width);
    return {
      rows: pixels.length,
      what: `${pixels.length} pictures of ${width} × ${height}`,
      tensors: { pixel_values: new Tensor('float32', values, [pixels.length, 3, height, width]) },
    };
  }

  /** Frees the runtime's memory once calls under way have ended; later calls are refused. */
  async release(): Promise<void> {
    await this.#graph.release();
  }
}

/** Throws BadModel. */
export function imageConfigOf(files: Omit<ImageModelFiles, 'model.onnx'>): ImageEncoderConfig | ImageClassifierConfig {
  const name = files['classifier.json'] === undefined ? 'encoder.json' : 'classifier.json';
  const text = Buffer.from(files[name] ?? '').toString('utf8');
  return ofPictures(parseModelConfig(name, text, join(files.where, name)), files.where);
}
