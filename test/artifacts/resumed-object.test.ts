import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { createServer, request as forward, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { ObjectVersion } from '../../artifacts/object-parts.ts';
import { fetchResumably } from '../../artifacts/resumed-object.ts';
import { createS3Client, storeSettings } from '../../artifacts/settings.ts';
import { withStore, type TestStore } from '../support/store.ts';

const PART = 5 * 2 ** 20;
const SENT = 2_500_000;
const child = fileURLToPath(new URL('../support/fetch-object-child.ts', import.meta.url));

describe('an object whose download was interrupted by the end of its process', () => {
  const content = randomBytes(2 * PART + 1000);
  let test: TestStore;
  let env: NodeJS.ProcessEnv;
  let gate: Server;
  let client: S3Client;
  let folder: string;
  let bucket: string;
  /** Ranges of the GETs. */
  let asked: string[];
  /** After so many bytes of an object the store is silent. */
  let silentAfter = Infinity;
  let notes: string[];

  before(async () => {
    test = await withStore();
    const upstream = new URL(test.endpoint);
    gate = createServer((incoming, answer) => {
      const { method, url: path, headers } = incoming;
      if (method === 'GET') asked.push(headers.range ?? 'whole');
      const passed = forward({ host: upstream.hostname, port: upstream.port, method, path, headers }, (got) => {
        answer.writeHead(got.statusCode ?? 500, got.headers);
        let left = method === 'GET' ? silentAfter : Infinity;
        got.on('data', (chunk: Buffer) => {
          if (left > 0) answer.write(chunk.subarray(0, left));
          left -= chunk.length;
        });
        got.on('end', () => left >= 0 && answer.end());
      });
      passed.on('error', () => answer.destroy());
      answer.on('close', () => passed.destroy());
      incoming.pipe(passed);
    });
    await new Promise<void>((ready) => gate.listen(0, '127.0.0.1', ready));
    env = { ...test.env, AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${(gate.address() as AddressInfo).port}` };
    const settings = storeSettings(env);
    bucket = settings.bucket;
    client = createS3Client(settings, env);
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-parts-'));
    [asked, notes, silentAfter] = [[], [], Infinity];
  });
  afterEach(() => rm(folder, { recursive: true }));
  after(() => {
    client.destroy();
    gate.closeAllConnections();
    gate.close();
  });

  const fetched = (version: ObjectVersion) =>
    fetchResumably(client, version, { folder, endpoint: 'store', onNote: (note) => notes.push(note) });

  async function versionOf(key: string): Promise<ObjectVersion> {
    const { ETag = '', ContentLength = 0 } = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
    return { bucket, key, etag: ETag, size: ContentLength };
  }

  async function put(key: string, bytes: Buffer): Promise<ObjectVersion> {
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: bytes }));
    return versionOf(key);
  }

  async function putInParts(key: string, sizes: readonly number[]): Promise<ObjectVersion> {
    const at = { Bucket: bucket, Key: key };
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(at));
    const parts: { PartNumber: number; ETag: string | undefined }[] = [];
    let start = 0;
    for (const [place, size] of sizes.entries()) {
      const part = { ...at, UploadId, PartNumber: place + 1, Body: content.subarray(start, (start += size)) };
      parts.push({ PartNumber: place + 1, ETag: (await client.send(new UploadPartCommand(part))).ETag });
    }
    const whole = { ...at, UploadId, MultipartUpload: { Parts: parts } };
    await client.send(new CompleteMultipartUploadCommand(whole));
    return versionOf(key);
  }

  /** Kills, with -9, a process that has a part of the object; how much that is. */
  async function killedHalfWay(version: ObjectVersion): Promise<number> {
    silentAfter = SENT;
    const process_ = spawn(process.execPath, ['--import', 'tsx', child, JSON.stringify({ version, folder })], {
      env: { ...process.env, ...env },
      stdio: 'ignore',
    });
    const sizes = async (): Promise<number[]> =>
      Promise.all((await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size));
    while (!(await sizes()).some((size) => size >= 2 ** 20)) await sleep(20);
    const ended = once(process_, 'exit');
    process_.kill('SIGKILL');
    await ended;
    [asked, silentAfter] = [[], Infinity];
    return Math.max(...(await sizes()));
  }

  for (const [how, sizes] of [
    ['at once', undefined],
    ['in parts', [PART, PART, 1000]],
    ['in two parts', [PART + 1000, PART]],
  ] as const) {
    it(`goes on in the next one from its last byte, where it had been put ${how}`, async () => {
      const version = sizes === undefined ? await put('one', content) : await putInParts('many', sizes);
      equal(/-\d+"?$/.test(version.etag), sizes !== undefined);
      const kept = await killedHalfWay(version);
      ok(kept >= 2 ** 20 && kept < content.length, String(kept));
      const part = await fetched(version);
      ok((await readFile(part.path)).equals(content));
      deepEqual([asked, notes], [[`bytes=${kept}-`], []]);
      await part.remove();
      deepEqual(await readdir(folder), []);
    });
  }

  it('is begun anew, and says so, where the object is another version by then', async () => {
    await killedHalfWay(await put('changing', content));
    const other = randomBytes(content.length);
    const part = await fetched(await put('changing', other));
    ok((await readFile(part.path)).equals(other));
    deepEqual(asked, ['whole']);
    match(notes.join(), /changing is another version than the one that was begun: the download begins anew/);
    equal((await readdir(folder)).length, 1);
  });

  it('is refused where the object changed since it was listed, and what had come of it stays', async () => {
    const listed = await put('overwritten', content);
    const kept = await killedHalfWay(listed);
    await put('overwritten', randomBytes(content.length));
    await rejects(fetched(listed), { kind: 'Conflict' });
    const [name = ''] = await readdir(folder);
    equal((await stat(join(folder, name))).size, kept);
  });

  it('is begun anew, and says so, where what is there is not the object’s, or longer', async () => {
    const version = await put('damaged', content);
    for (const [damaged, ranges, note] of [
      [randomBytes(2 ** 20), [`bytes=${2 ** 20}-`, 'whole'], /not the object that its ETag names/],
      [Buffer.concat([content, Buffer.from('more')]), ['whole'], /longer than the object/],
    ] as const) {
      await killedHalfWay(version);
      const [name = ''] = await readdir(folder);
      await writeFile(join(folder, name), damaged);
      notes.length = 0;
      const part = await fetched(version);
      ok((await readFile(part.path)).equals(content));
      deepEqual(asked, ranges);
      match(notes.join(), note);
      await part.remove();
    }
  });

  it('is begun anew, and says so, where the ETag would prove nothing: parts of several sizes', async () => {
    const version = await putInParts('uneven', [PART, PART + 1000]);
    await killedHalfWay(version);
    const part = await fetched(version);
    ok((await readFile(part.path)).equals(content));
    deepEqual(asked, ['whole']);
    match(notes.join(), /its ETag would not prove the whole/);
  });

  it('costs no byte where all had come, and none that another living process has', async () => {
    const version = await put('twice', content);
    const first = await fetched(version);
    const second = await fetched(version);
    ok(first.path !== second.path, 'the first is still held');
    deepEqual(asked, ['whole', 'whole']);
    first.letGo();
    second.letGo();
    const third = await fetched(version);
    ok((await readFile(third.path)).equals(content));
    equal(asked.length, 2);
    deepEqual(notes, []);
  });

  it('is given up after a week, and sooner by nobody', async () => {
    const version = await put('small', Buffer.from('weights'));
    await mkdir(folder, { recursive: true });
    const name = (digit: string): string =>
      `${digit.repeat(16)}-${'0'.repeat(16)}.${'0'.repeat(8)}-1-${'0'.repeat(8)}.part`;
    for (const [digit, days] of [
      ['8', 8],
      ['6', 6],
    ] as const) {
      await writeFile(join(folder, name(digit)), 'x');
      const then = new Date(Date.now() - days * 24 * 3_600_000);
      await utimes(join(folder, name(digit)), then, then);
    }
    await (await fetched(version)).remove();
    deepEqual(await readdir(folder), [name('6')]);
  });
});
