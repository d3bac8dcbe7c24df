/**
 * Copies of the data files in the store. Not cached by step key: what stands at an `s3://` address may have changed
 * since the last run. Bytes that have not changed get the same digest, so that what follows is reused all the same.
 */
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Readable } from 'node:stream';
import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { Context } from '@temporalio/activity';
import { retrying } from '../../artifacts/concurrency.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { createS3Client, storeSettings } from '../../artifacts/settings.ts';
import { isMissing, toStorageError } from '../../artifacts/storage-errors.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type { DataFileSource, SnapshotDataInput, SnapshotDataOutput } from '../contract/data.ts';
import type { StepCall } from '../contract.ts';
import { DATA_MEDIA_TYPES } from '../../pipelines/data-media-types.ts';
import { heart, toFailure, type ActivityServices } from '../step.ts';

export function snapshotDataActivity(
  services: ActivityServices,
): (call: StepCall<SnapshotDataInput>) => Promise<SnapshotDataOutput> {
  return async (call) => {
    const context = Context.current();
    const beat = heart(context);
    beat.progress({ phase: 'copying data' });
    try {
      return await snapshotData(call.input, services.store, context.cancellationSignal);
    } catch (error) {
      throw toFailure(error, call.stepId);
    } finally {
      beat.stop();
    }
  };
}

/** Throws NotFound for a missing object or bucket, BadData for a local file that the client did not upload. */
export async function snapshotData(
  { files }: SnapshotDataInput,
  store: ArtifactStore,
  signal: AbortSignal,
  env: NodeJS.ProcessEnv = process.env,
): Promise<SnapshotDataOutput> {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-data-'));
  try {
    const copied: (DataFileSource & { readonly ref: ArtifactRef })[] = [];
    for (const file of files)
      copied.push({ ...file, ref: file.ref ?? (await copyObject(file, folder, store, signal, env)) });
    return { files: copied };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function copyObject(
  file: DataFileSource,
  folder: string,
  store: ArtifactStore,
  signal: AbortSignal,
  env: NodeJS.ProcessEnv,
): Promise<ArtifactRef> {
  const [, bucket, key] = /^s3:\/\/([^/]+)\/(.+)$/su.exec(file.path) ?? [];
  if (bucket === undefined || key === undefined) {
    throw new EspalierError('BadData', `the file ${file.path} was not uploaded`, {
      where: 'data.files',
      fix: 'start the run where the file is, or name it as s3://bucket/key',
    });
  }
  const settings = { ...storeSettings(env), bucket };
  const client = createS3Client(settings, env);
  const path = join(folder, 'object');
  try {
    // The SDK does not retry a body that breaks off: the whole request is made again.
    await retrying(() => download(client, bucket, key, path, signal), signal);
    return await store.putFile(path, { name: file.path, mediaType: DATA_MEDIA_TYPES[file.format], signal });
  } catch (error) {
    throw missing(error, file.path) ?? toStorageError(error, settings, key);
  } finally {
    client.destroy();
  }
}

async function download(
  client: S3Client,
  Bucket: string,
  Key: string,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const { Body: body } = await client.send(new GetObjectCommand({ Bucket, Key }), { abortSignal: signal });
  await pipeline(body as Readable, createWriteStream(path), { signal });
}

function missing(error: unknown, path: string): EspalierError | undefined {
  const noBucket = (error as { name?: string }).name === 'NoSuchBucket';
  if (!noBucket && !isMissing(error)) return undefined;
  return new EspalierError('NotFound', `there is no ${noBucket ? 'bucket' : 'object'} for ${path}`, {
    where: path,
    fix: 'check the address in data.files, and AWS_ENDPOINT_URL_S3',
    cause: error,
  });
}
