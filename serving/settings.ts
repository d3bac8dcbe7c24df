/** The server's settings, all from the environment. */
import { z } from 'zod';
import { EspalierError } from '../artifacts/errors.ts';
import { readTrustedKeys } from '../artifacts/signing-keys.ts';
import { allottedCores } from '../inference/allotted.ts';
import { PICTURE_LIMITS } from '../inference/image/decode.ts';
import { usualWorkers } from '../inference/workers.ts';
import type { ModelServerOptions } from './server.ts';

export type ServingSettings = Omit<ModelServerOptions, 'store' | 'pointers' | 'log' | 'recorder'>;

const number = (low: number, high: number, otherwise: number) =>
  z.coerce.number().min(low).max(high).default(otherwise);
const integer = (low: number, high: number, otherwise: number) =>
  z.coerce.number().int().min(low).max(high).default(otherwise);

const Environment = z.object({
  /** Loopback unless somebody decides otherwise: the protocol has no authentication. */
  HOST: z.string().default('127.0.0.1'),
  PORT: integer(0, 65_535, 0),
  /** Comma list; all of the registry when unset. */
  ESPALIER_SERVE_MODELS: z.string().default(''),
  ESPALIER_SERVE_CHANNEL: z.string().default('production'),
  ESPALIER_SERVE_FOLLOW_SECONDS: number(0.1, 3600, 2),
  /** Threads a model, each with a copy of it; more than cores only costs. */
  ESPALIER_SERVE_WORKERS: integer(1, 256, usualWorkers(allottedCores())),
  ESPALIER_SERVE_MAX_BODY_BYTES: integer(1024, 2 ** 30, 16 * 2 ** 20),
  /** Width × height of a picture; a server with little memory takes fewer: a worker needs up to eight bytes for each (`BYTES_A_PIXEL`). */
  ESPALIER_SERVE_MAX_PIXELS: integer(1024, 100_000_000, PICTURE_LIMITS.maxPixels),
  /** Tokens an answer of a generator; a request may ask for fewer. */
  ESPALIER_SERVE_MAX_TOKENS: integer(1, 131_072, 1024),
  ESPALIER_SERVE_DRAIN_SECONDS: number(0, 600, 0),
  ESPALIER_SERVE_ACCESS_LOG: z.enum(['0', '1']).default('0'),
});

/** Throws BadConfig naming every variable that cannot be used. */
export function servingSettings(env: NodeJS.ProcessEnv): ServingSettings {
  // Set but empty is how a shell says unset.
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const { data, error } = Environment.safeParse(set);
  if (data === undefined) {
    const wrong = error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    throw new EspalierError('BadConfig', wrong.join('; '), {
      where: 'environment',
      fix: 'set or unset these variables',
    });
  }
  const models = data.ESPALIER_SERVE_MODELS.split(',')
    .map((model) => model.trim())
    .filter(Boolean);
  return {
    host: data.HOST,
    port: data.PORT,
    models: models.length === 0 ? 'all' : models,
    channel: data.ESPALIER_SERVE_CHANNEL,
    trusted: readTrustedKeys(env),
    followSeconds: data.ESPALIER_SERVE_FOLLOW_SECONDS,
    workers: data.ESPALIER_SERVE_WORKERS,
    maxBodyBytes: data.ESPALIER_SERVE_MAX_BODY_BYTES,
    maxPixels: data.ESPALIER_SERVE_MAX_PIXELS,
    maxTokens: data.ESPALIER_SERVE_MAX_TOKENS,
    drainSeconds: data.ESPALIER_SERVE_DRAIN_SECONDS,
    accessLog: data.ESPALIER_SERVE_ACCESS_LOG === '1',
  };
}
