import assert from 'node:assert/strict';
import { connect, createServer, type AddressInfo } from 'node:net';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { openStore, type OpenStore } from '../../artifacts/open.ts';
import { createS3Client, storeSettings } from '../../artifacts/settings.ts';
import { TcpProxy } from '../support/faults-proxy.ts';
import { S3Proxy } from '../support/faults-s3-proxy.ts';
import { withStore } from '../support/store.ts';

describe('the fault proxy in front of S3', () => {
  let proxy: S3Proxy;
  let through: OpenStore;
  let direct: OpenStore;
  let env: NodeJS.ProcessEnv;
  before(async () => {
    const store = await withStore();
    direct = store;
    proxy = await S3Proxy.start(Number(new URL(store.endpoint).port));
    env = { ...store.env, AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${proxy.port}` };
    through = await openStore(env);
  });
  after(async () => {
    through.close();
    direct.close();
    await proxy.close();
  });

  it('changes nothing while no fault is set, and tells what passes', async () => {
    const seen: string[] = [];
    const stop = proxy.onRequest(({ method, key }) => seen.push(`${method} ${key.split('/')[0]}`));
    const ref = await through.store.putBytes('hello', { name: 'a', mediaType: 'text/plain' });
    assert.equal((await direct.store.getBytes(ref)).toString(), 'hello');
    stop();
    assert.deepEqual(seen, ['HEAD blobs', 'PUT blobs']);
  });

  it('answers 503 for as long as asked', async () => {
    const burst = proxy.unavailable(600);
    const answer = await fetch(`http://127.0.0.1:${proxy.port}/${through.settings.bucket}/x`);
    assert.equal(answer.status, 503);
    assert.match(await answer.text(), /<Code>SlowDown</);
    await burst;
    assert.equal(await through.pointers.create('steps/after-burst', {}), true);
  });

  it('loses the answer of a write that had its effect; the store recognises its own bytes', async () => {
    await Promise.all([proxy.reset(2), through.pointers.create('steps/lost-answer', { a: 1 })]).then(([, created]) =>
      assert.equal(created, true),
    );
    assert.deepEqual((await direct.pointers.read('steps/lost-answer'))?.value, { a: 1 });
  });

  it('breaks bodies in the middle, in both directions; no half object is left and the bytes arrive', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-truncate-'));
    try {
      const bytes = Buffer.alloc(3_000_000, 'espalier');
      await writeFile(join(folder, 'large.bin'), bytes);
      const before = proxy.faulted;
      const cut = proxy.truncate(1);
      const tree = await through.store.putTree(folder, 'tree');
      await cut;
      assert.equal(proxy.faulted, before + 1, 'an upload was cut');
      const { entries } = await direct.store.tree(tree);
      assert.deepEqual(await direct.store.getBytes(entries[0]?.digest ?? 'sha256:'), bytes);
      const both = proxy.truncate(2);
      await through.store.checkout(tree, join(folder, 'out'));
      await both;
      assert.deepEqual(await readFile(join(folder, 'out', 'large.bin')), bytes);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('holds everything during a partition and lets it go on afterwards', async () => {
    const begin = performance.now();
    const partition = proxy.partition(500);
    assert.equal(await through.pointers.create('steps/partition', {}), true);
    assert.ok(performance.now() - begin >= 490);
    await partition;
  });

  it('slows bodies down and delays requests', async () => {
    const client = createS3Client(storeSettings(env), env);
    const object = { Bucket: through.settings.bucket, Key: 'slow' };
    await client.send(new PutObjectCommand({ ...object, Body: Buffer.alloc(64 * 1024) }));
    const slow = proxy.slowBodies(1500);
    let begin = performance.now();
    await (await client.send(new GetObjectCommand(object))).Body?.transformToByteArray();
    assert.ok(performance.now() - begin >= 390, '64 KiB at 160 kB/s');
    await slow;
    const late = proxy.latency(200, 400);
    begin = performance.now();
    await through.objects.head('slow');
    assert.ok(performance.now() - begin >= 190);
    await late;
    client.destroy();
  });
});

describe('the fault proxy in front of Temporal', () => {
  let proxy: TcpProxy;
  const echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  before(async () => {
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
    proxy = await TcpProxy.start((echo.address() as AddressInfo).port);
  });
  after(async () => {
    await proxy.close();
    echo.close();
  });
  const dial = () => connect(proxy.port, '127.0.0.1');
  const answer = async (socket: ReturnType<typeof dial>, text: string): Promise<number> => {
    const begin = performance.now();
    const heard = new Promise<string>((resolve, reject) => {
      socket.once('data', (chunk: Buffer) => resolve(chunk.toString()));
      socket.once('error', reject);
    });
    socket.write(text);
    assert.equal(await heard, text);
    return performance.now() - begin;
  };

  it('passes bytes, and holds them through a partition on a connection that lives on', async () => {
    const socket = dial();
    await answer(socket, 'before');
    const partition = proxy.partition(400);
    assert.ok((await answer(socket, 'during')) >= 390);
    await partition;
    await answer(socket, 'after');
    socket.destroy();
  });

  it('delays each direction, and breaks connections', async () => {
    const socket = dial();
    const late = proxy.latency(100, 300);
    assert.ok((await answer(socket, 'late')) >= 195);
    await late;
    const broken = new Promise((resolve) => socket.once('error', resolve));
    await proxy.reset(1);
    assert.equal(((await broken) as NodeJS.ErrnoException).code, 'ECONNRESET');
  });
});
