/** A generator's graph on onnxruntime-node, and what it remembers of the tokens it has read. */
import { Tensor } from 'onnxruntime-node';
import { EspalierError } from '../../artifacts/errors.ts';
import { openSession, type Session } from '../session.ts';
import type { GeneratorConfig } from './config.ts';

/** Keys and values of every layer by the graph's input name; the runtime's own arrays, handed back as they came. */
export interface Memory {
  readonly tokens: number;
  readonly tensors: Readonly<Record<string, Tensor>>;
}

/** Logits of tokens that were read together, row-major [tokens, vocabularySize]. */
export interface Logits {
  readonly rows: number;
  readonly values: Float32Array;
}

export class GeneratorSession {
  readonly #session: Session;
  readonly #config: GeneratorConfig;
  readonly #file: string;
  readonly #running = new Set<Promise<unknown>>();
  #released = false;

  private constructor(session: Session, config: GeneratorConfig, file: string) {
    this.#session = session;
    this.#config = config;
    this.#file = file;
  }

  /** With `bytes` the graph is loaded from them. Throws BadModel when it is not the config's. */
  static async open(
    file: string,
    config: GeneratorConfig,
    options: { readonly threads: number; readonly bytes?: Uint8Array | undefined },
  ): Promise<GeneratorSession> {
    const cached = cacheNames(config);
    const session = await openSession(file, {
      inputs: ['input_ids', 'attention_mask', ...cached.map((name) => `past_key_values.${name}`)],
      outputs: ['logits', ...cached.map((name) => `present.${name}`)],
      ...options,
    });
    return new GeneratorSession(session, config, file);
  }

  /** A memory without anything in it. */
  empty(): Memory {
    const { keyValueHeads, headSize } = this.#config;
    const tensors: Record<string, Tensor> = {};
    for (const name of cacheNames(this.#config)) {
      tensors[`past_key_values.${name}`] = new Tensor('float32', new Float32Array(), [1, keyValueHeads, 0, headSize]);
    }
    return { tokens: 0, tensors };
  }

  /**
   * Reads tokens after those in `memory`: the logits of each, and the memory with them. The event loop runs before every
   * call, so that several generations take turns token by token. Throws BadModel where the graph refuses.
   */
  async read(memory: Memory, tokens: readonly number[]): Promise<{ readonly logits: Logits; readonly memory: Memory }> {
    if (this.#released) throw new EspalierError('Internal', 'the generator was released', { where: this.#file });
    const running = this.#run(memory, tokens);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /** Frees the runtime's memory once the call under way has ended; later ones are refused. */
  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    await Promise.allSettled(this.#running);
    await this.#session.release();
  }

  async #run(memory: Memory, tokens: readonly number[]): Promise<{ logits: Logits; memory: Memory }> {
    const all = memory.tokens + tokens.length;
    const feeds = {
      input_ids: new Tensor('int64', BigInt64Array.from(tokens, BigInt), [1, tokens.length]),
      attention_mask: new Tensor('int64', new BigInt64Array(all).fill(1n), [1, all]),
      ...memory.tensors,
    };
    const outputs = await this.#session.session.run(feeds, [...this.#session.outputs]).catch((error: Error) => {
      throw new EspalierError('BadModel', `the graph fails on token ${all}: ${error.message}`, {
        where: this.#file,
        cause: error,
      });
    });
    const values = outputs['logits']?.data;
    const expected = tokens.length * this.#config.vocabularySize;
    if (!(values instanceof Float32Array) || values.length !== expected) {
      throw new EspalierError('BadModel', `the graph gives ${values?.length ?? 'no'} logits, not ${expected}`, {
        where: this.#file,
        fix: 'export the model again: its config and its graph do not belong together',
      });
    }
    const tensors: Record<string, Tensor> = {};
    for (const name of cacheNames(this.#config)) {
      const tensor = outputs[`present.${name}`];
      if (tensor !== undefined) tensors[`past_key_values.${name}`] = tensor;
    }
    return { logits: { rows: tokens.length, values }, memory: { tokens: all, tensors } };
  }
}

function cacheNames({ layers }: GeneratorConfig): string[] {
  return Array.from({ length: layers }, (_, layer) => [`${layer}.key`, `${layer}.value`]).flat();
}
