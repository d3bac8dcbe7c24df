/**
 * An exported text model (a folder with `model.onnx`, `tokenizer.json` and `encoder.json` or `classifier.json`) run on
 * onnxruntime-node. The same code probes candidates, evaluates the tuned model and serves it: a figure measured here
 * is the figure that production shows.
 */
import { join } from 'node:path';
import { EspalierError } from '../artifacts/errors.ts';
import { parseModelConfig, readModelConfig, type ClassifierConfig, type EncoderConfig } from './config.ts';
import { openSession, runSession, type Session } from './session.ts';
import { TextTokenizer, type TokenBatch } from './tokenizer.ts';

export interface TextModelOutput {
  readonly rows: number;
  /** Row-major [rows, config.dimension]. */
  readonly embeddings: Float32Array;
  /** Classifiers only: row-major [rows, labels.length]. */
  readonly probabilities?: Float32Array;
}

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
  const config = parseModelConfig(name, textOf(files[name]), join(files.where, name));
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
  readonly #session: Session;
  readonly #modelFile: string;
  readonly #running = new Set<Promise<TextModelOutput>>();
  #released = false;

  private constructor(
    config: EncoderConfig | ClassifierConfig,
    tokenizer: TextTokenizer,
    session: Session,
    modelFile: string,
  ) {
    this.config = config;
    this.#tokenizer = tokenizer;
    this.#session = session;
    this.#modelFile = modelFile;
  }

  /**
   * Loads a model folder. `threads` (default 1) are the runtime's own threads for one call.
   * Throws BadModel naming the file that is missing, unreadable or does not fit the others.
   */
  static async load(directory: string, options: { readonly threads?: number } = {}): Promise<TextModel> {
    const config = await readModelConfig(directory);
    const tokenizer = await TextTokenizer.load(join(directory, 'tokenizer.json'), config.maxLength);
    return TextModel.#open(config, tokenizer, join(directory, 'model.onnx'), { threads: 1, ...options });
  }

  /** The same from files in memory; they may be let go of once it is loaded. */
  static async from(files: ModelFiles, options: { readonly threads?: number } = {}): Promise<TextModel> {
    const config = configOf(files);
    const where = join(files.where, 'tokenizer.json');
    const tokenizer = TextTokenizer.parse(textOf(files['tokenizer.json']), config.maxLength, where);
    const bytes = files['model.onnx'];
    return TextModel.#open(config, tokenizer, join(files.where, 'model.onnx'), { threads: 1, ...options, bytes });
  }

  static async #open(
    config: EncoderConfig | ClassifierConfig,
    tokenizer: TextTokenizer,
    modelFile: string,
    options: { readonly threads: number; readonly bytes?: Uint8Array },
  ): Promise<TextModel> {
    const outputs = config.kind === 'classifier' ? ['embedding', 'probabilities'] : ['embedding'];
    const session = await openSession(modelFile, { inputs: config.inputs, outputs, ...options });
    return new TextModel(config, tokenizer, session, modelFile);
  }

  /** One batch, padded to its longest text. An empty text is a text; a text longer than `maxLength` tokens is cut. */
  async run(texts: readonly string[]): Promise<TextModelOutput> {
    const [batch] = await this.#tokenizer.encode(texts, Number.POSITIVE_INFINITY);
    return batch === undefined ? this.#empty(0) : this.#infer(batch);
  }

  /**
   * Any number of texts in batches sorted by nothing: results in order. Yields to the event loop between batches.
   * A batch holds at most `batchSize` (32) texts, fewer where they are long.
   */
  async runAll(
    texts: readonly string[],
    options: {
      readonly batchSize?: number;
      readonly signal?: AbortSignal;
      readonly onProgress?: (done: number, total: number) => void;
    } = {},
  ): Promise<TextModelOutput> {
    const all = this.#empty(texts.length);
    const batchSize = options.batchSize ?? 32;
    let done = 0;
    for (let start = 0; start < texts.length; start += batchSize) {
      const batches = await this.#tokenizer.encode(texts.slice(start, start + batchSize), MAX_BATCH_TOKENS);
      for (const batch of batches) {
        options.signal?.throwIfAborted();
        const output = await this.#infer(batch);
        all.embeddings.set(output.embeddings, done * this.config.dimension);
        if (output.probabilities !== undefined && this.config.kind === 'classifier') {
          all.probabilities?.set(output.probabilities, done * this.config.labels.length);
        }
        done += batch.rows;
        options.onProgress?.(done, texts.length);
        await new Promise((resume) => setImmediate(resume));
      }
    }
    return all;
  }

  /** Frees the runtime's memory once calls under way have ended; later calls are refused. */
  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    await Promise.allSettled(this.#running);
    await this.#session.release();
  }

  #empty(rows: number): TextModelOutput {
    const embeddings = new Float32Array(rows * this.config.dimension);
    return this.config.kind === 'classifier'
      ? { rows, embeddings, probabilities: new Float32Array(rows * this.config.labels.length) }
      : { rows, embeddings };
  }

  async #infer(batch: TokenBatch): Promise<TextModelOutput> {
    if (this.#released) throw new EspalierError('Internal', 'the model was released', { where: this.#modelFile });
    const running = this.#compute(batch);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  async #compute(batch: TokenBatch): Promise<TextModelOutput> {
    const { rows } = batch;
    const { config } = this;
    const widths = {
      embedding: config.dimension,
      probabilities: config.kind === 'classifier' ? config.labels.length : 0,
    };
    const outputs = await runSession(this.#session, batch, this.#modelFile);
    const read = (name: keyof typeof widths): Float32Array => {
      const values = outputs.get(name);
      if (values?.length === rows * widths[name]) return values;
      throw new EspalierError(
        'BadModel',
        `output '${name}' has ${values?.length ?? 'no'} numbers for ${rows} texts; its config says ${widths[name]} each`,
        { where: this.#modelFile, fix: 'export the model again: its config and its graph do not belong together' },
      );
    };
    const embeddings = read('embedding');
    return config.kind === 'classifier'
      ? { rows, embeddings, probabilities: read('probabilities') }
      : { rows, embeddings };
  }
}
