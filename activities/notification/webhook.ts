/** One message to one webhook, by Standard Webhooks 1.0.0: signed, bounded in time and size, redirected nowhere. */
import { request as requestPlain, type IncomingMessage } from 'node:http';
import { request as requestTls } from 'node:https';
import { isIP } from 'node:net';
import { addressProblem, guardedLookup, hostOf } from './addresses.ts';
import type { Attempt, Message } from './message.ts';
import { webhookUrl, type Environment, type WebhookNotifier } from './notifiers.ts';
import { readSecret, signingKey, webhookSignature } from './secrets.ts';
import { withTimeLimit } from '../../artifacts/time-limit.ts';

/** Of an answer, for the log; the rest is not read. */
const MAX_ANSWER_BYTES = 2048;

/** Sends it once. Never throws: what went wrong is the attempt's outcome. */
export async function sendWebhook(
  notifier: WebhookNotifier,
  message: Message,
  env: Environment,
  signal: AbortSignal,
): Promise<Attempt> {
  try {
    const url = webhookUrl(notifier, env);
    const timestamp = Math.floor(Date.now() / 1000);
    const keys = notifier.secrets.map((place) => signingKey(readSecret(place, env)));
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(message.body),
      'user-agent': 'espalier',
      'webhook-id': message.id,
      'webhook-timestamp': String(timestamp),
      'webhook-signature': webhookSignature(keys, { id: message.id, timestamp, body: message.body }),
    };
    return await withTimeLimit(notifier.timeoutSeconds * 1000, signal, async (limit) =>
      judge(await post(url, headers, message.body, notifier.allowPrivateNetwork, limit)),
    );
  } catch (error) {
    return { ok: false, final: false, detail: reasonOf(error, notifier.timeoutSeconds) };
  }
}

/** 410 means never again (Standard Webhooks); a redirect is not followed, and would be the same the next time. */
function judge(status: number): Attempt {
  if (status >= 200 && status < 300) return { ok: true, status, detail: `answered ${status}` };
  const final = status === 410 || (status >= 300 && status < 400);
  const why = status === 410 ? ': it wants no more' : final ? ': redirects are not followed' : '';
  return { ok: false, final, status, detail: `answered ${status}${why}` };
}

function post(
  url: URL,
  headers: Record<string, string | number>,
  body: string,
  allowPrivateNetwork: boolean,
  signal: AbortSignal,
): Promise<number> {
  const host = hostOf(url);
  // An address in the URL itself is never looked up.
  const problem = isIP(host) === 0 ? undefined : addressProblem(host, host, allowPrivateNetwork);
  if (problem !== undefined) return Promise.reject(new Error(problem));
  const send = url.protocol === 'https:' ? requestTls : requestPlain;
  return new Promise((resolve, reject) => {
    const options = {
      method: 'POST',
      headers,
      signal,
      agent: false,
      lookup: guardedLookup(allowPrivateNetwork),
    } as const;
    const sent = send(url, options, (answer) => {
      const { statusCode = 0 } = answer;
      drained(answer).then(() => resolve(statusCode), reject);
    });
    sent.once('error', reject);
    sent.end(body);
  });
}

/** Reads what is worth reading of an answer: some receivers take a hung-up connection for a failure. */
async function drained(answer: IncomingMessage): Promise<void> {
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) break;
  }
  answer.destroy();
}

/** Codes and our own words only: Node's messages can hold the address, and that can be a secret. */
function reasonOf(error: unknown, timeoutSeconds: number): string {
  const { name, code, message } = error as NodeJS.ErrnoException;
  if (name === 'AbortError' || name === 'TimeoutError') return `no answer within ${timeoutSeconds} s`;
  if (code !== undefined) return `cannot be reached (${code})`;
  return message;
}
