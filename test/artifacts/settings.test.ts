import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { checkStore } from '../../artifacts/doctor.ts';
import { EspalierError, type ErrorKind } from '../../artifacts/errors.ts';
import { ObjectStore } from '../../artifacts/object-store.ts';
import { openStore } from '../../artifacts/open.ts';
import { storeSettings } from '../../artifacts/settings.ts';
import { freePort } from '../../infra/embedded/gateway.ts';
import { storeEnv, withStore } from '../support/store.ts';

/** The store gives up by itself after five seconds; the SDK would wait for ever. The rest is for a busy machine. */
const PATIENCE_MS = 40_000;

/** What a user sees of the failure, within the time they are willing to wait. */
async function failure(env: NodeJS.ProcessEnv): Promise<EspalierError> {
  const start = Date.now();
  const error: unknown = await openStore(env).catch((reason: unknown) => reason);
  assert.ok(error instanceof EspalierError, String(error));
  assert.ok(Date.now() - start < PATIENCE_MS, `took ${Date.now() - start} ms`);
  return error;
}

function check(error: EspalierError, kind: ErrorKind, message: RegExp, fix: RegExp): void {
  assert.equal(error.kind, kind, error.message);
  assert.match(error.message, message);
  assert.match(error.fix ?? '', fix);
}

describe('store settings', () => {
  it('follow the AWS variables, with path style at every custom endpoint', () => {
    const own = storeSettings({
      AWS_ENDPOINT_URL_S3: 'http://localhost:7070',
      XDG_CACHE_HOME: '/c',
      ESPALIER_PREFIX: '/a/b/',
    });
    assert.deepEqual(own, {
      endpoint: 'http://localhost:7070',
      region: 'us-east-1',
      pathStyle: true,
      bucket: 'espalier',
      prefix: 'a/b/',
      cacheDir: '/c/espalier/blobs',
      cacheBytes: 20_480 * 2 ** 20,
    });
    const aws = storeSettings({ AWS_REGION: 'eu-central-1', ESPALIER_BUCKET: 'ours', ESPALIER_CACHE_MB: '1' });
    assert.deepEqual(
      [aws.endpoint, aws.region, aws.pathStyle, aws.bucket, aws.prefix, aws.cacheBytes],
      [undefined, 'eu-central-1', false, 'ours', '', 2 ** 20],
    );
    assert.equal(storeSettings({}).region, undefined, 'left to the profile');
    assert.equal(storeSettings({ ESPALIER_S3_PATH_STYLE: 'true' }).pathStyle, true);
  });

  for (const [name, value] of [
    ['AWS_ENDPOINT_URL_S3', 'localhost:7070'],
    ['ESPALIER_BUCKET', 'No_Bucket'],
    ['ESPALIER_CACHE_MB', 'plenty'],
    ['ESPALIER_S3_PATH_STYLE', 'yes'],
  ] as const) {
    it(`refuse ${name}='${value}', naming it`, () => {
      assert.throws(
        () => storeSettings({ [name]: value }),
        (error) => {
          assert.ok(error instanceof EspalierError);
          assert.deepEqual([error.kind, error.where, error.message], ['BadConfig', name, `${name} is '${value}'`]);
          return true;
        },
      );
    });
  }
});

describe('opening a store', () => {
  it('tells a wrong secret and an unknown key, naming endpoint, bucket and the way out', async () => {
    const { env, endpoint } = await withStore();
    for (const [wrong, code] of [
      [{ AWS_SECRET_ACCESS_KEY: 'wrong' }, 'SignatureDoesNotMatch'],
      [{ AWS_ACCESS_KEY_ID: 'nobody' }, 'XAdminUserNotFound'],
    ] as const) {
      const error = await failure({ ...env, ...wrong });
      check(
        error,
        'StorageDenied',
        new RegExp(`'${env['ESPALIER_BUCKET']}' at ${endpoint}.*${code}`),
        /AWS_SECRET_ACCESS_KEY/,
      );
      assert.doesNotMatch(JSON.stringify(error.toRecord()), /wrong|test-secret/);
    }
  });

  it('tells a store that is not there', async () => {
    const endpoint = `http://127.0.0.1:${await freePort()}`;
    const error = await failure(storeEnv(endpoint, 'no-store'));
    check(error, 'StorageUnavailable', new RegExp(`'no-store' at ${endpoint}.*ECONNREFUSED`), /AWS_ENDPOINT_URL_S3/);
  });

  it('tells a store that accepts and never answers', async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    try {
      const error = await failure(storeEnv(`http://127.0.0.1:${port}`, 'no-answer'));
      check(error, 'StorageUnavailable', /no answer.*no-answer/, /doctor/);
    } finally {
      silent.close();
    }
  });

  it('tells a bucket that is gone or forbidden while in use', async () => {
    const mine = await withStore();
    const gone = { ...mine.settings, bucket: 'gone-meanwhile' };
    const objects = new ObjectStore(mine.objects.client, gone);
    await assert.rejects(objects.putBytes('x', Buffer.from('x')), (error) => {
      assert.ok(error instanceof EspalierError, JSON.stringify(error));
      check(
        error,
        'StorageDenied',
        /'gone-meanwhile' at .*NoSuchBucket/,
        /create the bucket 'gone-meanwhile'.*ESPALIER_BUCKET/,
      );
      return true;
    });
  });

  it('tells a bucket without rights from one that is missing, and does not try again', async () => {
    let requests = 0;
    const server = createHttpServer((_, response) => {
      requests += 1;
      response.writeHead(403, { 'content-type': 'application/xml' });
      response.end('<Error><Code>AccessDenied</Code><Message>no</Message></Error>');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      await assert.rejects(openStore(storeEnv(`http://127.0.0.1:${port}`, 'not-yours')), (error) => {
        assert.ok(error instanceof EspalierError, JSON.stringify(error));
        check(error, 'StorageDenied', /not-yours/, /./);
        return true;
      });
      assert.ok(requests <= 2, `${requests} requests`);
    } finally {
      server.close();
    }
  });
});

describe('the doctor of the store', () => {
  it('finds the embedded gateway sound, and leaves nothing behind', async () => {
    const { settings, env, objects } = await withStore();
    const checks = await checkStore(settings, env);
    assert.deepEqual(
      checks.map(({ name, ok }) => [name, ok]),
      ['reach', 'write', 'write once', 'compare and swap', 'checksums', 'multipart'].map((name) => [name, true]),
      JSON.stringify(checks),
    );
    assert.deepEqual(await objects.list(''), []);
  });

  it('reports what is wrong with its fix instead of throwing', async () => {
    const { settings, env } = await withStore();
    const checks = await checkStore(settings, { ...env, AWS_SECRET_ACCESS_KEY: 'wrong' });
    assert.equal(checks.length, 1);
    assert.equal(checks[0]?.ok, false);
    assert.match(checks[0]?.detail ?? '', /SignatureDoesNotMatch/);
    assert.match(checks[0]?.fix ?? '', /AWS_ACCESS_KEY_ID/);
  });
});
