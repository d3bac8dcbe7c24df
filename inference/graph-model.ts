/** A graph that says embeddings and probabilities, of whatever it is fed: what models of texts and of pictures share. */
import { EspalierError } from '../artifacts/errors.ts';
import type { ModelConfig } from './config.ts';
import { openSession, runSession, type Feeds, type Session } from './session.ts';

export interface ModelOutput {
  readonly rows: number;
  /** Row-major [rows, config.dimension]. */
  readonly embeddings: Float32Array;
  /** Classifiers only: row-major [rows, labels.length]. */
  readonly probabilities?: Float32Array;
  /** The same before softmax or sigmoid, of classifiers that read long texts in windows. */
  readonly logits?: Float32Array;
}

export interface RunOptions {
  readonly batchSize?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

export class GraphModel {
  readonly #config: ModelConfig;
  readonly #session: Session;
  readonly #file: string;
  readonly #running = new Set<Promise<ModelOutput>>();
  #released = false;

  private constructor(config: ModelConfig, session: Session, file: string) {
    this.#config = config;
    this.#session = session;
    this.#file = file;
  }

  /** `threads` (default 1) are the runtime's own for one call; with `bytes`, `file` is only a name. Throws BadModel. */
  static async open(
    config: ModelConfig,
    file: string,
    options: { readonly threads?: number; readonly bytes?: Uint8Array } = {},
  ): Promise<GraphModel> {
    const outputs = config.kind === 'classifier' ? ['embedding', 'probabilities'] : ['embedding'];
    if (saysLogits(config)) outputs.push('logits');
    const session = await openSession(file, { inputs: config.inputs, outputs, threads: 1, ...options });
    return new GraphModel(config, session, file);
  }

  empty(rows: number): ModelOutput {
    const embeddings = new Float32Array(rows * this.#config.dimension);
    return this.#config.kind === 'classifier'
      ? { rows, embeddings, probabilities: new Float32Array(rows * this.#config.labels.length) }
      : { rows, embeddings };
  }

  /** One batch. Throws BadModel where the graph refuses it, or says other numbers than its config. */
  async run(batch: Feeds): Promise<ModelOutput> {
    if (this.#released) throw new EspalierError('Internal', 'the model was released', { where: this.#file });
    const running = this.#compute(batch);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /** Batches in order, `total` rows in all. Yields to the event loop between them. */
  async runAll(batches: AsyncIterable<Feeds>, total: number, options: RunOptions = {}): Promise<ModelOutput> {
    const all = this.empty(total);
    let done = 0;
    for await (const batch of batches) {
      options.signal?.throwIfAborted();
      const output = await this.run(batch);
      all.embeddings.set(output.embeddings, done * this.#config.dimension);
      if (output.probabilities !== undefined && this.#config.kind === 'classifier') {
        all.probabilities?.set(output.probabilities, done * this.#config.labels.length);
      }
      done += batch.rows;
      options.onProgress?.(done, total);
      await new Promise((resume) => setImmediate(resume));
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

  async #compute(batch: Feeds): Promise<ModelOutput> {
    const { rows, what } = batch;
    const config = this.#config;
    const widths = {
      embedding: config.dimension,
      probabilities: config.kind === 'classifier' ? config.labels.length : 0,
      logits: config.kind === 'classifier' ? config.labels.length : 0,
    };
    const outputs = await runSession(this.#session, batch, this.#file);
    const read = (name: keyof typeof widths): Float32Array => {
      const values = outputs.get(name);
      if (values?.length === rows * widths[name]) return values;
      throw new EspalierError(
        'BadModel',
        `output '${name}' has ${values?.length ?? 'no'} numbers for ${what}; its config says ${widths[name]} each`,
        { where: this.#file, fix: 'export the model again: its config and its graph do not belong together' },
      );
    };
    const embeddings = read('embedding');
    if (config.kind === 'encoder') return { rows, embeddings };
    const probabilities = read('probabilities');
    return saysLogits(config)
      ? { rows, embeddings, probabilities, logits: read('logits') }
      : { rows, embeddings, probabilities };
  }
}

function saysLogits(config: ModelConfig): boolean {
  return config.kind === 'classifier' && config.input !== 'image' && config.windows !== undefined;
}
