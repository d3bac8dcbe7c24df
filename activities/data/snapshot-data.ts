/**
 * Copies of the data files in the store. Not cached by step key: what stands at an `s3://` address, or on a branch of the
 * hub, may have changed since the last run. Bytes that have not changed get the same digest, so that what follows is
 * reused all the same.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import type { DataFile, DataFileSource, SnapshotDataInput, SnapshotDataOutput } from '../contract/data.ts';
import type { StepCall } from '../contract.ts';
import { DATA_MEDIA_TYPES } from '../../pipelines/data-media-types.ts';
import { heart } from '../heartbeat.ts';
import { toFailure } from '../attempt-failures.ts';
import type { ActivityServices } from '../step.ts';
import { fetchDataFile, type DataFetchOptions } from './fetch-data-file.ts';

export function snapshotDataActivity(
  services: ActivityServices,
): (call: StepCall<SnapshotDataInput>) => Promise<SnapshotDataOutput> {
  return async (call) => {
    const context = Context.current();
    const beat = heart(context);
    beat.progress({ phase: 'copying data' });
    try {
      return await snapshotData(call.input, services, {
        signal: context.cancellationSignal,
        onProgress: (file, done, total) =>
          beat.progress({ phase: 'copying data', note: file, done, ...(total === null ? {} : { total }) }),
      });
    } catch (error) {
      throw toFailure(error, call.stepId);
    } finally {
      beat.stop();
    }
  };
}

export interface SnapshotOptions {
  readonly signal: AbortSignal;
  /** Bytes of the file that is fetched; `total` null where its source does not say. */
  readonly onProgress?: (file: string, done: number, total: number | null) => void;
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * Throws NotFound for what is not at its address, Corrupt for bytes that are not what the hub lists, NetworkUnavailable,
 * BadData for a local file that the client did not upload.
 */
export async function snapshotData(
  { files }: SnapshotDataInput,
  services: Pick<ActivityServices, 'store' | 'python'>,
  options: SnapshotOptions,
): Promise<SnapshotDataOutput> {
  const copied: DataFile[] = [];
  const pinned: Record<string, string> = {};
  const resolved: DataFetchOptions['resolved'] = new Map();
  for (const file of files) {
    if (file.ref !== undefined) {
      copied.push({ ...file, ref: file.ref });
      continue;
    }
    const found = await copyFile(file, services, { ...options, resolved });
    copied.push(found.file);
    if (found.pinned !== undefined) pinned[file.path] = found.pinned;
  }
  return { files: copied, ...(Object.keys(pinned).length === 0 ? {} : { pinned }) };
}

async function copyFile(
  file: DataFileSource,
  { store, python }: Pick<ActivityServices, 'store' | 'python'>,
  { signal, onProgress, env, resolved }: SnapshotOptions & Pick<DataFetchOptions, 'resolved'>,
): Promise<{ readonly file: DataFile; readonly pinned?: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-data-'));
  try {
    const fetching = {
      python,
      signal,
      resolved,
      onProgress: (done: number, total: number | null) => onProgress?.(file.path, done, total),
    };
    const { path, pinned } = await fetchDataFile(file.path, folder, fetching, env);
    const ref = await store.putFile(path, { name: file.path, mediaType: DATA_MEDIA_TYPES[file.format], signal });
    return { file: { ...file, ref }, ...(pinned === undefined ? {} : { pinned }) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
