/** One generation for a request, whatever its protocol: run, measured, and recorded. */
import { randomInt } from 'node:crypto';
import type { GenerationRecord } from '../artifacts/bundle.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { Message } from '../inference/generation/chat.ts';
import type { Completion, Piece } from '../inference/generation/options.ts';
import { withServedGeneration, type AskedOptions } from '../inference/generation/served-prompt.ts';
import { ClientGone, find, type Call } from './call.ts';
import type { ServedGenerator, ServedModel } from './served-model.ts';
import { BrokeOff, ProtocolError } from './protocol-error.ts';

export interface GenerationRequest {
  readonly prompt: string | readonly Message[];
  /** What is missing is the bundle's own, for a conversation; the seed then is one of the server's. */
  readonly options: AskedOptions;
  /** false: not traffic but a check, kept out of the prediction log. */
  readonly record: boolean;
  /** What the protocol calls these, for whoever is refused. */
  readonly names: ProtocolNames;
}
/** By what the generator calls it (`where` of its errors); only what a protocol has no field for is missing. */
type ProtocolNames = Readonly<
  Record<'prompt' | 'messages' | 'maxNewTokens' | 'stop' | 'jsonSchema', string> & { bannedPhrases?: string }
>;

export interface StartedGeneration {
  readonly served: ServedGenerator;
  readonly seed: number;
  /**
   * The first piece is already there, so that whatever refuses the request has done so. A later one may still throw
   * ProtocolError, where the answer has no way on: it broke off.
   */
  readonly pieces: AsyncGenerator<Piece, Completion, void>;
}

/** The model of the path or the body, which must be a generator. Throws ProtocolError. */
export function findGenerator(call: Call): ServedGenerator {
  return generatorOf(find(call).served);
}

function generatorOf(served: ServedModel): ServedGenerator {
  if (served.kind === 'generator') return served;
  const { model } = served.release;
  throw new ProtocolError(400, `model '${model}' does not generate text: use /v2/models/${model}/infer`);
}

/**
 * Starts it and waits for its first piece. The version is taken and used in one go: a release that comes later serves
 * later requests, and this one ends on the model that it began on. Throws ProtocolError: 400 what cannot be generated,
 * 503 overload.
 */
export async function startGeneration(call: Call, request: GenerationRequest): Promise<StartedGeneration> {
  const { services } = call;
  const served = findGenerator(call);
  // A raw text is no conversation: what conversations were measured with says nothing about it.
  const defaults = typeof request.prompt === 'string' ? {} : served.generation;
  const asked = withServedGeneration(request.options, defaults, services.maxTokens);
  const { maxNewTokens, seed = randomInt(2 ** 32) } = asked;
  if (maxNewTokens > services.maxTokens) {
    throw new ProtocolError(
      400,
      `${maxNewTokens} tokens are asked for: this server gives at most ${services.maxTokens}`,
      {},
      request.names.maxNewTokens,
    );
  }
  const order = { prompt: request.prompt, options: { ...asked, seed } };
  const pieces = told(call, served, request, served.pool.generate(order, call.signal));
  const named = inNames(pieces, request.names);
  const first = await named.next();
  return { served, seed, pieces: resumed(first, named) };
}

/** Of what cannot be asked, or finds no room: nothing was generated, and nothing failed. */
function isRefused(error: unknown): boolean {
  return error instanceof EspalierError && (error.kind === 'BadRequest' || error.kind === 'Conflict');
}

/** All of it at once. Throws BrokeOff where the answer has no way on: its first piece was there already. */
export async function completed({ pieces }: StartedGeneration): Promise<Completion> {
  try {
    for (;;) {
      const { done, value } = await pieces.next();
      if (done === true) return value;
    }
  } catch (error) {
    throw error instanceof ProtocolError ? new BrokeOff(error) : error;
  }
}

/** The same pieces; what they throw is told as the protocol calls things. */
async function* inNames(
  pieces: AsyncGenerator<Piece, Completion, void>,
  names: ProtocolNames,
): AsyncGenerator<Piece, Completion, void> {
  try {
    return yield* pieces;
  } catch (error) {
    throw refusal(error, names);
  }
}

function refusal(error: unknown, names: ProtocolNames): unknown {
  if (!(error instanceof EspalierError)) return error;
  if (error.kind === 'BadRequest') {
    const fix = error.fix === undefined ? '' : `: ${error.fix}`;
    return new ProtocolError(400, `${placed(error, names)}${fix}`, {}, nameOf(error, names));
  }
  if (error.kind !== 'Conflict') return error;
  return new ProtocolError(503, `the server is overloaded: ${error.message}`, { 'retry-after': '1' });
}

/** The message by the protocol's names; one that begins with its place (a path in a schema) says it once. */
function placed(error: EspalierError, names: ProtocolNames): string {
  const { where, message } = error;
  const name = nameOf(error, names);
  if (where === undefined || name === undefined) return message;
  const startsSo = message.startsWith(where) && /^\W/.test(message.slice(where.length));
  return startsSo ? `${name}${message.slice(where.length)}` : `${name}: ${message}`;
}

function nameOf({ where }: EspalierError, names: ProtocolNames): string | undefined {
  return where === undefined ? undefined : ((names as Readonly<Record<string, string | undefined>>)[where] ?? where);
}

async function* resumed(
  first: IteratorResult<Piece, Completion>,
  rest: AsyncGenerator<Piece, Completion, void>,
): AsyncGenerator<Piece, Completion, void> {
  if (first.done === true) return first.value;
  try {
    yield first.value;
    return yield* rest;
  } finally {
    // Also where nobody asked for the second piece.
    await rest.return(undefined as never);
  }
}

/** The same pieces, with what they tell of: metrics, and a record at the end. */
async function* told(
  { services, signal, requestId }: Call,
  { release }: ServedGenerator,
  { prompt, record }: GenerationRequest,
  pieces: AsyncGenerator<Piece, Completion, void>,
): AsyncGenerator<Piece, Completion, void> {
  const { metrics, recorder } = services;
  const { model } = release;
  const startedAt = performance.now();
  let firstAt: number | undefined;
  let finish: Completion['finish'] | 'cancelled' | 'refused' | 'failed' | undefined;
  try {
    for (;;) {
      const next = await pieces.next();
      if (firstAt === undefined) {
        firstAt = performance.now();
        metrics.firstTokenSeconds.observe({ model }, (firstAt - startedAt) / 1000);
      }
      if (next.done !== true) {
        yield next.value;
        continue;
      }
      const completion = next.value;
      const endedAt = performance.now();
      finish = completion.finish;
      metrics.promptTokens.inc({ model }, completion.promptTokens);
      metrics.generatedTokens.inc({ model }, completion.tokens);
      if (completion.tokens > 1) {
        const seconds = Math.max(endedAt - firstAt, 0.01) / 1000;
        metrics.tokensPerSecond.observe({ model }, (completion.tokens - 1) / seconds);
      }
      if (record) {
        const timing = { firstTokenMs: firstAt - startedAt, totalMs: endedAt - startedAt };
        const texts = release.recordText ? { prompt: spoken(prompt), text: completion.text } : {};
        recorder.record(model, release.bundle, [recordOf(requestId, release.bundle, completion, timing, texts)]);
      }
      return completion;
    }
  } catch (error) {
    const isGone = error instanceof ClientGone;
    // After its first text it was taken, and broke off.
    finish = isGone ? 'cancelled' : isRefused(error) && firstAt === undefined ? 'refused' : 'failed';
    throw error;
  } finally {
    // Nobody asks for the next piece: the client left or reads nothing, unless the server cuts it off.
    finish ??= signal.reason === undefined || signal.reason instanceof ClientGone ? 'cancelled' : 'failed';
    metrics.generations.inc({ model, finish });
    await pieces.return(undefined as never);
  }
}

function recordOf(
  id: string,
  bundle: GenerationRecord['bundle'],
  { promptTokens, tokens, finish, text }: Completion,
  timing: Pick<GenerationRecord, 'firstTokenMs' | 'totalMs'>,
  texts: Pick<GenerationRecord, 'prompt' | 'text'>,
): GenerationRecord {
  const textLength = Array.from(text).length;
  return { id, at: new Date().toISOString(), bundle, promptTokens, tokens, finish, textLength, ...timing, ...texts };
}

function spoken(prompt: string | readonly Message[]): string {
  return typeof prompt === 'string' ? prompt : prompt.map(({ role, content }) => `${role}: ${content}`).join('\n');
}
