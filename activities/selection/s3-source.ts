/** A model in a bucket: listed for its identity, copied into the store as a snapshot. */
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { GetObjectCommand, ListObjectsV2Command, type GetObjectCommandOutput, type S3Client } from '@aws-sdk/client-s3';
import { forEachParallel } from '../../artifacts/concurrency.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { downloadObject } from '../../artifacts/object-download.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { createS3Client, storeSettings } from '../../artifacts/settings.ts';
import { toStorageError } from '../../artifacts/storage-errors.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';

export interface S3Location {
  readonly bucket: string;
  readonly prefix: string;
}
export interface ListedObject {
  readonly key: string;
  /** Below the prefix. */
  readonly path: string;
  readonly size: number;
  readonly etag: string;
}

/** A model folder has a dozen files; a prefix with more than this is not one. */
const MAX_OBJECTS = 1000;

/** Every object below the prefix, sorted. Throws NotFound when there is none, BadModel when there are too many. */
export async function listModelObjects(
  { bucket, prefix }: S3Location,
  env?: NodeJS.ProcessEnv,
): Promise<ListedObject[]> {
  return withClient({ bucket, key: prefix, env }, async (client) => {
    const root = `${prefix.replace(/\/+$/, '')}/`;
    const objects: ListedObject[] = [];
    let token: string | undefined;
    do {
      const page = await client.send(
        new ListObjectsV2Command({ Bucket: bucket, Prefix: root, ContinuationToken: token }),
      );
      for (const { Key: key = '', Size: size = 0, ETag: etag = '' } of page.Contents ?? []) {
        if (!key.endsWith('/')) objects.push({ key, path: key.slice(root.length), size, etag });
      }
      token = page.NextContinuationToken;
    } while (token !== undefined && objects.length <= MAX_OBJECTS);
    const where = `s3://${bucket}/${root}`;
    if (objects.length === 0) throw new EspalierError('NotFound', `there is no object below ${where}`, { where });
    if (objects.length > MAX_OBJECTS) {
      throw new EspalierError('BadModel', `${where} holds more than ${MAX_OBJECTS} objects`, {
        where,
        fix: 'name the prefix of one model folder',
      });
    }
    return objects.toSorted((left, right) => (left.path < right.path ? -1 : 1));
  });
}

/**
 * Copies the objects, at the versions that were listed, into the store as a tree. Throws Conflict when one changed since,
 * Corrupt when more or fewer bytes came than were listed.
 */
export async function snapshotModelObjects(
  { bucket, prefix }: S3Location,
  objects: readonly ListedObject[],
  options: {
    store: ArtifactStore;
    workDir: string;
    signal: AbortSignal;
    onProgress: (done: number, total: number) => void;
  },
): Promise<ArtifactRef> {
  return withClient({ bucket, key: prefix }, async (client) => {
    const entries: { path: string; ref: ArtifactRef }[] = [];
    const total = objects.reduce((sum, object) => sum + object.size, 0);
    let done = 0;
    await forEachParallel(objects, 4, options.signal, async (object, signal) => {
      const file = join(options.workDir, `object-${objects.indexOf(object)}`);
      await download(client, bucket, object, file, signal);
      const ref = await options.store.putFile(file, {
        name: object.path,
        mediaType: 'application/octet-stream',
        signal,
      });
      await rm(file);
      entries.push({ path: object.path, ref });
      options.onProgress((done += object.size), total);
    });
    const sorted = entries.toSorted((left, right) => (left.path < right.path ? -1 : 1));
    return options.store.putManifest(sorted, `s3://${bucket}/${prefix}`);
  });
}

async function download(
  client: S3Client,
  Bucket: string,
  { key, etag, size }: ListedObject,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const file = await open(path, 'wx');
  try {
    const bytes = await downloadObject(client, { Bucket, Key: key }, file, { etag, maxBytes: size, signal });
    if (bytes === size) return;
    const where = `s3://${Bucket}/${key}`;
    const came = bytes > size ? 'more' : bytes;
    throw new EspalierError('Corrupt', `${where} came with ${came} bytes; ${size} are listed`, {
      where,
      fix: 'check what stands between here and the store (AWS_ENDPOINT_URL_S3), and start again',
    });
  } finally {
    await file.close();
  }
}

async function opened(
  client: S3Client,
  bucket: string,
  object: ListedObject,
  range?: string,
): Promise<NonNullable<GetObjectCommandOutput['Body']>> {
  const command = new GetObjectCommand({ Bucket: bucket, Key: object.key, IfMatch: object.etag, Range: range });
  const { Body: body } = await client.send(command).catch((error: unknown) => {
    if ((error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode !== 412) throw error;
    const where = `s3://${bucket}/${object.key}`;
    throw new EspalierError('Conflict', `${where} changed while the model was read`, {
      where,
      fix: 'start again once nothing writes to it',
    });
  });
  if (body === undefined)
    throw new EspalierError('StorageUnavailable', `s3://${bucket}/${object.key} came without a body`);
  return body;
}

/** Of one object: a small file whole, or the header of a safetensors file. @throws Conflict when it changed since it was listed */
export async function readModelObject(
  { bucket }: S3Location,
  object: ListedObject,
  { env, part }: { readonly env?: NodeJS.ProcessEnv; readonly part?: readonly [first: number, last: number] },
): Promise<Buffer> {
  return withClient({ bucket, key: object.key, env }, async (client) => {
    const body = await opened(client, bucket, object, part && `bytes=${part[0]}-${part[1]}`);
    return Buffer.from(await body.transformToByteArray());
  });
}

async function withClient<T>(
  { bucket, key, env }: { readonly bucket: string; readonly key: string; readonly env?: NodeJS.ProcessEnv | undefined },
  work: (client: S3Client) => Promise<T>,
): Promise<T> {
  const settings = { ...storeSettings(env), bucket };
  const client = createS3Client(settings, env);
  try {
    return await work(client);
  } catch (error) {
    throw toStorageError(error, settings, key);
  } finally {
    client.destroy();
  }
}
