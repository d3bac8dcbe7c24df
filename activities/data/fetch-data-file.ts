/** One data file from elsewhere: an object, a file of a data set on the hub, a file in a wheel. Bytes are only read, nothing is run. */
import { join } from 'node:path';
import { GetObjectCommand, HeadObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { EspalierError } from '../../artifacts/errors.ts';
import { partsFolder } from '../../artifacts/object-parts.ts';
import { fetchResumably, movePart } from '../../artifacts/resumed-object.ts';
import { createS3Client, storeSettings } from '../../artifacts/settings.ts';
import { isMissing, statusOf, toStorageError } from '../../artifacts/storage-errors.ts';
import { parseDataSource, type DataSource } from '../../pipelines/data-sources.ts';
import { fetchProcess, wheelCache, type FetchOptions, type FetchVerbs } from '../fetch-process.ts';

export interface FetchedFile {
  /** On this machine, inside the folder that was given. */
  readonly path: string;
  /** What was found at the address, where the address may name something else tomorrow: a commit, a wheel's digest. */
  readonly pinned?: string;
}

export interface DataFetchOptions extends FetchOptions {
  /** What revisions of data sets were found to stand at, kept by the caller: files of one revision are of one commit. */
  readonly resolved: Map<string, Promise<FetchVerbs['hub-resolve']['result']>>;
}

/**
 * Fetches `address` into `folder`, which is the caller's to remove. Throws NotFound for what is not there, Corrupt where
 * the hub's own id of a file is not its bytes', NetworkUnavailable, BadData for a local file that the client did not upload.
 */
export async function fetchDataFile(
  address: string,
  folder: string,
  options: DataFetchOptions,
  env: NodeJS.ProcessEnv = process.env,
): Promise<FetchedFile> {
  const source = parseDataSource(address);
  switch (source.kind) {
    case 's3':
      return { path: await fetchObject(address, source, folder, options, env) };
    case 'hf':
      return fetchFromHub(address, source, folder, options);
    case 'pypi': {
      const { name, version, file } = source;
      const target = join(folder, 'file');
      const request = { name, version, file, cache: wheelCache(), target };
      const { sha256 } = await located(address, () => fetchProcess('wheel-file', request, options));
      return { path: target, pinned: `wheel sha256:${sha256}` };
    }
    case 'local':
      throw new EspalierError('BadData', `the file ${address} was not uploaded`, {
        where: 'data.files',
        fix: 'start the run where the file is, or name it as s3://BUCKET/KEY, hf:ORG/NAME@REVISION#FILE or pypi:NAME==VERSION#FILE',
      });
  }
}

async function fetchFromHub(
  address: string,
  { repository: repo, revision, file: wanted }: Extract<DataSource, { kind: 'hf' }>,
  folder: string,
  options: DataFetchOptions,
): Promise<FetchedFile> {
  const kind = 'dataset' as const;
  return located(address, async () => {
    const listing =
      options.resolved.get(`${repo}@${revision}`) ?? fetchProcess('hub-resolve', { repo, revision, kind }, options);
    options.resolved.set(`${repo}@${revision}`, listing);
    const { commit, files } = await listing;
    const found = files.find(({ path }) => path === wanted);
    if (found === undefined) {
      const tables = files.map(({ path }) => path).filter((path) => /\.(csv|jsonl|ndjson|json|txt|tar)$/i.test(path));
      throw new EspalierError('NotFound', `the data set ${repo} has no file '${wanted}' at ${commit.slice(0, 12)}`, {
        fix: tables.length === 0 ? 'it has none that could be read' : `it has ${tables.slice(0, 12).join(', ')}`,
      });
    }
    await fetchProcess('hub-download', { repo, commit, files: [found], folder, kind }, options);
    return { path: join(folder, wanted), pinned: `commit ${commit}` };
  });
}

/** Says of a failure which entry of the definition it was about. */
async function located<Result>(address: string, fetching: () => Promise<Result>): Promise<Result> {
  try {
    return await fetching();
  } catch (error) {
    if (!(error instanceof EspalierError)) throw error;
    const { kind, message } = error;
    const fix =
      kind === 'NetworkUnavailable'
        ? 'check the connection and HF_ENDPOINT, or pip’s settings; or download the file'
        : error.fix;
    throw new EspalierError(kind, message, { where: address, ...(fix === undefined ? {} : { fix }), cause: error });
  }
}

async function fetchObject(
  address: string,
  { bucket, key }: Extract<DataSource, { kind: 's3' }>,
  folder: string,
  { signal, onNote }: DataFetchOptions,
  env: NodeJS.ProcessEnv,
): Promise<string> {
  const settings = { ...storeSettings(env), bucket };
  const client = createS3Client(settings, env);
  const path = join(folder, 'object');
  try {
    const { etag, size } = await versionNow(client, bucket, key, signal);
    const endpoint = settings.endpoint ?? '';
    const options = { folder: partsFolder(env), endpoint, signal, onNote };
    await movePart(await fetchResumably(client, { bucket, key, etag, size }, options), path);
    return path;
  } catch (error) {
    throw missing(error, address) ?? toStorageError(error, settings, key);
  } finally {
    client.destroy();
  }
}

/** By a GET of nothing where a HEAD fails: its answer has a body that says what is missing. */
async function versionNow(
  client: S3Client,
  Bucket: string,
  Key: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly etag: string; readonly size: number }> {
  const stopping = signal === undefined ? {} : { abortSignal: signal };
  const head = await client.send(new HeadObjectCommand({ Bucket, Key }), stopping).catch(async (error: unknown) => {
    if (statusOf(error) !== 404) throw error;
    await client.send(new GetObjectCommand({ Bucket, Key, Range: 'bytes=0-0' }), stopping);
    throw error;
  });
  return { etag: head.ETag ?? '', size: head.ContentLength ?? 0 };
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
