/** What must hold after any run, whatever was done to it. Each check returns what is wrong, in words; nothing is well. */
import type { Client } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { StepResult } from '../../activities/contract.ts';
import type { StepRecord } from '../../activities/step.ts';
import type { ChannelPointer } from '../../artifacts/bundle.ts';
import { digestBytes } from '../../artifacts/digest.ts';
import type { OpenStore } from '../../artifacts/open.ts';
import { isArtifactRef, TREE_MEDIA_TYPE, type ArtifactRef, type Digest } from '../../artifacts/reference.ts';
import { stepRecordKey } from '../../artifacts/step-records.ts';
import { blobKey } from '../../artifacts/store.ts';

const POINTERS = ['steps/', 'registry/', 'checkpoints/', 'predictions/', 'audit/'];

export interface StoreFindings {
  readonly problems: readonly string[];
  /** Distinct artifacts that were reached and whose bytes were hashed. */
  readonly reached: number;
  readonly blobs: number;
}

/** Walks every reference from every pointer through trees and documents to the last blob, and hashes all of it. */
export async function checkStore({ objects, audit }: OpenStore): Promise<StoreFindings> {
  const problems: string[] = [];
  const seen = new Set<Digest>();
  const bytesOf = async (key: string): Promise<Buffer | undefined> => (await objects.getBytes(key))?.bytes;

  const visit = async (digest: Digest, size: number, mediaType: string, path: string): Promise<void> => {
    if (seen.has(digest)) return;
    seen.add(digest);
    const bytes = await bytesOf(blobKey(digest));
    if (bytes === undefined) return void problems.push(`lost: ${path} → ${digest}`);
    if (digestBytes(bytes) !== digest || bytes.length !== size) {
      return void problems.push(`torn: ${path} → ${digest}: ${bytes.length} of ${size} bytes`);
    }
    if (mediaType === TREE_MEDIA_TYPE) {
      const { entries } = JSON.parse(bytes.toString()) as { entries: { path: string; digest: Digest; size: number }[] };
      for (const entry of entries) await visit(entry.digest, entry.size, '', `${path}/${entry.path}`);
    } else if (mediaType === 'application/json') await walk(JSON.parse(bytes.toString()), path);
  };
  const walk = async (value: unknown, path: string): Promise<void> => {
    if (isArtifactRef(value)) await visit(value.digest, value.size, value.mediaType, path);
    else if (typeof value === 'object' && value !== null) {
      for (const [name, part] of Object.entries(value)) await walk(part, `${path}.${name}`);
    }
  };

  for (const prefix of POINTERS) {
    for (const key of await objects.list(prefix)) {
      const text = (await bytesOf(key))?.toString() ?? '';
      try {
        await walk(JSON.parse(text), key);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        problems.push(`torn: ${key} is not JSON`);
      }
    }
  }
  const blobs = await objects.list('blobs/');
  for (const key of blobs) {
    const digest = `sha256:${key.slice(key.lastIndexOf('/') + 1)}` as const;
    if (seen.has(digest)) continue;
    const bytes = await bytesOf(key);
    if (bytes === undefined || digestBytes(bytes) !== digest) problems.push(`torn: ${key}, which nothing refers to`);
  }
  const { ok, problem } = await audit.verify();
  if (!ok) problems.push(`audit: ${problem}`);
  return { problems, reached: seen.size, blobs: blobs.length };
}

export interface HistoryFindings {
  readonly problems: readonly string[];
  /** By step: the attempt that completed it. */
  readonly attempts: Readonly<Record<string, number>>;
  /** By step: what it returned. */
  readonly results: Readonly<Record<string, unknown>>;
}

/** The server's word: every step scheduled once and completed once, every approval opened once and decided once. */
export async function checkHistory(client: Client, runId: string): Promise<HistoryFindings> {
  const { events } = await client.workflow.getHandle(runId).fetchHistory();
  const problems: string[] = [];
  const steps = new Map<string, string>();
  const attempts: Record<string, number> = {};
  const results: Record<string, unknown> = {};
  const scheduled: string[] = [];
  const completed: string[] = [];
  let [opened, decided] = [0, 0];
  for (const event of events ?? []) {
    const begin = event.activityTaskScheduledEventAttributes;
    const start = event.activityTaskStartedEventAttributes;
    const end = event.activityTaskCompletedEventAttributes;
    const failed = event.activityTaskFailedEventAttributes ?? event.activityTaskTimedOutEventAttributes;
    if (begin) {
      steps.set(String(event.eventId), begin.activityId ?? '?');
      scheduled.push(begin.activityId ?? '?');
    }
    const id = steps.get(String((start ?? end ?? failed)?.scheduledEventId)) ?? '?';
    if (start) attempts[id] = start.attempt ?? 1;
    if (end) {
      completed.push(id);
      const payload = end.result?.payloads?.[0];
      if (payload) results[id] = defaultPayloadConverter.fromPayload(payload);
    }
    if (failed) problems.push(`step ${id} failed for good: ${failed.failure?.message}${cause(failed.failure)}`);
    const state =
      event.upsertWorkflowSearchAttributesEventAttributes?.searchAttributes?.indexedFields?.['EspalierState'];
    if (state && defaultPayloadConverter.fromPayload(state) === 'waiting-for-approval') opened++;
    if (event.workflowExecutionUpdateAcceptedEventAttributes) decided++;
  }
  for (const id of repeated(scheduled)) problems.push(`step ${id} was scheduled more than once`);
  for (const id of repeated(completed)) problems.push(`step ${id} completed more than once`);
  for (const id of scheduled) if (!completed.includes(id)) problems.push(`step ${id} never completed`);
  if (opened !== 2) problems.push(`approvals were asked for ${opened} times, not twice in all`);
  if (decided !== 2) problems.push(`${decided} decisions were accepted, not one an approval`);
  return { problems, attempts, results };
}

/** A finished step is never redone: what the run was told is, to the millisecond, what stands in the one record. */
export async function checkSteps(
  { pointers }: OpenStore,
  { results, attempts }: HistoryFindings,
  finishedBefore: ReadonlySet<string>,
): Promise<string[]> {
  const problems: string[] = [];
  const told = new Map<string, string>();
  for (const [id, result] of Object.entries(results)) {
    if (!isStepResult(result)) continue;
    const key = stepRecordKey(result.key);
    told.set(key, id);
    const record = (await pointers.read<StepRecord<unknown>>(key))?.value;
    if (record === undefined) problems.push(`step ${id} has no record`);
    else if (record.startedAt !== result.startedAt || record.finishedAt !== result.finishedAt) {
      problems.push(`step ${id} was computed twice: at ${record.startedAt} and at ${result.startedAt}`);
    } else if (record.attempt > (attempts[id] ?? 1) && !finishedBefore.has(key)) {
      problems.push(`step ${id} was computed by attempt ${record.attempt}, after attempt ${attempts[id]} had ended`);
    }
  }
  for (const key of await pointers.list('steps/')) {
    if (!told.has(key) && !finishedBefore.has(key)) problems.push(`${key} is the record of no step of this run`);
  }
  return problems;
}

/** The pointer moved once: a deployment that was interrupted is not done again. */
export async function checkDeployment({ pointers }: OpenStore, model: string): Promise<string[]> {
  const key = `registry/${model}/channels/production`;
  const pointer = (await pointers.read<ChannelPointer>(key))?.value;
  if (pointer === undefined) return [`${key} is missing`];
  return pointer.revision === 1 ? [] : [`${key} was moved ${pointer.revision} times`];
}

/** What an undisturbed run of the same inputs must also arrive at. Measured times are no part of it. */
export function finalDigests(results: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const output = <T>(id: string): T => (results[id] as { output: T }).output;
  return {
    dataset: output<{ dataset: ArtifactRef }>('data').dataset.digest,
    weights: output<{ model: ArtifactRef }>('train').model.digest,
    classifier: output<{ classifier: ArtifactRef }>('export').classifier.digest,
  };
}

function cause(failure: { cause?: { message?: string | null } | null } | null | undefined): string {
  return failure?.cause ? ` (${failure.cause.message})` : '';
}

function isStepResult(value: unknown): value is StepResult<unknown> {
  return typeof value === 'object' && value !== null && 'key' in value && 'computedBy' in value;
}

function repeated(ids: readonly string[]): string[] {
  return [...new Set(ids.filter((id, index) => ids.indexOf(id) !== index))];
}
