/**
 * The collection of garbage: what nothing reaches and nobody has stored or found for the grace is deleted. Here: what is
 * reached. Deleting: sweep.ts.
 *
 * Reached is every digest in anything that names content: in every object that is not content itself (step records,
 * registry, deployments, checkpoints, audit log, predictions, whatever comes later), in the histories of all runs that
 * Temporal still knows, and, on and on, in every document reached: tree manifests, release records, facts, run inputs.
 * No schema is asked: a digest counts wherever it stands. Only checkpoints that were let go do not count, nor those of
 * a training that has ended.
 *
 * Why nothing is lost that a live run can reach: all it can name it has read from one of these, or it has stored or
 * found it itself. The first was reached, since what names it does not go away. The second is younger than the grace,
 * counted from before the marking: by its object, or by its marker (touch.ts, which also keeps a deletion under way from
 * taking what is found at that moment). So the order of deletion does not matter, and a collection that was killed is
 * simply begun again.
 */
import { forEachParallel } from './concurrency.ts';
import { digestBytes } from './digest.ts';
import { EspalierError } from './errors.ts';
import type { ObjectEntry, ObjectStore } from './object-store.ts';
import { hexOf, isArtifactRef, TREE_MEDIA_TYPE, type Digest } from './reference.ts';
import { PARTIAL, stepRecordKey } from './step-records.ts';
import { blobKey } from './store.ts';
import { LEASE_KEY, MIN_GRACE_MS, TOUCHED } from './touch.ts';

/** A run of any kind and age, and all text of its history. */
export interface RunTexts {
  readonly runId: string;
  readonly open: boolean;
  readonly texts: readonly string[];
}

export interface MarkOptions {
  /** At least two days (MIN_GRACE_MS). */
  readonly graceMs: number;
  /** Also the checkpoints of trainings that have ended. @default false */
  readonly keepCheckpoints?: boolean;
  readonly onProgress?: (text: string) => void;
  readonly signal?: AbortSignal;
}

export interface Marked {
  /** What is younger stays, reached or not. Fixed before the marking began. */
  readonly before: number;
  has(digest: Digest): boolean;
}

const PARALLEL = 16;
/** Content this small is read whole and verified; larger content is read on if it begins like a document of ours. */
const START_BYTES = 256 * 1024;
/** Nothing larger can be a document: `getBytes` refuses it, too. */
const MAX_DOCUMENT_BYTES = 256 * 2 ** 20;
/** A larger object outside the blobs is somebody's data, e.g. what a definition names by s3://. */
const MAX_POINTER_BYTES = 64 * 2 ** 20;
const DOCUMENTS = new Set([TREE_MEDIA_TYPE, 'application/json']);
const POINTERS = /^(steps|registry|deployments|checkpoints|audit|predictions)\//;
const CHECKPOINTS = /^checkpoints\/([0-9a-f]{64})\/(latest|fresh)/;
const DIGEST = /sha256:[0-9a-f]{64}/g;

/** Every digest in a text, and whether it is said to be a document's. Text that is not JSON is searched, too. */
export function named(text: string): ReadonlyMap<Digest, boolean> {
  const found = new Map<Digest, boolean>();
  const search = (value: string): void => {
    for (const [digest] of value.matchAll(DIGEST)) found.set(digest as Digest, found.get(digest as Digest) ?? false);
  };
  const pending: unknown[] = [];
  try {
    pending.push(JSON.parse(text));
  } catch {
    search(text);
  }
  while (pending.length > 0) {
    const value = pending.pop();
    if (typeof value === 'string') search(value);
    if (typeof value !== 'object' || value === null) continue;
    if (isArtifactRef(value) && DOCUMENTS.has(value.mediaType)) found.set(value.digest, true);
    for (const [key, part] of Object.entries(value)) pending.push(key, part);
  }
  return found;
}

/** What matters here of a checkpoint pointer (activities/training/checkpoints.ts). */
interface CheckpointFacts {
  readonly runId?: string;
  readonly renewedAt?: string;
  readonly checkpoints?: unknown;
  readonly superseded?: readonly { readonly at: string }[];
}

/**
 * A checkpoint pointer without what it does not keep. `ended`: its step has a record, or the one run that may use it is
 * over: nobody goes on from it any more.
 */
export function keptOf(pointer: CheckpointFacts, ended: boolean, before: number): CheckpointFacts {
  // Whatever has no date counts as new.
  const isOld = (at: string | undefined): boolean => Date.parse(at ?? '') < before;
  const { checkpoints, superseded = [], ...rest } = pointer;
  return {
    ...rest,
    ...(ended && isOld(pointer.renewedAt) ? {} : { checkpoints }),
    superseded: superseded.filter(({ at }) => !isOld(at)),
  };
}

/**
 * Finds all that is reached. Throws Corrupt, naming it, for a pointer or document that cannot be read: it could hold
 * anything. What is missing altogether reaches nothing.
 */
export async function mark(objects: ObjectStore, runs: AsyncIterable<RunTexts>, options: MarkOptions): Promise<Marked> {
  const { graceMs, signal, keepCheckpoints = false, onProgress = () => {} } = options;
  if (!(graceMs >= MIN_GRACE_MS)) {
    throw new EspalierError('BadConfig', `a grace of ${graceMs / 3600_000} hours is too short`, {
      where: 'grace',
      fix: `give at least ${MIN_GRACE_MS / 3600_000} hours: uploads under way must be named within it`,
    });
  }
  const before = Date.now() - graceMs;
  /** 32 characters of a byte each: a tenth of what the digests would take as they are written. */
  const reached = new Set<string>();
  const documents = new Set<string>();
  /** Larger ones whose start was seen only. */
  const leaves = new Set<string>();
  let queue: Digest[] = [];
  const reach = (text: string): void => {
    for (const [digest, isDocument] of named(text)) {
      const key = packed(digest);
      if (isDocument) documents.add(key);
      if (!reached.has(key) || (isDocument && leaves.delete(key))) queue.push(digest);
      reached.add(key);
    }
  };

  const openRuns = new Set<string>();
  let count = 0;
  for await (const { runId, open, texts } of runs) {
    if (open) openRuns.add(runId);
    texts.forEach(reach);
    onProgress(`marking: read ${++count} runs`);
  }

  const hasEnded = async (step: string, kind: string, { runId = '' }: CheckpointFacts): Promise<boolean> =>
    kind === 'fresh'
      ? !openRuns.has(runId)
      : (await objects.head(stepRecordKey(`sha256:${step}`), signal)) !== undefined;
  const readPointer = async ({ key, size }: ObjectEntry): Promise<void> => {
    if (size > MAX_POINTER_BYTES) return;
    const text = (await objects.getBytes(key, signal))?.bytes.toString('utf8');
    if (text === undefined) return;
    if (!POINTERS.test(key)) return reach(text);
    const value = parsePointer(key, text);
    const [, step, kind] = CHECKPOINTS.exec(key) ?? [];
    if (step === undefined || kind === undefined) return reach(text);
    const pointer = value as CheckpointFacts;
    reach(JSON.stringify(keptOf(pointer, !keepCheckpoints && (await hasEnded(step, kind, pointer)), before)));
  };
  count = 0;
  for await (const page of pointerPages(objects, signal)) {
    await forEachParallel(page, PARALLEL, signal, readPointer);
    onProgress(`marking: read ${(count += page.length)} records`);
  }

  const readBlob = async (digest: Digest): Promise<void> => {
    const key = blobKey(digest);
    let found = await objects.getStart(key, START_BYTES, signal);
    if (found !== undefined && found.size > found.bytes.length) {
      const isDocument = documents.has(packed(digest)) || looksLikeDocument(found.bytes);
      if (!isDocument || found.size > MAX_DOCUMENT_BYTES) return void leaves.add(packed(digest));
      found = await objects.getStart(key, found.size, signal);
    }
    if (found === undefined) return;
    if (digestBytes(found.bytes) !== digest) throw damaged(objects, digest);
    reach(found.bytes.toString('utf8'));
  };
  count = 0;
  while (queue.length > 0) {
    const batch = queue;
    queue = [];
    await forEachParallel(batch, PARALLEL, signal, async (digest) => {
      await readBlob(digest);
      if (++count % 100 === 0) onProgress(`marking: followed ${count} references`);
    });
  }
  return { before, has: (digest) => reached.has(packed(digest)) };
}

/** Canonical JSON has no line break, data sets do: a million rows need not be read. */
function looksLikeDocument(start: Buffer): boolean {
  return start[0] === 0x7b && !start.includes(0x0a);
}

/** All objects but content, markers, the lease, and what is left for a next attempt, which names nothing. */
const SKIPPED = ['blobs/', TOUCHED, PARTIAL] as const;
async function* pointerPages(
  objects: ObjectStore,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly ObjectEntry[]> {
  let after: string | undefined;
  do {
    const { entries, next } = await objects.page('', { after, signal });
    yield entries.filter(({ key }) => !SKIPPED.some((room) => key.startsWith(room)) && key !== LEASE_KEY);
    after = next;
    // '~' sorts behind everything below: a million blobs are stepped over.
    for (const room of SKIPPED) if (after?.startsWith(room)) after = `${room}~`;
  } while (after !== undefined);
}

function parsePointer(key: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new EspalierError('Corrupt', `${key} is not JSON: what it names is not known, so nothing was deleted`, {
      where: key,
      fix: 'restore it from a backup',
      cause: error,
    });
  }
}

function damaged(objects: ObjectStore, digest: Digest): EspalierError {
  const { Bucket, Key } = objects.at(blobKey(digest));
  return new EspalierError('Corrupt', `the stored bytes of ${digest} are not what was stored: nothing was deleted`, {
    where: `s3://${Bucket}/${Key}`,
    fix: 'restore this object from a backup; or delete it, and store the artifact again if it is still needed',
  });
}

function packed(digest: Digest): string {
  return Buffer.from(hexOf(digest), 'hex').toString('latin1');
}
