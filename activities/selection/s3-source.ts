/** A model in a bucket: listed for its identity, copied into the store as a snapshot. */
import { GetObjectCommand, ListObjectsV2Command, type GetObjectCommandOutput, type S3Client } from '@aws-sdk/client-s3';
import { forEachParallel } from '../../artifacts/concurrency.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { partsFolder } from '../../artifacts/object-parts.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { fetchResumably, type WholePart } from '../../artifacts/resumed-object.ts';
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
 * Copies the objects, at the versions that were listed, into the store as a tree; what came of them in an earlier process is
 * gone on with. Throws Conflict when one changed since,
 * Corrupt when more or fewer bytes came than were listed.
 */
export async function snapshotModelObjects(
  { bucket, prefix }: S3Location,
  objects: readonly ListedObject[],
  options: {
    store: ArtifactStore;
    signal: AbortSignal;
    onProgress: (done: number, total: number) => void;
    onNote?: (note: string) => void;
  },
): Promise<ArtifactRef> {
  return withClient({ bucket, key: prefix }, async (client, endpoint) => {
    const entries: { path: string; ref: ArtifactRef }[] = [];
    const parts: WholePart[] = [];
    const folder = partsFolder();
    const total = objects.reduce((sum, object) => sum + object.size, 0);
    let done = 0;
    await forEachParallel(objects, 4, options.signal, async ({ key, path, size, etag }, signal) => {
      const { onNote } = options;
      const part = await fetchResumably(client, { bucket, key, etag, size }, { folder, endpoint, signal, onNote });
      parts.push(part);
      const ref = await options.store.putFile(part.path, {
        name: path,
        mediaType: 'application/octet-stream',
        signal,
      });
      entries.push({ path, ref });
      options.onProgress((done += size), total);
    }).catch((error: unknown) => {
      // Whole files are here for the next try.
      for (const part of parts) part.letGo();
      throw error;
    });
    const sorted = entries.toSorted((left, right) => (left.path < right.path ? -1 : 1));
    const tree = await options.store.putManifest(sorted, `s3://${bucket}/${prefix}`);
    await Promise.all(parts.map((part) => part.remove()));
    return tree;
  });
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
  work: (client: S3Client, endpoint: string) => Promise<T>,
): Promise<T> {
  const settings = { ...storeSettings(env), bucket };
  const client = createS3Client(settings, env);
  try {
    return await work(client, settings.endpoint ?? '');
  } catch (error) {
    throw toStorageError(error, settings, key);
  } finally {
    client.destroy();
  }
}
