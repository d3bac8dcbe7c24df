/** Where the artifacts live: the standard AWS_* variables, and a few ESPALIER_* for what those cannot say. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { EspalierError } from './errors.ts';

export interface StoreSettings {
  /** Undefined: AWS itself, or what the AWS profile names. */
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  /** `http://host/bucket/key` instead of `http://bucket.host/key`. */
  readonly pathStyle: boolean;
  readonly bucket: string;
  /** Empty, or ends with '/'. */
  readonly prefix: string;
  /** Local copies of blobs. */
  readonly cacheDir: string;
  readonly cacheBytes: number;
}

const MIB = 2 ** 20;
// Without `info`: with it, the SDK copies every request and answer for a line that nobody reads.
const SILENT = { debug() {}, warn() {}, error() {} } as unknown as NonNullable<S3ClientConfig['logger']>;

/**
 * Reads AWS_ENDPOINT_URL_S3 (or AWS_ENDPOINT_URL), AWS_REGION, ESPALIER_BUCKET ('espalier'), ESPALIER_PREFIX (''),
 * ESPALIER_S3_PATH_STYLE (true where an endpoint is set: there is no AWS variable for it), ESPALIER_CACHE_MB (20480)
 * and XDG_CACHE_HOME. Throws BadConfig naming the variable.
 */
export function storeSettings(env: NodeJS.ProcessEnv = process.env): StoreSettings {
  const endpoint = env['AWS_ENDPOINT_URL_S3'] || env['AWS_ENDPOINT_URL'] || undefined;
  if (endpoint !== undefined && !(URL.canParse(endpoint) && /^https?:$/.test(new URL(endpoint).protocol))) {
    throw badSetting('AWS_ENDPOINT_URL_S3', endpoint, 'give a URL such as https://s3.example.org');
  }
  const bucket = env['ESPALIER_BUCKET'] || 'espalier';
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    throw badSetting('ESPALIER_BUCKET', bucket, 'give 3 to 63 lower-case letters, digits, dots and hyphens');
  }
  const prefix = (env['ESPALIER_PREFIX'] ?? '').replaceAll(/^\/+|\/+$/g, '');
  const pathStyle = env['ESPALIER_S3_PATH_STYLE'] || String(endpoint !== undefined);
  if (!/^(true|false)$/.test(pathStyle)) throw badSetting('ESPALIER_S3_PATH_STYLE', pathStyle, 'give true or false');
  const cacheMb = Number(env['ESPALIER_CACHE_MB'] || 20_480);
  if (!(cacheMb > 0)) throw badSetting('ESPALIER_CACHE_MB', env['ESPALIER_CACHE_MB'], 'give a number of MiB above 0');
  return {
    endpoint,
    // Other stores ignore the region, but every signature needs one.
    region: env['AWS_REGION'] || env['AWS_DEFAULT_REGION'] || (endpoint === undefined ? undefined : 'us-east-1'),
    pathStyle: pathStyle === 'true',
    bucket,
    prefix: prefix === '' ? '' : `${prefix}/`,
    cacheDir: join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'espalier', 'blobs'),
    cacheBytes: cacheMb * MIB,
  };
}

/**
 * A client with the SDK's own credential chain. An `env` other than the process's stands for itself: its keys are used,
 * because the chain would read the process's.
 */
export function createS3Client(settings: StoreSettings, env: NodeJS.ProcessEnv = process.env): S3Client {
  // Our Node floor is package.json's business; the warning would land in the middle of a user's output.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  const accessKeyId = env['AWS_ACCESS_KEY_ID'];
  const secretAccessKey = env['AWS_SECRET_ACCESS_KEY'];
  const sessionToken = env['AWS_SESSION_TOKEN'];
  return new S3Client({
    ...(settings.endpoint === undefined ? {} : { endpoint: settings.endpoint }),
    ...(settings.region === undefined ? {} : { region: settings.region }),
    ...(env !== process.env && accessKeyId && secretAccessKey
      ? { credentials: { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) } }
      : {}),
    // Blobs are verified against their digest by us; a second checksum of every byte would be computed for nothing.
    ...(env['AWS_RESPONSE_CHECKSUM_VALIDATION'] ? {} : { responseChecksumValidation: 'WHEN_REQUIRED' as const }),
    forcePathStyle: settings.pathStyle,
    // What fails is told by our errors; the SDK would also write to the user's terminal.
    logger: SILENT,
    cacheMiddleware: true,
    // It would open a connection of its own for every part, and wait for a round trip.
    expectContinueHeader: false,
    // A dead host must be told within seconds; a slow completion of a large multipart upload may be silent for long.
    requestHandler: {
      connectionTimeout: 2_000,
      socketTimeout: 120_000,
      httpsAgent: { maxSockets: 64 },
      httpAgent: { maxSockets: 64 },
    },
  });
}

/** `bucket at endpoint`, for messages. */
export function describeStore(settings: StoreSettings): string {
  return `bucket '${settings.bucket}' at ${settings.endpoint ?? 'AWS S3'}`;
}

function badSetting(name: string, value: string | undefined, fix: string): EspalierError {
  return new EspalierError('BadConfig', `${name} is '${value ?? ''}'`, { where: name, fix });
}
