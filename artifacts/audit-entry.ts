/** One entry of the audit log: sealed by a digest of its own, and by the next one's. Pure. */
import { canonicalJson } from './canonical-json.ts';
import type { AuditEvent } from './audit-events.ts';
import { digestJson } from './digest.ts';
import { EspalierError } from './errors.ts';
import type { Digest } from './reference.ts';

export interface AuditEntry {
  readonly version: 1;
  readonly seq: number;
  readonly at: string;
  /** Tells this entry from another writer's with the same event. */
  readonly id: string;
  /** Digest of the entry before; null in the first. */
  readonly previous: Digest | null;
  readonly event: AuditEvent;
  /** Of all the rest: the last entry, which no other follows, shows a change by it. */
  readonly digest: Digest;
}

export function sealed(content: Omit<AuditEntry, 'digest'>): { readonly entry: AuditEntry; readonly bytes: Buffer } {
  const entry: AuditEntry = { ...content, digest: digestJson(content) };
  return { entry, bytes: Buffer.from(canonicalJson(entry)) };
}

/** Why these bytes are not entry `seq` behind `previous`; undefined where they are. */
export function linkProblem(key: string, bytes: Buffer, seq: number, previous: Digest | null): string | undefined {
  let entry: Partial<AuditEntry>;
  try {
    entry = (JSON.parse(bytes.toString('utf8')) ?? {}) as Partial<AuditEntry>;
  } catch {
    return `${key} is not JSON`;
  }
  if (entry.seq !== seq) return `${key} says it is entry ${entry.seq}`;
  if (entry.previous !== previous) return `${key} follows ${entry.previous}, but the entry before is ${previous}`;
  const { digest, ...content } = entry;
  if (digest !== digestJson(content) || !bytes.equals(Buffer.from(canonicalJson(entry)))) {
    return `${key} was changed: it is not what its digest says`;
  }
  return undefined;
}

export function sequenceOf(key: string): number {
  const seq = Number(key.slice('audit/'.length));
  if (Number.isSafeInteger(seq)) return seq;
  throw new EspalierError('Corrupt', `${key} does not belong into the audit log`, { where: key });
}
