/** Server-sent events, as fast as the client reads them, and errors in the shape its protocol has. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { ClientGone } from './call.ts';
import { ProtocolError } from './protocol-error.ts';
import type { Route } from './routes.ts';

/** A client that reads nothing for so long holds a place that others wait for. */
const STALLED_MS = 30_000;

/** `{error}` as the Open Inference Protocol has it, or OpenAI's object. */
export function errorBody(message: string, status: number, shape: Route['errors'], field?: string): unknown {
  if (shape === undefined) return { error: message };
  const type = status >= 500 ? 'server_error' : 'invalid_request_error';
  const code = status === 404 ? 'model_not_found' : null;
  return { error: { message, type, param: field ?? null, code } };
}

export interface StreamOptions {
  readonly shape: Route['errors'];
  /** Of the call. */
  readonly signal: AbortSignal;
  readonly onFailed: (error: unknown) => void;
}

/**
 * Sends every event; one that fails ends the stream with an event that says so. Never rejects: when `signal` is aborted
 * or the client stalls, the events are no longer asked for, which ends what makes them. A client that left or stalls is
 * no failure.
 */
export async function sendEvents(
  response: ServerResponse,
  events: AsyncIterable<string>,
  { requestId, ...headers }: Readonly<Record<string, string>>,
  { shape, signal, onFailed }: StreamOptions,
): Promise<void> {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    // Proxies that gather an answer would defeat its purpose.
    'x-accel-buffering': 'no',
    'x-request-id': requestId,
    ...headers,
  });
  response.flushHeaders();
  const stalled = new AbortController();
  try {
    for await (const event of events) {
      signal.throwIfAborted();
      if (response.write(`data: ${event}\n\n`)) continue;
      const timer = setTimeout(() => stalled.abort(new Error('the client reads nothing')), STALLED_MS);
      await Promise.race([once(response, 'drain', { signal: stalled.signal }), once(response, 'close')]);
      clearTimeout(timer);
    }
  } catch (error) {
    const isLost = stalled.signal.aborted || error instanceof ClientGone;
    if (!isLost) onFailed(error);
    if (isLost || response.destroyed) {
      response.destroy();
      return;
    }
    const brokeOff = `the answer broke off (request ${requestId})`;
    const { message, status, field } =
      error instanceof ProtocolError ? error : { message: brokeOff, status: 500, field: undefined };
    response.write(`data: ${JSON.stringify(errorBody(message, status, shape, field))}\n\n`);
  }
  response.end();
}
