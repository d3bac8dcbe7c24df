import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { downloadObject } from '../../artifacts/object-download.ts';
import { createS3Client, storeSettings } from '../../artifacts/settings.ts';

const SIZE = 4_000_000;
const HALF = 2_500_000;
const VERSION = '"1111"';

describe('an object whose connection broke', () => {
  const content = randomBytes(SIZE);
  let folder: string;
  let gateway: Server;
  let asked: (string | undefined)[];
  /** What the gateway sends once the first connection has broken half way. */
  let second: (request: IncomingMessage, response: ServerResponse) => void;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-object-'));
    asked = [];
    gateway = createServer((request, response) => {
      asked.push(request.headers.range);
      if (asked.length > 1) return second(request, response);
      response.writeHead(200, { 'Content-Length': SIZE, ETag: VERSION });
      response.write(content.subarray(0, HALF), () => response.destroy());
    });
    await new Promise<void>((ready) => gateway.listen(0, '127.0.0.1', ready));
  });
  afterEach(async () => {
    gateway.closeAllConnections();
    gateway.close();
    await rm(folder, { recursive: true });
  });

  async function download(): Promise<{ bytes: number; written: Buffer; observed: Buffer }> {
    const env = {
      AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`,
      AWS_ACCESS_KEY_ID: 'id',
      AWS_SECRET_ACCESS_KEY: 'key',
    };
    const client = createS3Client(storeSettings(env), env);
    const path = join(folder, 'object');
    const file = await open(path, 'w');
    const seen: Buffer[] = [];
    try {
      const object = { Bucket: 'models', Key: 'weights' };
      const bytes = await downloadObject(client, object, file, { observe: (chunk) => void seen.push(chunk) });
      return { bytes, written: await readFile(path), observed: Buffer.concat(seen) };
    } finally {
      await file.close();
      client.destroy();
    }
  }

  it('is right where the gateway ignores the range and sends the whole', async () => {
    second = (_, response) => response.writeHead(200, { 'Content-Length': SIZE, ETag: VERSION }).end(content);
    const { bytes, written, observed } = await download();
    ok((asked[1] ?? '').startsWith('bytes='));
    equal(bytes, SIZE);
    ok(written.equals(content));
    ok(observed.equals(content), 'every chunk once and in order');
  });

  it('is right where the part begins before the one that was asked for', async () => {
    second = (_, response) => {
      const headers = { 'Content-Range': `bytes 1000-${SIZE - 1}/${SIZE}`, ETag: VERSION };
      response.writeHead(206, headers).end(content.subarray(1000));
    };
    const { bytes, written } = await download();
    equal(bytes, SIZE);
    ok(written.equals(content));
  });

  it('goes on with the version that it began with, though an answer names none', async () => {
    const conditions: unknown[] = [];
    second = (request, response) => {
      conditions.push(request.headers['if-match']);
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1]);
      response.writeHead(206, { 'Content-Range': `bytes ${from}-${SIZE - 1}/${SIZE}`, 'Content-Length': SIZE - from });
      if (conditions.length > 1) response.end(content.subarray(from));
      else response.write(content.subarray(from, from + 1000), () => response.destroy());
    };
    ok((await download()).written.equals(content));
    deepEqual(conditions, [VERSION, VERSION]);
  });

  it('is in conflict where the answer is of another version, or too short to be of this one', async () => {
    second = (_, response) => response.writeHead(200, { 'Content-Length': SIZE, ETag: '"2222"' }).end(content);
    await rejects(download(), { kind: 'Conflict' });
    asked = [];
    second = (_, response) => response.writeHead(200, { 'Content-Length': 10, ETag: VERSION }).end(Buffer.alloc(10));
    await rejects(download(), { kind: 'Conflict' });
  });

  it('fails where only a later part comes', async () => {
    second = (_, response) => {
      const headers = { 'Content-Range': `bytes ${SIZE - 10}-${SIZE - 1}/${SIZE}`, ETag: VERSION };
      response.writeHead(206, headers).end(content.subarray(SIZE - 10));
    };
    await rejects(download(), { kind: 'StorageUnavailable', message: /another part/ });
  });
});
