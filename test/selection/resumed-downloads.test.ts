import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { fetchEnvironment, fetchProcess } from '../../activities/fetch-process.ts';
import { startTestHub, type TestHub } from '../support/hub.ts';
import { pythonForTests } from '../support/python.ts';

const SIZE = 3_000_000;
const HALF = 1_500_000;
const FILE = 'model.safetensors';

describe('a download from the hub that was interrupted', function () {
  this.timeout(120_000);
  const saved = { ...process.env };
  const python = pythonForTests();
  const content = randomBytes(SIZE);
  let root: string;
  let hub: TestHub;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'espalier-resumed-'));
    hub = await startTestHub('org/tiny');
    // A silent hub is waited for: how long a test takes is not to matter.
    Object.assign(process.env, {
      HF_HOME: join(root, 'hub'),
      HF_ENDPOINT: hub.endpoint,
      HF_HUB_DOWNLOAD_TIMEOUT: '110',
    });
  });
  afterEach(async () => {
    for (const name of ['HF_HOME', 'HF_ENDPOINT', 'HF_TOKEN', 'HF_HUB_DOWNLOAD_TIMEOUT']) {
      if (saved[name] === undefined) delete process.env[name];
      else process.env[name] = saved[name];
    }
    await hub.stop();
    await rm(root, { recursive: true, force: true });
  });

  const blobs = (): string => join(root, 'hub', 'hub', 'models--org--tiny', 'blobs');
  const blobOf = (bytes: Buffer): string => join(blobs(), createHash('sha256').update(bytes).digest('hex'));
  const partOf = (bytes: Buffer): string => `${blobOf(bytes)}.part`;
  const putPart = async (bytes: Buffer): Promise<void> => {
    await mkdir(blobs(), { recursive: true });
    await writeFile(partOf(content), bytes);
  };
  /** What the file was asked for, as `whole` or by its range. */
  const asked = (): string[] =>
    hub.requests
      .filter((request) => request.startsWith('GET') && request.includes('/resolve/'))
      .map((request) => request.split(' ')[2] ?? 'whole');

  /** The file as a fresh call of the fetching process brings it; an abort kills that process, and all below it, with -9. */
  async function download(commit: string, signal?: AbortSignal): Promise<Buffer> {
    const options = { python, ...(signal === undefined ? {} : { signal }) };
    const { files } = await fetchProcess('hub-resolve', { repo: 'org/tiny', revision: commit }, options);
    const folder = await mkdtemp(join(root, 'model-'));
    await fetchProcess('hub-download', { repo: 'org/tiny', commit, files, folder }, options);
    return readFile(join(folder, FILE));
  }

  /** Sends half of the file and then nothing; what was there when the process was killed. */
  async function killedHalfWay(commit: string, bytes: Buffer): Promise<void> {
    hub.interfere = (_, response) => {
      response.writeHead(200, { 'Content-Length': bytes.length });
      response.write(bytes.subarray(0, HALF));
      return true;
    };
    const killed = new AbortController();
    const dying = rejects(download(commit, killed.signal));
    while (!existsSync(partOf(bytes)) || statSync(partOf(bytes)).size < HALF) await sleep(20);
    killed.abort();
    await dying;
    hub.interfere = undefined;
  }

  it('by a killed process goes on from its last byte in the next one, and is named in the hub’s cache', async () => {
    const commit = hub.commit({ [FILE]: content });
    await killedHalfWay(commit, content);
    ok((await download(commit)).equals(content));
    deepEqual(asked(), ['whole', `bytes=${HALF}-`]);
    deepEqual(await readdir(blobs()), [blobOf(content).split('/').at(-1)]);
    const named = join(blobs(), '..', 'snapshots', commit, FILE);
    ok((await readFile(named)).equals(content));
    ok((await download(commit)).equals(content));
    equal(asked().length, 2, 'the cache has it now');
  });

  it('by the connection goes on within the call, after a busy server too', async () => {
    const commit = hub.commit({ [FILE]: content });
    let calls = 0;
    hub.interfere = (_, response) => {
      calls++;
      if (calls === 1) {
        response.writeHead(200, { 'Content-Length': SIZE });
        response.write(content.subarray(0, HALF), () => response.destroy());
        return true;
      }
      if (calls === 2) response.writeHead(503).end();
      return calls === 2;
    };
    ok((await download(commit)).equals(content));
    const [first, second, third, ...more] = asked();
    equal(first, 'whole');
    ok(/^bytes=\d+-$/.test(second ?? ''), second);
    deepEqual([third, more], [second, []]);
  });

  it('by a busy server is tried again in seconds, whatever that server asks for, and given up soon', async () => {
    const commit = hub.commit({ [FILE]: content });
    const aDay = { 'Retry-After': '86400' };
    hub.interfere = (_, response) => {
      if (asked().length === 1) response.writeHead(503, aDay).end();
      return asked().length === 1;
    };
    ok((await download(commit)).equals(content));
    deepEqual(asked(), ['whole', 'whole']);
    await rm(blobs(), { recursive: true });
    hub.interfere = (_, response) => {
      response.writeHead(429, aDay).end();
      return true;
    };
    await rejects(download(commit), { kind: 'NetworkUnavailable', message: /HTTP 429/ });
    equal(asked().length, 2 + 4);
  });

  it('ends with the process that asked for it', async () => {
    const commit = hub.commit({ [FILE]: content });
    const { files } = await fetchProcess('hub-resolve', { repo: 'org/tiny', revision: commit }, { python });
    hub.interfere = (_, response) => {
      response.writeHead(200, { 'Content-Length': SIZE });
      response.write(content.subarray(0, HALF));
      return true;
    };
    const env = fetchEnvironment(process.env, python.packages);
    const child = spawn(python.executable, ['-P', '-m', 'espalier_fetch'], { env, detached: true });
    const ended = once(child, 'exit');
    const request = { verb: 'hub-download', repo: 'org/tiny', commit, files, folder: join(root, 'model') };
    child.stdin.write(`${JSON.stringify(request)}\n`);
    while (!existsSync(partOf(content)) || statSync(partOf(content)).size < HALF) await sleep(20);
    child.stdin.end(); // as it does when its parent dies
    deepEqual(await ended, [null, 'SIGKILL']);
    hub.interfere = undefined;
    ok((await download(commit)).equals(content));
    deepEqual(asked(), ['whole', `bytes=${HALF}-`]);
  });

  it('lends nothing to the file of another commit', async () => {
    const other = randomBytes(SIZE);
    await killedHalfWay(hub.commit({ [FILE]: content }), content);
    ok((await download(hub.commit({ [FILE]: other }))).equals(other));
    deepEqual(asked(), ['whole', 'whole']);
    equal(statSync(partOf(content)).size, HALF, 'its own part waits for it');
  });

  it('is right where the server knows no ranges', async () => {
    const commit = hub.commit({ [FILE]: content });
    await putPart(content.subarray(0, HALF));
    hub.interfere = (_, response, bytes) => {
      response.writeHead(200, { 'Content-Length': bytes.length }).end(bytes);
      return true;
    };
    ok((await download(commit)).equals(content));
    deepEqual(asked(), [`bytes=${HALF}-`]);
  });

  it('is begun anew where the part is too long, or has bytes that are not the file’s', async () => {
    const commit = hub.commit({ [FILE]: content });
    await putPart(Buffer.concat([content, Buffer.from('more')]));
    ok((await download(commit)).equals(content));
    deepEqual(asked(), ['whole']);
    await rm(blobs(), { recursive: true });
    await putPart(randomBytes(HALF));
    ok((await download(commit)).equals(content));
    deepEqual(asked(), ['whole', `bytes=${HALF}-`, 'whole']);
    deepEqual(await readdir(blobs()), [blobOf(content).split('/').at(-1)]);
  });

  it('is begun anew, once, where a page that is not the file’s came between, and not at all where that says its length', async () => {
    const commit = hub.commit({ [FILE]: content });
    const page = 'x'.repeat(5000);
    let sent: (response: ServerResponse) => void = (response) => response.writeHead(200).end(page);
    hub.interfere = (_, response) => {
      if (asked().length === 1) {
        response.writeHead(200, { 'Content-Length': SIZE });
        response.write(content.subarray(0, 1000), () => response.destroy());
      }
      if (asked().length === 2) sent(response);
      return asked().length <= 2;
    };
    ok((await download(commit)).equals(content));
    deepEqual(asked(), ['whole', 'bytes=1000-', 'bytes=5000-', 'whole']);

    await rm(blobs(), { recursive: true });
    hub.requests.length = 0;
    sent = (response) => response.writeHead(200, { 'Content-Length': page.length }).end(page);
    ok((await download(commit)).equals(content));
    deepEqual(asked(), ['whole', 'bytes=1000-', 'bytes=1000-']);
  });

  it('is never missing in the hub’s cache while it is put there, and may be taken out of it by others', async () => {
    const commit = hub.commit({ [FILE]: content });
    const { files } = await fetchProcess('hub-resolve', { repo: 'org/tiny', revision: commit }, { python });
    const named = join(blobs(), '..', 'snapshots', commit, FILE);
    await mkdir(join(named, '..'), { recursive: true });
    await symlink('../../blobs/of-another-download', named);
    const watched = [
      'import json, sys',
      'from espalier_fetch import hub',
      'def never(event, arguments):',
      '    assert event != "os.remove" or "snapshots" not in str(arguments[0]), arguments',
      'sys.addaudithook(never)',
      'hub.try_to_load_from_cache = lambda *_, **__: "/taken/away"',
      'hub.download(**json.loads(sys.argv[1]))',
    ].join('\n');
    const env = fetchEnvironment(process.env, python.packages);
    for (const _ of ['put in the place of another', 'there already']) {
      const folder = await mkdtemp(join(root, 'model-'));
      const request = JSON.stringify({ repo: 'org/tiny', commit, files, folder });
      await promisify(execFile)(python.executable, ['-P', '-c', watched, request], { env });
      ok((await readFile(join(folder, FILE))).equals(content));
      ok((await readFile(named)).equals(content));
    }
    deepEqual(await readdir(blobs()), [blobOf(content).split('/').at(-1)]);
  });

  it('is taken as it is where only the last step was missing, and a damaged copy in the cache is replaced', async () => {
    const commit = hub.commit({ [FILE]: content });
    await putPart(content);
    ok((await download(commit)).equals(content));
    deepEqual(asked(), []);
    await writeFile(blobOf(content), randomBytes(SIZE));
    ok((await download(commit)).equals(content));
    deepEqual(asked(), ['whole']);
  });

  it('leaves nothing that would be taken up again where the server has other bytes than it lists', async () => {
    const commit = hub.commit({ [FILE]: content });
    for (const served of [randomBytes(SIZE), content.subarray(0, HALF), Buffer.concat([content, Buffer.alloc(10)])]) {
      hub.interfere = (request, response) => {
        const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
        if (from >= served.length) response.writeHead(416).end();
        else response.writeHead(200, { 'Content-Length': served.length }).end(served);
        return true;
      };
      const before = asked().length;
      await rejects(download(commit), { kind: 'Corrupt' });
      equal(asked().length, before + 1, 'its first answer is enough');
      const left = await readdir(blobs());
      ok(
        left.every((name) => statSync(join(blobs(), name)).size === 0),
        left.join(),
      );
    }
  });

  it('is one download where two workers ask for it at once', async () => {
    const commit = hub.commit({ [FILE]: content });
    const waiting: (() => void)[] = [];
    hub.interfere = (_, response) => {
      response.writeHead(200, { 'Content-Length': SIZE });
      response.write(content.subarray(0, HALF));
      waiting.push(() => response.end(content.subarray(HALF)));
      return true;
    };
    const both = Promise.all([download(commit), download(commit)]);
    // Both have asked what there is; one has the part, the other can only wait for it.
    while (hub.requests.filter((request) => request.includes('/api/')).length < 2 || waiting.length === 0)
      await sleep(20);
    await sleep(500);
    for (const end of waiting) end();
    for (const got of await both) ok(got.equals(content));
    deepEqual(asked(), ['whole']);
  });

  it('shows the storage that the hub sends it to the range, but not the token', async () => {
    const commit = hub.commit({ [FILE]: content });
    const seen: unknown[] = [];
    const storage = createServer((request, response) => {
      seen.push([request.headers.range, request.headers.authorization]);
      response.writeHead(206, { 'Content-Range': `bytes ${HALF}-${SIZE - 1}/${SIZE}` }).end(content.subarray(HALF));
    });
    await new Promise<void>((ready) => storage.listen(0, '127.0.0.1', ready));
    const { port } = storage.address() as AddressInfo;
    hub.interfere = (_, response) => {
      response.writeHead(302, { Location: `http://127.0.0.1:${port}/signed?Signature=s` }).end();
      return true;
    };
    process.env['HF_TOKEN'] = 'hf_secretsecretsecret';
    await putPart(content.subarray(0, HALF));
    try {
      ok((await download(commit)).equals(content));
    } finally {
      storage.closeAllConnections();
      storage.close();
    }
    deepEqual(seen, [[`bytes=${HALF}-`, undefined]]);
    deepEqual([...hub.authorisations], ['Bearer hf_secretsecretsecret']);
  });

  it('is given up after a week, and sooner by nobody', async () => {
    await mkdir(blobs(), { recursive: true });
    const day = 24 * 3_600_000;
    for (const [name, days] of [
      ['old', 8],
      ['young', 6],
    ] as const) {
      const path = join(blobs(), `${name}.part`);
      await writeFile(path, name);
      await utimes(path, new Date(), new Date(Date.now() - days * day));
    }
    await download(hub.commit({ [FILE]: content }));
    deepEqual(
      (await readdir(blobs())).filter((name) => name.endsWith('.part')),
      ['young.part'],
    );
  });

  it('is not begun where the disk has no room for it', async () => {
    const commit = hub.commit({ [FILE]: content });
    const file = { path: FILE, size: 10 ** 16, sha256: '0'.repeat(64), blob: null };
    const request = { repo: 'org/tiny', commit, files: [file], folder: join(root, 'model') };
    await rejects(fetchProcess('hub-download', request, { python }), { kind: 'DiskFull', fix: /HF_HOME/ });
    deepEqual(asked(), []);
  });
});
