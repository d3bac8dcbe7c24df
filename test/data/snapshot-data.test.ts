import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { fetchDataFile } from '../../activities/data/fetch-data-file.ts';
import { snapshotData } from '../../activities/data/snapshot-data.ts';
import { downloadObject } from '../../artifacts/object-download.ts';
import { createS3Client } from '../../artifacts/settings.ts';
import { S3Proxy } from '../support/faults-s3-proxy.ts';
import { csv, dataServices, refusal, sentences } from './fixtures.ts';

/** An object takes none. */
const NO_PYTHON = { executable: '', packages: '' };

describe('data snapshot', () => {
  let services: Awaited<ReturnType<typeof dataServices>>;
  before(async () => {
    services = await dataServices();
  });
  after(() => services.opened.close());

  const signal = new AbortController().signal;
  const snapshot = (path: string) =>
    snapshotData({ files: [{ path, format: 'csv', split: 'all' }] }, services, { signal, env: services.opened.env });

  async function upload(key: string, body: string): Promise<string> {
    const client = createS3Client(services.opened.settings, services.opened.env);
    const Bucket = services.opened.settings.bucket;
    await client.send(new PutObjectCommand({ Bucket, Key: key, Body: body }));
    client.destroy();
    return `s3://${Bucket}/${key}`;
  }

  it('passes uploaded files through', async () => {
    const ref = await services.store.putBytes('text,label\n', { name: 'a.csv', mediaType: 'text/csv' });
    const file = { path: 'a.csv', format: 'csv', split: 'train', ref } as const;
    deepEqual(await snapshotData({ files: [file] }, services, { signal, env: services.opened.env }), { files: [file] });
  });

  it('copies an object as it is now, not as it was', async () => {
    const path = await upload('in/ö file.csv', csv(sentences(5, ['a'])));
    const [first] = (await snapshot(path)).files;
    deepEqual((await services.store.getBytes(first?.ref as never)).toString(), csv(sentences(5, ['a'])));
    await upload('in/ö file.csv', csv(sentences(6, ['a'])));
    const [second] = (await snapshot(path)).files;
    const [third] = (await snapshot(path)).files;
    ok(first?.ref.digest !== second?.ref.digest);
    equal(second?.ref.digest, third?.ref.digest);
  });

  it('goes on with an object where the connection broke, and never with another version of it', async () => {
    const table = csv(sentences(20_000, ['a']));
    const path = await upload('in/long.csv', table);
    const proxy = await S3Proxy.start(Number(new URL(services.opened.settings.endpoint ?? '').port));
    const env = { ...services.opened.env, AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${proxy.port}` };
    const ranges: (string | undefined)[] = [];
    const stop = proxy.onRequest(
      ({ method, key, range }) => method === 'GET' && key === 'in/long.csv' && ranges.push(range),
    );
    const folder = await mkdtemp(join(tmpdir(), 'espalier-object-'));
    try {
      const cut = proxy.truncate(1);
      const { path: fetched } = await fetchDataFile(path, folder, { python: NO_PYTHON, resolved: new Map() }, env);
      await cut;
      equal(await readFile(fetched, 'utf8'), table);
      const [first, second, ...more] = ranges;
      deepEqual([first, more], [undefined, []]);
      match(second ?? '', /^bytes=[1-9]\d*-$/);

      const client = createS3Client(services.opened.settings, services.opened.env);
      const file = await open(join(folder, 'other'), 'wx');
      const object = { Bucket: services.opened.settings.bucket, Key: 'in/long.csv' };
      const old = downloadObject(client, object, file, { etag: '"00000000000000000000000000000000"' });
      equal((await refusal(old)).kind, 'Conflict');
      await file.close();
      client.destroy();
    } finally {
      stop();
      await proxy.close();
      await rm(folder, { recursive: true });
    }
  });

  it('says which object or bucket is missing', async () => {
    const bucket = services.opened.settings.bucket;
    const noObject = await refusal(snapshot(`s3://${bucket}/no/such.csv`));
    deepEqual([noObject.kind, noObject.where], ['NotFound', `s3://${bucket}/no/such.csv`]);
    match(noObject.message, /no object for/);
    const noBucket = await refusal(snapshot('s3://no-such-bucket-here/a.csv'));
    deepEqual([noBucket.kind, noBucket.retryable], ['NotFound', false]);
    match(noBucket.message, /no bucket for/);
  });

  it('refuses a local file that nobody uploaded', async () => {
    const error = await refusal(snapshot('messages.csv'));
    equal(error.kind, 'BadData');
    match(error.message, /messages\.csv was not uploaded/);
  });

  it('says so when the store refuses the key', async () => {
    const env = { ...services.opened.env, AWS_SECRET_ACCESS_KEY: 'wrong' };
    const file = { path: 's3://some-bucket/a.csv', format: 'csv', split: 'all' } as const;
    equal((await refusal(snapshotData({ files: [file] }, services, { signal, env }))).kind, 'StorageDenied');
  });
});
