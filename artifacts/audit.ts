/**
 * The log of who changed what: `audit/<sequence>`, each entry with the digest of the one before. An entry is created
 * only where there is none, so writers at the same moment never fork the chain; changing or removing an entry breaks it
 * for all to see. Cutting off its end does not, nor does writing all of it anew: `verify` gives the head's digest to be
 * kept elsewhere, and looks for one that was.
 */
import { randomUUID } from 'node:crypto';
import type { AuditEvent } from './audit-events.ts';
import { linkProblem, sealed, sequenceOf, type AuditEntry } from './audit-entry.ts';
import { forEachParallel } from './concurrency.ts';
import { digestBytes } from './digest.ts';
import { EspalierError } from './errors.ts';
import type { ObjectStore } from './object-store.ts';
import type { Digest } from './reference.ts';

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
const PREFIX = 'audit/';
/** Entries read at a time: a long log is walked in seconds, and never held as a whole. */
const PAGE = 512;
const READERS = 16;

export class AuditLog {
  readonly #objects: ObjectStore;
  /** Where the search for the end starts: the log only grows. */
  #last: string | undefined;

  constructor(objects: ObjectStore) {
    this.#objects = objects;
  }

  async append(event: AuditEvent): Promise<AuditEntry> {
    for (let lost = 0; lost < MAX_LOST; lost++) {
      const last = (await this.#objects.list(PREFIX, { after: this.#last })).at(-1) ?? this.#last;
      this.#last = last;
      const before = last === undefined ? undefined : await this.#read(last);
      const { entry, bytes } = sealed({
        version: 1,
        seq: last === undefined ? 1 : sequenceOf(last) + 1,
        at: new Date().toISOString(),
        id: randomUUID(),
        previous: before === undefined ? null : digestBytes(before),
        event,
      });
      const key = keyOf(entry.seq);
      if ((await this.#objects.putBytes(key, bytes, { condition: 'absent' })) !== undefined) return entry;
    }
    throw new EspalierError('Conflict', `could not append to the audit log in ${MAX_LOST} tries`, {
      where: PREFIX,
      fix: 'check that the store honours conditional writes: `espalier doctor`',
    });
  }

  /**
   * Walks the whole chain. `kept`: the head of an earlier walk, kept where whoever writes to the store cannot; a chain
   * without it was cut off, or written anew, after that walk.
   */
  async verify(kept?: Digest): Promise<AuditVerdict> {
    let entries = 0;
    let head: Digest | null = null;
    let seen = kept === undefined;
    for await (const { key, bytes } of this.#walk()) {
      const expected = keyOf(entries + 1);
      const problem =
        key === expected ? linkProblem(key, bytes, entries + 1, head) : `${expected} is missing: ${key} follows`;
      if (problem !== undefined) return { ok: false, entries, head, problem };
      head = digestBytes(bytes);
      seen ||= head === kept;
      entries++;
    }
    const problem = seen ? null : `no entry is ${kept}: the log was cut off or written anew since that was its head`;
    return { ok: seen, entries, head, problem };
  }

  /** The entries from the oldest on, as they stand: `verify` says whether they may be believed. */
  async *entries(): AsyncGenerator<AuditEntry> {
    for await (const { key, bytes } of this.#walk()) {
      try {
        yield JSON.parse(bytes.toString('utf8')) as AuditEntry;
      } catch (error) {
        throw new EspalierError('Corrupt', `${key} is not JSON`, {
          where: key,
          fix: '`espalier audit verify` says what is whole',
          cause: error,
        });
      }
    }
  }

  async *#walk(): AsyncGenerator<{ readonly key: string; readonly bytes: Buffer }> {
    const keys = await this.#objects.list(PREFIX);
    for (let from = 0; from < keys.length; from += PAGE) {
      const page = keys.slice(from, from + PAGE);
      const found = new Map<string, Buffer>();
      await forEachParallel(page, READERS, undefined, async (key) => void found.set(key, await this.#read(key)));
      for (const key of page) yield { key, bytes: found.get(key) ?? Buffer.alloc(0) };
    }
  }

  async #read(key: string): Promise<Buffer> {
    const found = await this.#objects.getBytes(key);
    if (found !== undefined) return found.bytes;
    throw new EspalierError('Corrupt', `${key} is gone from the audit log`, { where: key });
  }
}

function keyOf(seq: number): string {
  return `${PREFIX}${String(seq).padStart(12, '0')}`;
}
