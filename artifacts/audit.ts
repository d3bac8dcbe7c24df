/**
 * The log of what changed in the registry: `audit/<sequence>`, each entry with the digest of the one before. An entry
 * is created only where there is none, so writers at the same moment never fork the chain; changing or removing an
 * entry breaks it for all to see. Cutting off its end does not: `verify` gives the head's digest to be kept elsewhere.
 */
import { randomUUID } from 'node:crypto';
import { canonicalJson } from './canonical-json.ts';
import { digestBytes } from './digest.ts';
import { EspalierError } from './errors.ts';
import type { ObjectStore } from './object-store.ts';
import type { Digest } from './reference.ts';

export interface AuditEntry {
  readonly version: 1;
  readonly seq: number;
  readonly at: string;
  /** Tells this entry from another writer's with the same event. */
  readonly id: string;
  /** Digest of the entry before; null in the first. */
  readonly previous: Digest | null;
  readonly event: unknown;
}

export interface AuditVerdict {
  readonly ok: boolean;
  readonly entries: number;
  /** Digest of the last good entry. */
  readonly head: Digest | null;
  /** The first broken link. */
  readonly problem: string | null;
}

/** Writers that lose this often in a row are not racing: something is wrong. */
const MAX_LOST = 1000;

export class AuditLog {
  readonly #objects: ObjectStore;
  /** Where the search for the end starts: the log only grows. */
  #last: string | undefined;

  constructor(objects: ObjectStore) {
    this.#objects = objects;
  }

  async append(event: unknown): Promise<AuditEntry> {
    for (let lost = 0; lost < MAX_LOST; lost++) {
      const last = (await this.#objects.list('audit/', { after: this.#last })).at(-1) ?? this.#last;
      this.#last = last;
      const before = last === undefined ? undefined : await this.#read(last);
      const entry: AuditEntry = {
        version: 1,
        seq: last === undefined ? 1 : sequenceOf(last) + 1,
        at: new Date().toISOString(),
        id: randomUUID(),
        previous: before === undefined ? null : digestBytes(before),
        event,
      };
      const bytes = Buffer.from(canonicalJson(entry));
      if ((await this.#objects.putBytes(keyOf(entry.seq), bytes, { condition: 'absent' })) !== undefined) return entry;
    }
    throw new EspalierError('Conflict', `could not append to the audit log in ${MAX_LOST} tries`, {
      where: 'audit/',
      fix: 'check that the store honours conditional writes: `espalier doctor`',
    });
  }

  /** Walks the whole chain. */
  async verify(): Promise<AuditVerdict> {
    let entries = 0;
    let head: Digest | null = null;
    for (const key of await this.#objects.list('audit/')) {
      const bytes = await this.#read(key);
      const problem = linkProblem(key, bytes, entries + 1, head);
      if (problem !== undefined) return { ok: false, entries, head, problem };
      head = digestBytes(bytes);
      entries++;
    }
    return { ok: true, entries, head, problem: null };
  }

  async #read(key: string): Promise<Buffer> {
    const found = await this.#objects.getBytes(key);
    if (found !== undefined) return found.bytes;
    throw new EspalierError('Corrupt', `${key} is gone from the audit log`, { where: key });
  }
}

function linkProblem(key: string, bytes: Buffer, seq: number, previous: Digest | null): string | undefined {
  if (key !== keyOf(seq)) return `${keyOf(seq)} is missing: ${key} follows`;
  let entry: Partial<AuditEntry>;
  try {
    entry = JSON.parse(bytes.toString('utf8')) as Partial<AuditEntry>;
  } catch {
    return `${key} is not JSON`;
  }
  if (entry.seq !== seq) return `${key} says it is entry ${entry.seq}`;
  if (entry.previous !== previous) return `${key} follows ${entry.previous}, but the entry before is ${previous}`;
  return undefined;
}

function keyOf(seq: number): string {
  return `audit/${String(seq).padStart(12, '0')}`;
}

function sequenceOf(key: string): number {
  const seq = Number(key.slice('audit/'.length));
  if (Number.isSafeInteger(seq)) return seq;
  throw new EspalierError('Corrupt', `${key} does not belong into the audit log`, { where: key });
}
