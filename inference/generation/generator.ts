/**
 * An exported causal language model (a folder with `model.onnx`, `tokenizer.json`, `generator.json` and, in a bundle,
 * `prompt.json`) on onnxruntime-node. The same code searches prompts, evaluates the tuned model and serves it.
 *
 * Several generations may be under way at once: they take turns, a token each.
 */
import { Buffer } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import { renderChat, type Message } from './chat.ts';
import { CHAT_FORMATS } from './chat-formats.ts';
import { parseGeneratorConfig, type GeneratorConfig } from './config.ts';
import { ChoiceOfTokens } from './choice.ts';
import { checkOptions, type Completion, type GenerateOptions, type Piece } from './options.ts';
import { PromptTokenizer } from './prompt-tokens.ts';
import { servedPromptOf, type ServedPrompt } from './served-prompt.ts';
import { GeneratorSession, type Logits, type Memory } from './session.ts';
import { AnswerStream } from './stream.ts';
import { readVocabulary, type Vocabulary } from './vocabulary.ts';

/** A generator's files as they were read and checked. */
export interface GeneratorFiles {
  /** For messages: the folder that they were read from. */
  readonly where: string;
  readonly 'generator.json': Uint8Array;
  readonly 'tokenizer.json': Uint8Array;
  readonly 'model.onnx': Uint8Array;
  readonly 'prompt.json'?: Uint8Array | undefined;
}

/** What a likelihood is asked of: a text, or what comes after a prompt. */
export type Likely = string | { readonly prompt: string | readonly Message[]; readonly completion: string };

export interface LogLikelihood {
  /** Minus the logarithm of the probability, summed over `tokens`. */
  readonly nats: number;
  /** Tokens that were predicted: of a text, all but the first. */
  readonly tokens: number;
}

/** Tokens of a prompt that are read at once: their logits are in memory together, and the event loop waits for them. */
const READ_AT_ONCE = 128;

export class Generator {
  readonly config: GeneratorConfig;
  /** The bundle's instructions and defaults; null where there are none. They are the caller's to apply (`withPrompt`). */
  readonly servedPrompt: ServedPrompt | null;
  readonly #tokenizer: PromptTokenizer;
  readonly #vocabulary: Vocabulary;
  readonly #session: GeneratorSession;

  private constructor(
    config: GeneratorConfig,
    prompt: ServedPrompt | null,
    tokenizer: PromptTokenizer,
    vocabulary: Vocabulary,
    session: GeneratorSession,
  ) {
    this.config = config;
    this.servedPrompt = prompt;
    this.#tokenizer = tokenizer;
    this.#vocabulary = vocabulary;
    this.#session = session;
  }

  /** Loads a generator folder. `threads` (default 1) are the runtime's own. Throws BadModel naming the file. */
  static async load(folder: string, options: { readonly threads?: number } = {}): Promise<Generator> {
    const read = (name: string) =>
      readFile(join(folder, name)).catch((error: Error) => {
        throw new EspalierError('BadModel', `${name} cannot be read: ${error.message}`, {
          where: folder,
          fix: 'use the folder that the export step wrote',
          cause: error,
        });
      });
    const prompt = await readFile(join(folder, 'prompt.json')).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    const files = { 'generator.json': await read('generator.json'), 'tokenizer.json': await read('tokenizer.json') };
    return Generator.#open({ where: folder, ...files, 'prompt.json': prompt }, options.threads);
  }

  /** The same from files in memory; they may be let go of once it is loaded. */
  static from(files: GeneratorFiles, options: { readonly threads?: number } = {}): Promise<Generator> {
    return Generator.#open(files, options.threads, files['model.onnx']);
  }

  static async #open(files: Omit<GeneratorFiles, 'model.onnx'>, threads = 1, bytes?: Uint8Array): Promise<Generator> {
    const config = generatorConfigOf(files);
    const where = join(files.where, 'tokenizer.json');
    const text = textOf(files['tokenizer.json']);
    const vocabulary = readVocabulary(text, config.vocabularySize, where);
    const tokenizer = new PromptTokenizer(text, vocabulary.special, where);
    const prompt = files['prompt.json'] === undefined ? null : servedPromptOf(files['prompt.json'], files.where);
    const session = await GeneratorSession.open(join(files.where, 'model.onnx'), config, { threads, bytes });
    return new Generator(config, prompt, tokenizer, vocabulary, session);
  }

  /**
   * Answers a text (it is continued) or a conversation, piece by piece; the generator's return value is the completion.
   * Throws BadRequest for options that cannot be used and for a prompt that leaves no room in the context, and the
   * signal's reason when it is aborted.
   */
  async *generate(
    prompt: string | readonly Message[],
    given: GenerateOptions,
  ): AsyncGenerator<Piece, Completion, void> {
    const options = checkOptions(given);
    const chat = typeof prompt !== 'string';
    const ids = await this.#promptIds(prompt);
    const most = Math.min(options.maxNewTokens, this.#room(ids));
    const stops = chat && options.jsonSchema === undefined ? CHAT_FORMATS[this.config.chatFormat].stop : [];
    const stream = new AnswerStream([...options.stop, ...stops], chat);
    const choice = new ChoiceOfTokens(options, this.config, this.#vocabulary, ids, most);
    let { logits, memory } = await this.#readAll(ids, options.signal);
    let written = 0;
    let finish: Completion['finish'] = 'length';
    while (written < most) {
      options.signal?.throwIfAborted();
      const token = choice.next(lastRow(logits, this.config.vocabularySize));
      if (token === 'end') {
        finish = 'end';
        break;
      }
      written += 1;
      const text = stream.push(this.#vocabulary.bytes[token] ?? new Uint8Array());
      if (text !== '') yield { text, tokens: written };
      if (stream.stopped || choice.finished) {
        finish = stream.stopped ? 'stop' : 'end';
        break;
      }
      if (written < most) ({ logits, memory } = await this.#session.read(memory, [token]));
    }
    const rest = stream.stopped ? '' : stream.end();
    if (rest !== '') yield { text: rest, tokens: written };
    return { text: stream.text, promptTokens: ids.length, tokens: written, finish };
  }

  /** The same, whole. */
  async complete(prompt: string | readonly Message[], options: GenerateOptions): Promise<Completion> {
    const pieces = this.generate(prompt, options);
    for (;;) {
      const { done, value } = await pieces.next();
      if (done === true) return value;
    }
  }

  /**
   * How probable texts are, in order. What is longer than the context is cut there. A text of fewer than two tokens
   * predicts nothing: 0 nats, 0 tokens.
   */
  async logLikelihood(
    texts: readonly Likely[],
    options: { readonly signal?: AbortSignal; readonly onProgress?: (done: number, total: number) => void } = {},
  ): Promise<LogLikelihood[]> {
    const found: LogLikelihood[] = [];
    for (const text of texts) {
      const before = typeof text === 'string' ? [] : await this.#promptIds(text.prompt);
      const after =
        typeof text === 'string'
          ? await this.#tokenizer.ids(text)
          : await this.#tokenizer.continuation(text.completion);
      const ids = [...before, ...after].slice(0, this.config.contextTokens);
      found.push(await this.#likelihood(ids, Math.max(1, before.length), options.signal));
      options.onProgress?.(found.length, texts.length);
    }
    return found;
  }

  /** Frees the runtime's memory; generations under way fail at their next token. */
  release(): Promise<void> {
    return this.#session.release();
  }

  async #promptIds(prompt: string | readonly Message[]): Promise<number[]> {
    const ids =
      typeof prompt === 'string'
        ? await this.#tokenizer.ids(prompt)
        : await this.#tokenizer.chat(renderChat(this.config.chatFormat, prompt));
    const [end] = this.config.endTokens;
    // A text begins after the end of another: what such models learnt of beginnings.
    if (ids.length === 0 && end !== undefined) return [end];
    if (ids.length === 0) throw new EspalierError('BadRequest', 'the prompt is empty', { where: 'prompt' });
    return ids;
  }

  #room(ids: readonly number[]): number {
    const { contextTokens } = this.config;
    if (ids.length < contextTokens) return contextTokens - ids.length;
    throw new EspalierError(
      'BadRequest',
      `the prompt has ${ids.length} tokens, and the model's context of ${contextTokens} leaves no room for an answer`,
      { where: 'prompt', fix: `send fewer than ${contextTokens} tokens` },
    );
  }

  async #readAll(ids: readonly number[], signal?: AbortSignal): Promise<{ logits: Logits; memory: Memory }> {
    let state = await this.#session.read(this.#session.empty(), ids.slice(0, READ_AT_ONCE));
    for (let start = READ_AT_ONCE; start < ids.length; start += READ_AT_ONCE) {
      signal?.throwIfAborted();
      state = await this.#session.read(state.memory, ids.slice(start, start + READ_AT_ONCE));
    }
    return state;
  }

  /** Of `ids` from place `first` on. */
  async #likelihood(ids: readonly number[], first: number, signal?: AbortSignal): Promise<LogLikelihood> {
    let memory = this.#session.empty();
    let nats = 0;
    // The last token predicts nothing that is asked for.
    for (let start = 0; start < ids.length - 1; start += READ_AT_ONCE) {
      signal?.throwIfAborted();
      const end = Math.min(start + READ_AT_ONCE, ids.length - 1);
      const read = await this.#session.read(memory, ids.slice(start, end));
      memory = read.memory;
      for (let place = Math.max(start, first - 1); place < end; place++) {
        const size = this.config.vocabularySize;
        const row = read.logits.values.subarray((place - start) * size, (place - start + 1) * size);
        nats += surprise(row, ids[place + 1] as number);
      }
    }
    return { nats, tokens: Math.max(0, ids.length - first) };
  }
}

/** Throws BadModel. */
export function generatorConfigOf(files: Pick<GeneratorFiles, 'where' | 'generator.json'>): GeneratorConfig {
  return parseGeneratorConfig(textOf(files['generator.json']), join(files.where, 'generator.json'));
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function lastRow({ rows, values }: Logits, size: number): Float32Array {
  return values.subarray((rows - 1) * size, rows * size);
}

/** Minus the logarithm of a token's softmax probability. */
function surprise(logits: Float32Array, token: number): number {
  const top = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - top), 0);
  return Math.log(sum) + top - (logits[token] as number);
}
