/** Small JSON objects under their key, changed only by compare-and-swap. Those below `registry/`, `tokens/`, `keys/` and `delegations/` are audited. */
import type { AuditEvent } from './audit-events.ts';
import type { AuditLog } from './audit.ts';
import { canonicalJson } from './canonical-json.ts';
import { digestBytes } from './digest.ts';
import { EspalierError } from './errors.ts';
import type { ObjectStore } from './object-store.ts';

export interface Pointer<T> {
  readonly value: T;
  /** The version to hand back to `replace` (an ETag). */
  readonly version: string;
}

const AUDITED = /^(registry|tokens|keys|delegations)\//;
/** Content has its own room, and the log keeps itself. */
const RESERVED = /^(blobs|audit)\//;
const KEY = /^[A-Za-z0-9_.@=+-]+(\/[A-Za-z0-9_.@=+-]+)*$/;
const MAX_KEY_LENGTH = 900;

/** What the audit log tells of a change, when that is more than where it was. */
export type Told = DistributiveOmit<Extract<AuditEvent, { value: unknown }>, 'key' | 'value' | 'version'>;
type DistributiveOmit<T, K extends string> = T extends unknown ? Omit<T, K> : never;

export class Pointers {
  readonly #objects: ObjectStore;
  readonly #audit: AuditLog;

  constructor(objects: ObjectStore, audit: AuditLog) {
    this.#objects = objects;
    this.#audit = audit;
  }

  /** Throws Corrupt for an object that is not JSON. */
  async read<T>(key: string): Promise<Pointer<T> | undefined> {
    const found = await this.#objects.getBytes(checked(key));
    if (found === undefined) return undefined;
    try {
      return { value: JSON.parse(found.bytes.toString('utf8')) as T, version: found.etag };
    } catch (error) {
      throw new EspalierError('Corrupt', `the pointer ${key} is not JSON`, { where: key, cause: error });
    }
  }

  /** false: somebody else was first. */
  async create<T>(key: string, value: T, told?: Told): Promise<boolean> {
    return this.replace(key, value, undefined, told);
  }

  /**
   * false: it moved in between. `version` undefined = must not exist yet. A change of an audited one stands in the
   * audit log before it happens, so that none can happen unseen; one that then lost its race is marked there.
   */
  async replace<T>(
    key: string,
    value: T,
    version: string | undefined,
    told: Told = { action: 'pointer.replace' },
  ): Promise<boolean> {
    const bytes = Buffer.from(canonicalJson(value));
    const condition = version === undefined ? ('absent' as const) : { etag: version };
    const write = async (): Promise<boolean> =>
      (await this.#objects.putBytes(checked(key), bytes, { condition, contentType: 'application/json' })) !== undefined;
    if (!AUDITED.test(key)) return write();
    const { seq } = await this.#audit.append({ ...told, key, value: digestBytes(bytes), version: version ?? null });
    const won = await write();
    if (!won) await this.#audit.append({ action: 'pointer.lost', key, seq });
    return won;
  }

  /** Keys that start with the prefix, in order. */
  async list(prefix: string): Promise<readonly string[]> {
    return this.#objects.list(prefix);
  }
}

function checked(key: string): string {
  const bad = !KEY.test(key) || key.split('/').some((part) => /^\.+$/.test(part)) || key.length > MAX_KEY_LENGTH;
  if (bad || RESERVED.test(key)) {
    throw new EspalierError('BadConfig', `'${key}' cannot be the key of a pointer`, {
      where: key,
      fix: "use letters, digits and _.@=+- between single slashes, not below 'blobs/' or 'audit/'",
    });
  }
  return key;
}
