/**
 * How whoever stores and whoever collects garbage stay out of each other's way (collect.ts, sweep.ts). Storing what is there
 * already sends nothing, so an old blob would look abandoned to a collection although somebody counts on it from now
 * on: it is touched, by a marker beside it. (A copy onto itself would do on AWS up to 5 GB; versitygw keeps the old age.)
 *
 * The collection lists and deletes a page of blobs while it holds the lease; whoever touches writes the marker first and
 * reads the lease then. Either the page is listed after the marker was written, and the blob is spared; or the lease is
 * seen, its end is waited for, and then the blob is there or is stored again. Clocks must agree within half a minute.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObjectInfo, ObjectStore } from './object-store.ts';

/** A blob younger than this is not touched: whoever found it must name it before the shortest grace has passed. */
const TOUCH_AFTER_MS = 24 * 3600_000;
/** Twice that: what was found untouched is safe for a day more, longer than any step keeps a result unnamed. */
export const MIN_GRACE_MS = 2 * TOUCH_AFTER_MS;

export const TOUCHED = 'touched/';
export const LEASE_KEY = 'collection';
const POLL_MS = 250;

/** The right to delete: held for one page at a time. */
export interface CollectionLease {
  readonly version: 1;
  /** Another one for every page. */
  readonly id: string;
  readonly until: string;
}

/** The marker of a blob, by the blob's key: they are listed in the same order. */
export function touchKey(blob: string): string {
  return blob.replace(/^blobs\//, TOUCHED);
}

export function isYoung({ modifiedAtMs }: Pick<ObjectInfo, 'modifiedAtMs'>, nowMs = Date.now()): boolean {
  return nowMs - modifiedAtMs < TOUCH_AFTER_MS;
}

/** Makes a blob as good as new for collections. false: one has just deleted it. */
export async function touch(objects: ObjectStore, blob: string, signal?: AbortSignal): Promise<boolean> {
  await objects.putBytes(touchKey(blob), Buffer.alloc(0), { signal });
  const { lease: seen } = await readLease(objects, signal);
  for (let now = seen; now !== undefined && now.id === seen?.id; now = (await readLease(objects, signal)).lease) {
    await sleep(POLL_MS, undefined, signal === undefined ? {} : { signal });
  }
  return (await objects.head(blob, signal)) !== undefined;
}

/** The lease that is held now, if any, and the version of its object. */
export async function readLease(
  objects: ObjectStore,
  signal?: AbortSignal,
): Promise<{ readonly lease: CollectionLease | undefined; readonly etag: string | undefined }> {
  const found = await objects.getBytes(LEASE_KEY, signal);
  if (found === undefined) return { lease: undefined, etag: undefined };
  const lease = JSON.parse(found.bytes.toString('utf8')) as CollectionLease;
  return { lease: Date.parse(lease.until) > Date.now() ? lease : undefined, etag: found.etag };
}
