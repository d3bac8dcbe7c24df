/** Secrets of notifiers: read when they are used, so that a changed file counts at once; never quoted in an error. */
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Environment, SecretPlace } from './notifiers.ts';

/** @throws Error that says where it is missing */
export function readSecret(place: SecretPlace, env: Environment): string {
  if ('env' in place) {
    const value = env[place.env]?.trim();
    if (!value) throw new Error(`the variable ${place.env} is not set`);
    return value;
  }
  try {
    const text = readFileSync(place.file, 'utf8').trim();
    if (text !== '') return text;
  } catch (error) {
    throw new Error(`${place.file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`, {
      cause: error,
    });
  }
  throw new Error(`${place.file} is empty`);
}

/** The key in a Standard Webhooks secret. Throws an Error for another form, without quoting it. */
export function signingKey(secret: string): Buffer {
  const [, base64 = ''] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? [];
  const key = Buffer.from(base64, 'base64');
  if (key.length >= 24 && key.length <= 64) return key;
  throw new Error('is no secret of Standard Webhooks: whsec_ and 24 to 64 bytes in Base64');
}

/** `v1,…` by each key, as the header `webhook-signature` has them (Standard Webhooks 1.0.0). */
export function webhookSignature(
  keys: readonly Buffer[],
  { id, timestamp, body }: { readonly id: string; readonly timestamp: number; readonly body: string },
): string {
  const signed = `${id}.${timestamp}.${body}`;
  return keys.map((key) => `v1,${createHmac('sha256', key).update(signed).digest('base64')}`).join(' ');
}
