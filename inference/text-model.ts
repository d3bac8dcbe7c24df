/**
 * An exported text model (a folder with `model.onnx`, `tokenizer.json` and `encoder.json` or `classifier.json`) run on
 * onnxruntime-node. The same code probes candidates, evaluates the tuned model and serves it: a figure measured here
 * is the figure that production shows.
 */
import { join } from 'node:path';
import { Tensor } from 'onnxruntime-node';
import { EspalierError } from '../artifacts/errors.ts';
import { ofTexts, parseModelConfig, readModelConfig, type ClassifierConfig, type EncoderConfig } from './config.ts';
import { GraphModel, type ModelOutput, type RunOptions } from './graph-model.ts';
import type { Feeds } from './session.ts';
import type { TextInput } from './texts.ts';
import { TextTokenizer, type TokenBatch } from './tokenizer.ts';
import { WindowMeans } from './windows.ts';

/** A classifier's files as they were read and checked: what is loaded is this, whatever lies on the disk by then. */
export interface ModelFiles {
  /** For messages: the folder that they were read from. */
  readonly where: string;
  readonly 'classifier.json': Uint8Array;
  readonly 'tokenizer.json': Uint8Array;
  readonly 'model.onnx': Uint8Array;
}

/** Throws BadModel. */
export function configOf(files: Pick<ModelFiles, 'where' | 'classifier.json'>): ClassifierConfig {
  const name = 'classifier.json';
  const config = ofTexts(parseModelConfig(name, textOf(files[name]), join(files.where, name)), files.where);
  if (config.kind === 'classifier') return config;
  throw new EspalierError('BadModel', 'the model is not a classifier', { where: files.where });
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/**
 * The largest rows × tokens that `runAll` hands to the runtime at once. onnxruntime-node computes on the event loop's
 * thread: 2048 tokens keep one call of a 6-layer, 384-wide encoder under half a second, so heartbeats go on.
 */
const MAX_BATCH_TOKENS = 2048;

export class TextModel {
  readonly config: EncoderConfig | ClassifierConfig;
  readonly #tokenizer: TextTokenizer;
  readonly #graph: GraphModel;

  private constructor(config: EncoderConfig | ClassifierConfig, tokenizer: TextTokenizer, graph: GraphModel) {
    this.config = config;
    this.#tokenizer = tokenizer;
    this.#graph = graph;
  }

  /**
   * Loads a model folder. `threads` (default 1) are the runtime's own threads for one call.
   * Throws BadModel naming the file that is missing, unreadable or does not fit the others.
   */
  static async load(directory: string, options: { readonly threads?: number } = {}): Promise<TextModel> {
    const config = ofTexts(await readModelConfig(directory), directory);
    const tokenizer = await TextTokenizer.load(join(directory, 'tokenizer.json'), config.maxLength, config.windows);
    const graph = await GraphModel.open(config, join(directory, 'model.onnx'), options);
    return new TextModel(config, tokenizer, graph);
  }

  /** The same from files in memory; they may be let go of once it is loaded. */
  static async from(files: ModelFiles, options: { readonly threads?: number } = {}): Promise<TextModel> {
    const config = configOf(files);
    const where = join(files.where, 'tokenizer.json');
    const tokenizer = TextTokenizer.parse(textOf(files['tokenizer.json']), config.maxLength, where, config.windows);
    const bytes = files['model.onnx'];
    const graph = await GraphModel.open(config, join(files.where, 'model.onnx'), { ...options, bytes });
    return new TextModel(config, tokenizer, graph);
  }

  /**
   * One batch, padded to its longest text. An empty text is a text; a text longer than `maxLength` tokens is cut, or read in the
   * windows that the config says, in as many batches as they take.
   */
  async run(texts: readonly TextInput[]): Promise<ModelOutput> {
    if (this.config.windows !== undefined) return this.#runWindows(texts, {});
    const [batch] = await this.#tokenizer.encode(texts, Number.POSITIVE_INFINITY);
    return batch === undefined ? this.#graph.empty(0) : this.#graph.run(tokenFeeds(batch));
  }

  /**
   * Any number of texts in batches sorted by nothing: results in order. Yields to the event loop between batches.
   * A batch holds at most `batchSize` (32) texts, fewer where they are long.
   */
  async runAll(texts: readonly TextInput[], options: RunOptions = {}): Promise<ModelOutput> {
    if (this.config.windows !== undefined) return this.#runAllWindows(texts, options);
    return this.#graph.runAll(this.#batches(texts, options.batchSize ?? 32), texts.length, options);
  }

  async *#batches(texts: readonly TextInput[], batchSize: number): AsyncGenerator<Feeds> {
    for (let start = 0; start < texts.length; start += batchSize) {
      const batches = await this.#tokenizer.encode(texts.slice(start, start + batchSize), MAX_BATCH_TOKENS);
      for (const batch of batches) yield tokenFeeds(batch);
    }
  }

  async #runAllWindows(texts: readonly TextInput[], options: RunOptions): Promise<ModelOutput> {
    const { batchSize = 32, onProgress } = options;
    const all = this.#graph.empty(texts.length);
    for (let start = 0; start < texts.length; start += batchSize) {
      const part = texts.slice(start, start + batchSize);
      const output = await this.#runWindows(part, options);
      all.embeddings.set(output.embeddings, start * this.config.dimension);
      if (output.probabilities !== undefined) {
        all.probabilities?.set(output.probabilities, start * (output.probabilities.length / part.length));
      }
      onProgress?.(start + part.length, texts.length);
    }
    return all;
  }

  async #runWindows(texts: readonly TextInput[], { signal }: Pick<RunOptions, 'signal'>): Promise<ModelOutput> {
    const lines = await this.#tokenizer.lines(texts);
    const counts = lines.map(({ length }) => length);
    const owners = counts.flatMap((count, text) => Array.from({ length: count }, () => text));
    const means = new WindowMeans(this.config, counts, this.#graph.empty(texts.length));
    let done = 0;
    for (const batch of this.#tokenizer.batch(lines.flat(), MAX_BATCH_TOKENS)) {
      signal?.throwIfAborted();
      means.add(owners.slice(done, done + batch.rows), await this.#graph.run(tokenFeeds(batch)));
      done += batch.rows;
      await new Promise((resume) => setImmediate(resume));
    }
    return means.output();
  }

  /** Frees the runtime's memory once calls under way have ended; later calls are refused. */
  async release(): Promise<void> {
    await this.#graph.release();
  }
}

/** Token ids as the graph takes them. */
export function tokenFeeds(batch: TokenBatch): Feeds {
  const shape = [batch.rows, batch.length];
  return {
    rows: batch.rows,
    what: `${batch.rows} texts of ${batch.length} tokens`,
    tensors: {
      input_ids: new Tensor('int64', batch.ids, shape),
      attention_mask: new Tensor('int64', batch.mask, shape),
      token_type_ids: new Tensor('int64', batch.types, shape),
    },
  };
}
