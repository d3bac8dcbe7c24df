/**
 * Deletes what a collection (collect.ts) has not reached: page by page under the lease (touch.ts), each page judged by a
 * listing from after the lease was taken, in one request that is sent once.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Marked } from './collect.ts';
import { forEachParallel, retrying } from './concurrency.ts';
import { EspalierError } from './errors.ts';
import type { ObjectEntry, ObjectStore } from './object-store.ts';
import { PARTIAL } from './step-records.ts';
import { LEASE_KEY, readLease, TOUCHED, touchKey, type CollectionLease } from './touch.ts';

export interface Amount {
  readonly blobs: number;
  readonly bytes: number;
}

export interface Swept {
  /** What nothing reaches: deleted, or only counted. */
  readonly garbage: Amount;
  /** Unreached, but within the grace. */
  readonly young: Amount;
  readonly kept: Amount;
}

const BLOB = /^blobs\/sha256\/[0-9a-f]{2}\/([0-9a-f]{64})$/;

export interface SweepOptions {
  /** false counts only. */
  readonly remove: boolean;
  /** Blobs looked at, and deleted, at a time. @default 500 */
  readonly pageSize?: number;
  readonly onProgress?: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** Deletes, or counts, what is neither marked nor young. May be killed anywhere, and run twice at once. */
export async function sweep(objects: ObjectStore, marked: Marked, options: SweepOptions): Promise<Swept> {
  const { remove, pageSize = 500, signal, onProgress = () => {} } = options;
  const total = { garbage: nothing(), young: nothing(), kept: nothing() };
  let after: string | undefined;
  do {
    const from = after;
    const look = (): Promise<Page> => judgePage(objects, marked, from, pageSize, signal);
    let page = await look();
    if (remove && page.doomed.length > 0) page = await retrying(() => deletePage(objects, look, options), signal);
    add(total.garbage, page.doomed);
    add(total.young, page.young);
    add(total.kept, page.kept);
    const { blobs, bytes } = total.garbage;
    onProgress(`${remove ? 'deleted' : 'found'} ${blobs} blobs, ${Math.round(bytes / 2 ** 20)} MiB`);
    after = page.next;
  } while (after !== undefined);
  return total;
}

/**
 * Deletes, or counts, what attempts have left for others (step-records.ts) and that is older. Nothing depends on it: what is
 * gone is computed again. May be killed anywhere, and run twice at once.
 */
export async function sweepPartials(
  objects: ObjectStore,
  before: number,
  { remove, signal }: Pick<SweepOptions, 'remove' | 'signal'>,
): Promise<number> {
  let count = 0;
  let after: string | undefined;
  do {
    const { entries, next } = await objects.page(PARTIAL, { after, signal });
    const old = entries.filter(({ modifiedAtMs }) => modifiedAtMs < before);
    if (remove) await forEachParallel(old, PARALLEL, signal, ({ key }) => objects.delete(key));
    count += old.length;
    after = next;
  } while (after !== undefined);
  return count;
}

const PARALLEL = 16;

interface Page {
  readonly doomed: readonly ObjectEntry[];
  readonly young: readonly ObjectEntry[];
  readonly kept: readonly ObjectEntry[];
  /** Markers there are. */
  readonly markers: ReadonlyMap<string, number>;
  readonly next: string | undefined;
}

async function judgePage(
  objects: ObjectStore,
  marked: Marked,
  after: string | undefined,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<Page> {
  const { entries, next } = await objects.page('blobs/', { after, limit, signal });
  const blobs = entries.filter(({ key }) => BLOB.test(key));
  const isKept = ({ key }: ObjectEntry): boolean => marked.has(`sha256:${BLOB.exec(key)?.[1] ?? ''}`);
  const unreached = blobs.filter((blob) => !isKept(blob));
  const old = unreached.filter(({ modifiedAtMs }) => modifiedAtMs < marked.before);
  // After the blobs: a marker written before they were listed is seen.
  const markers = old.length === 0 ? new Map<string, number>() : await markersOf(objects, old, signal);
  const doomed = old.filter(({ key }) => (markers.get(touchKey(key)) ?? 0) < marked.before);
  const leaving = new Set(doomed);
  return { doomed, markers, young: unreached.filter((blob) => !leaving.has(blob)), kept: blobs.filter(isKept), next };
}

/** When the blobs, given in order, were touched. */
async function markersOf(
  objects: ObjectStore,
  blobs: readonly ObjectEntry[],
  signal: AbortSignal | undefined,
): Promise<Map<string, number>> {
  const wanted = new Set(blobs.map(({ key }) => touchKey(key)));
  const [first, last] = [touchKey(blobs[0]?.key ?? ''), touchKey(blobs.at(-1)?.key ?? '')];
  const found = new Map<string, number>();
  // A key's start without its last character stands before it, and after all that this page does not need.
  let after: string | undefined = first.slice(0, -1);
  while (after !== undefined && after < last) {
    const { entries, next }: { entries: readonly ObjectEntry[]; next: string | undefined } = await objects.page(
      TOUCHED,
      {
        after,
        signal,
      },
    );
    for (const { key, modifiedAtMs } of entries) if (wanted.has(key)) found.set(key, modifiedAtMs);
    after = next;
  }
  return found;
}

/** From taking the lease: a deletion is sent within the first, has an answer within the second, and is over by the last. */
const SEND_WITHIN_MS = 30_000;
const ANSWER_WITHIN_MS = 60_000;
const LEASE_MS = 120_000;

/** Judges the page anew under the lease, then deletes. Throws StorageUnavailable when that took too long. */
async function deletePage(objects: ObjectStore, look: () => Promise<Page>, options: SweepOptions): Promise<Page> {
  const lease = await takeLease(objects, options);
  let isUnderWay = false;
  try {
    const page = await look();
    // The marker after its blob: one that is left over does no harm.
    const keys = page.doomed.flatMap(({ key }) => (page.markers.has(touchKey(key)) ? [key, touchKey(key)] : [key]));
    if (performance.now() - lease.takenAt > SEND_WITHIN_MS) throw tooSlow(objects);
    isUnderWay = true;
    if (keys.length > 0) await deleteInTime(objects, keys, options.signal);
    isUnderWay = false;
    return page;
  } finally {
    // After a deletion without an answer whoever waits must wait for the lease's end.
    if (!isUnderWay) await endLease(objects, lease);
  }
}

async function deleteInTime(objects: ObjectStore, keys: readonly string[], signal?: AbortSignal): Promise<void> {
  const patience = AbortSignal.timeout(ANSWER_WITHIN_MS - SEND_WITHIN_MS);
  try {
    await objects.deleteOnce(keys, signal === undefined ? patience : AbortSignal.any([signal, patience]));
  } catch (error) {
    throw patience.aborted ? tooSlow(objects, error) : error;
  }
}

function tooSlow(objects: ObjectStore, cause?: unknown): EspalierError {
  return new EspalierError('StorageUnavailable', 'the S3 store is too slow for a safe deletion', {
    where: `s3://${objects.settings.bucket}`,
    fix: 'run it again when the store is less busy: it goes on where it ended',
    cause,
  });
}

interface HeldLease {
  readonly id: string;
  readonly etag: string;
  /** By `performance.now()`, before it was asked for. */
  readonly takenAt: number;
}

/** Waits while another collection deletes; one that was killed is waited for at most two minutes. */
async function takeLease(objects: ObjectStore, { signal, onProgress }: SweepOptions): Promise<HeldLease> {
  for (;;) {
    const { lease: held, etag: version } = await readLease(objects, signal);
    if (held === undefined) {
      const [id, takenAt] = [randomUUID(), performance.now()];
      const bytes = leaseBytes(id, Date.now() + LEASE_MS);
      const condition = version === undefined ? ('absent' as const) : { etag: version };
      const etag = await objects.putBytes(LEASE_KEY, bytes, { condition, signal });
      if (etag !== undefined) return { id, etag, takenAt };
    } else onProgress?.('waiting for another collection, or for the end of one that was killed');
    await sleep(250, undefined, signal === undefined ? {} : { signal });
  }
}

/** A lease that cannot be ended here ends by itself. */
async function endLease(objects: ObjectStore, { id, etag }: HeldLease): Promise<void> {
  await objects.putBytes(LEASE_KEY, leaseBytes(id, 0), { condition: { etag } }).catch(() => {});
}

function leaseBytes(id: string, untilMs: number): Buffer {
  const lease: CollectionLease = { version: 1, id, until: new Date(untilMs).toISOString() };
  return Buffer.from(JSON.stringify(lease));
}

function nothing(): { blobs: number; bytes: number } {
  return { blobs: 0, bytes: 0 };
}

function add(amount: { blobs: number; bytes: number }, entries: readonly ObjectEntry[]): void {
  amount.blobs += entries.length;
  amount.bytes += entries.reduce((sum, { size }) => sum + size, 0);
}
