/** What the S3 client throws, in our words: which endpoint, which bucket, and the way out. Pure. */
import { EspalierError } from './errors.ts';
import { describeStore, type StoreSettings } from './settings.ts';

interface ServiceError {
  readonly name?: string;
  readonly code?: string;
  readonly message?: string;
  readonly path?: string;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number };
}

const NETWORK_CODES = new Set(
  'ECONNREFUSED ECONNRESET ECONNABORTED EPIPE ENOTFOUND EAI_AGAIN ETIMEDOUT EHOSTUNREACH ENETUNREACH ERR_STREAM_PREMATURE_CLOSE'.split(
    ' ',
  ),
);
const NETWORK_NAMES = new Set(['TimeoutError', 'RequestTimeout', 'SlowDown', 'InternalError', 'ServiceUnavailable']);
const DENIED_NAMES = new Set(
  'AccessDenied InvalidAccessKeyId XAdminUserNotFound SignatureDoesNotMatch ExpiredToken InvalidToken CredentialsProviderError NoSuchBucket InvalidBucketName PermanentRedirect'.split(
    ' ',
  ),
);

export function statusOf(error: unknown): number | undefined {
  return (error as ServiceError | null)?.$metadata?.httpStatusCode;
}

export function nameOf(error: unknown): string {
  return (error as ServiceError | null)?.name ?? '';
}

/** How often the SDK sent the request that failed: above 1, an earlier try may have had its effect. */
export function attemptsOf(error: unknown): number {
  return (error as ServiceError | null)?.$metadata?.attempts ?? 1;
}

/** Worth another try: the network or the service failed, not the request. */
export function isTransient(error: unknown): boolean {
  if (error instanceof EspalierError) return error.kind === 'StorageUnavailable';
  const { code, message, path } = (error ?? {}) as ServiceError;
  if (path !== undefined) return false; // a local file's error
  if ((statusOf(error) ?? 0) >= 500 || statusOf(error) === 429) return true;
  // versitygw's answer to a connection whose earlier request was not read to its end: another connection will do.
  if (nameOf(error) === 'BadRequest' && /parsing the HTTP request/.test(message ?? '')) return true;
  return (
    NETWORK_NAMES.has(nameOf(error)) ||
    NETWORK_CODES.has(code ?? '') ||
    /socket hang up|aborted|premature close/i.test(nameOf(error) === 'AbortError' ? '' : (message ?? ''))
  );
}

/** Missing object (not: missing bucket). */
export function isMissing(error: unknown): boolean {
  return nameOf(error) === 'NoSuchKey' || nameOf(error) === 'NotFound';
}

/**
 * A conditional write was lost. Both 412 (the object is there) and 409 (a race was lost) say so; but 409 is also
 * versitygw's answer to a key below another key.
 */
export function isLostCondition(error: unknown): boolean {
  if (statusOf(error) === 412) return true;
  return statusOf(error) === 409 && !/ParentIsFile|IsDirectory/.test(nameOf(error));
}

/** Converts what a call for `key` threw. Errors of ours, of the local disk and aborts pass unchanged. */
export function toStorageError(error: unknown, settings: StoreSettings, key: string): unknown {
  if (error instanceof EspalierError || nameOf(error) === 'AbortError') return error;
  const { name = '', message = '', path, code } = (error ?? {}) as ServiceError;
  if (path !== undefined || code === 'ENOSPC') return error;
  const where = `s3://${settings.bucket}/${key}`;
  const status = statusOf(error);
  const store = describeStore(settings);
  const detail = `${name}${message === '' || message === name ? '' : `: ${message}`}`;
  if (isTransient(error)) {
    return new EspalierError('StorageUnavailable', `cannot reach the S3 store (${store}): ${detail || code}`, {
      where,
      fix: 'check AWS_ENDPOINT_URL_S3 and that the store runs; then `espalier doctor`',
      cause: error,
    });
  }
  if (DENIED_NAMES.has(name) || status === 403 || status === 401) {
    return new EspalierError('StorageDenied', `the S3 store refused (${store}): ${detail}`, {
      where,
      fix: deniedFix(name, settings),
      cause: error,
    });
  }
  // The SDK's own word, without a name or code: what it read has not the checksum that the store keeps for it.
  if (message.startsWith('Checksum mismatch: expected')) {
    return new EspalierError('Corrupt', `the stored bytes of ${key} are not what was stored`, {
      where,
      fix: 'store the artifact again (it replaces damaged bytes), or restore the object from a backup',
      cause: error,
    });
  }
  if (/BadDigest|ChecksumMismatch|XAmzContentSHA256Mismatch|IncompleteBody/.test(name)) {
    return new EspalierError('Conflict', `the content changed while it was being stored: ${detail}`, {
      where,
      fix: 'store it again once nothing writes to the file',
      cause: error,
    });
  }
  return new EspalierError('Internal', `the S3 store failed (${store}): ${detail}`, { where, cause: error });
}

function deniedFix(name: string, settings: StoreSettings): string {
  if (name === 'NoSuchBucket') return `create the bucket '${settings.bucket}', or name another one in ESPALIER_BUCKET`;
  if (name === 'CredentialsProviderError') return 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE';
  if (name === 'InvalidBucketName') return 'give a valid name in ESPALIER_BUCKET';
  if (name === 'PermanentRedirect') return "set AWS_REGION to the bucket's region";
  return `check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and their rights on the bucket '${settings.bucket}' (ESPALIER_BUCKET)`;
}
