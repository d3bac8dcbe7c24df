import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rename, stat, truncate, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ListPartsCommand, UploadPartCommand, CreateMultipartUploadCommand } from '@aws-sdk/client-s3';
import { digestFile } from '../../artifacts/digest.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { crc32Base64, MULTIPART_FROM, readContent } from '../../artifacts/file-content.ts';
import { openStore } from '../../artifacts/open.ts';
import { blobKey } from '../../artifacts/store.ts';
import { freePort, restoreInterruptedCompletes, startGateway } from '../../infra/embedded/gateway.ts';
import { gatewayBinary, storeEnv, testFolder, TEST_KEYS } from '../support/store.ts';

const OPTIONS = { name: 'weights', mediaType: 'application/octet-stream' };

async function own(dataDir = join(testFolder(), `data-${randomUUID()}`), port?: number) {
  const gateway = await startGateway({
    binary: await gatewayBinary(),
    dataDir,
    ...TEST_KEYS,
    ...(port ? { port } : {}),
  });
  return { gateway, dataDir };
}

async function largeFile(bytes = MULTIPART_FROM * 2 + 12_345): Promise<string> {
  const path = join(testFolder(), `large-${randomUUID()}`);
  await writeFile(path, randomBytes(MULTIPART_FROM));
  await truncate(path, bytes);
  return path;
}

/** Folders of uploads in progress, below a bucket. */
async function uploadFolders(dataDir: string, bucket: string): Promise<string[]> {
  const root = join(dataDir, bucket, '.sgwtmp', 'multipart');
  const found: string[] = [];
  for (const object of await readdir(root)) {
    for (const upload of await readdir(join(root, object))) found.push(join(root, object, upload));
  }
  return found;
}

describe('the embedded gateway', () => {
  it('keeps what it holds over a restart, and frees its port', async () => {
    const { gateway, dataDir } = await own();
    const port = Number(new URL(gateway.endpoint).port);
    const first = await openStore(storeEnv(gateway.endpoint, 'kept'));
    const ref = await first.store.putBytes('kept', OPTIONS);
    first.close();
    await gateway.stop();
    await assert.rejects(once(createConnection(port, '127.0.0.1'), 'connect'), { code: 'ECONNREFUSED' });

    const again = await own(dataDir, port);
    const second = await openStore(storeEnv(again.gateway.endpoint, 'kept'));
    assert.equal(String(await second.store.getBytes(ref)), 'kept');
    second.close();
    await again.gateway.stop();
  });

  it('says what to do when its program is missing or its port is taken', async () => {
    await assert.rejects(
      startGateway({ binary: '/nowhere/versitygw', dataDir: testFolder(), ...TEST_KEYS }),
      (error) => {
        assert.ok(error instanceof EspalierError);
        assert.equal(error.kind, 'MissingTool');
        assert.match(error.fix ?? '', /npm start.*AWS_ENDPOINT_URL_S3/);
        return true;
      },
    );
    const { gateway } = await own();
    await assert.rejects(own(undefined, Number(new URL(gateway.endpoint).port)), (error) => {
      assert.ok(error instanceof EspalierError);
      assert.equal(error.kind, 'StorageUnavailable');
      assert.match(error.fix ?? '', /port \d+ is free/);
      return true;
    });
    await gateway.stop();
  });

  it('shows its secret to nobody who lists processes', async function () {
    if (process.platform !== 'linux') this.skip();
    const { gateway } = await own();
    const command = await readFile(`/proc/${gateway.pid}/cmdline`, 'utf8');
    assert.ok(command.includes('posix'));
    assert.ok(!command.includes(TEST_KEYS.secretKey));
    await gateway.stop();
  });

  it('is not started twice on one folder, but replaces an orphan', async () => {
    const { gateway, dataDir } = await own();
    await assert.rejects(own(dataDir), (error) => {
      assert.ok(error instanceof EspalierError);
      assert.deepEqual([error.kind, error.message.includes(gateway.endpoint)], ['Conflict', true]);
      return true;
    });
    await gateway.stop();

    const module = new URL('../../infra/embedded/gateway.ts', import.meta.url).href;
    const options = JSON.stringify({ binary: await gatewayBinary(), dataDir, ...TEST_KEYS });
    const program = `import { startGateway } from ${JSON.stringify(module)};
      console.log((await startGateway(${options})).pid); setInterval(() => {}, 1000);`;
    const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [printed] = (await once(parent.stdout, 'data')) as [Buffer];
    const orphan = Number(String(printed));
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    assert.ok(process.kill(orphan, 0), 'the orphan lives');
    const next = await own(dataDir);
    assert.notEqual(next.gateway.pid, orphan);
    assert.ok(await isGone(orphan), 'the orphan is gone');
    await next.gateway.stop();
  });

  it('renames uploads back that died while they were completed', async () => {
    const dataDir = join(testFolder(), `data-${randomUUID()}`);
    const object = join(dataDir, 'bucket', '.sgwtmp', 'multipart', 'a'.repeat(64));
    await mkdir(join(object, '0b6e2f8e-1111.abc-2.inprogress'), { recursive: true });
    await mkdir(join(object, '77777777-2222'));
    assert.equal(await restoreInterruptedCompletes(dataDir), 1);
    assert.deepEqual((await readdir(object)).toSorted(), ['0b6e2f8e-1111', '77777777-2222']);
    assert.equal(await restoreInterruptedCompletes(join(dataDir, 'none')), 0);
  });
});

async function isGone(pid: number): Promise<boolean> {
  for (let i = 0; i < 400; i++) {
    const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => 'Z');
    if (/\bZ\b/.test(state)) return true;
    await sleep(50);
  }
  return false;
}

describe('a large file', () => {
  it('goes on where it stopped when the gateway is killed in the middle', async () => {
    const port = await freePort();
    const { gateway, dataDir } = await own(undefined, port);
    const { store, objects, close } = await openStore(storeEnv(gateway.endpoint, 'killed'));
    const path = await largeFile(MULTIPART_FROM * 4 + 5);
    const sent: number[] = [];
    objects.client.middlewareStack.add(
      (next, context) => async (args) => {
        const result = await next(args);
        if (context.commandName === 'UploadPartCommand') sent.push((args.input as { PartNumber: number }).PartNumber);
        return result;
      },
      { step: 'initialize' },
    );
    const putting = store.putFile(path, OPTIONS);
    putting.catch(() => {});
    while (sent.length < 2) await sleep(5);
    process.kill(gateway.pid, 'SIGKILL');
    await gateway.ended;
    const again = await own(dataDir, port);

    const ref = await putting;
    assert.equal(await digestFile(await store.file(ref)), ref.digest);
    assert.equal(new Set(sent).size, 9);
    assert.deepEqual(sent.length, 9, 'no part was sent twice');
    close();
    await again.gateway.stop();
  });

  it('is continued by another process from the parts that are there', async () => {
    const { gateway } = await own();
    const { store, objects, close } = await openStore(storeEnv(gateway.endpoint, 'continued'));
    const path = await largeFile();
    const content = await readContent(path);
    const key = objects.at(blobKey(content.digest));
    const { UploadId } = await objects.client.send(
      new CreateMultipartUploadCommand({ ...key, ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' }),
    );
    // Part 1 as it should be; part 2 with other bytes (of a file that changed meanwhile).
    const part = (await readFile(path)).subarray(0, content.partBytes);
    const ChecksumCRC32 = crc32Base64(content.partCrc32[0] ?? 0);
    await objects.client.send(new UploadPartCommand({ ...key, UploadId, PartNumber: 1, Body: part, ChecksumCRC32 }));
    const other = Buffer.alloc(content.partBytes, 7);
    await objects.client.send(
      new UploadPartCommand({ ...key, UploadId, PartNumber: 2, Body: other, ChecksumAlgorithm: 'CRC32' }),
    );
    assert.equal((await objects.client.send(new ListPartsCommand({ ...key, UploadId }))).Parts?.length, 2);

    const sent: number[] = [];
    objects.client.middlewareStack.add(
      (next, context) => async (args) => {
        if (context.commandName === 'UploadPartCommand') sent.push((args.input as { PartNumber: number }).PartNumber);
        return next(args);
      },
      { step: 'initialize' },
    );
    const ref = await store.putFile(path, OPTIONS);
    assert.deepEqual(
      sent.toSorted((a, b) => a - b),
      [2, 3, 4, 5],
    );
    assert.equal(await digestFile(await store.file(ref)), content.digest);
    close();
    await gateway.stop();
  });

  it('is not believed stored because the store says so', async () => {
    // What a gateway without the start-up guard does after being killed inside Complete: 200, and no object.
    const { gateway, dataDir } = await own();
    const { store, objects, close } = await openStore(storeEnv(gateway.endpoint, 'lied'));
    const path = await largeFile();
    let lies = 0;
    objects.client.middlewareStack.add(
      (next, context) => async (args) => {
        if (context.commandName === 'CompleteMultipartUploadCommand' && lies++ === 0) {
          const { UploadId, MultipartUpload } = args.input as {
            UploadId: string;
            MultipartUpload: { Parts: { ETag: string }[] };
          };
          const [folder = ''] = await uploadFolders(dataDir, 'lied');
          assert.ok(folder.endsWith(UploadId));
          const sums = MultipartUpload.Parts.map(({ ETag }) => Buffer.from(ETag.replaceAll('"', ''), 'hex'));
          const etag = `${createHash('md5').update(Buffer.concat(sums)).digest('hex')}-${sums.length}`;
          await rename(folder, `${folder}.${etag}.inprogress`);
          const answer = await next(args);
          assert.equal((answer.response as { statusCode?: number }).statusCode ?? 200, 200, 'the lie');
          return answer;
        }
        return next(args);
      },
      { step: 'initialize' },
    );
    const ref = await store.putFile(path, OPTIONS);
    assert.equal(lies, 2, 'completed a second time');
    assert.equal(await digestFile(await store.file(ref)), ref.digest);
    assert.equal((await stat(path)).size, ref.size);
    close();
    await gateway.stop();
  });

  it('keeps its parts when it is aborted, and goes on later', async () => {
    const { gateway } = await own();
    const { store, objects, close } = await openStore(storeEnv(gateway.endpoint, 'aborted'));
    const path = await largeFile();
    const stop = new AbortController();
    const sent: number[] = [];
    objects.client.middlewareStack.add(
      (next, context) => async (args) => {
        const result = await next(args);
        if (context.commandName === 'UploadPartCommand') {
          sent.push((args.input as { PartNumber: number }).PartNumber);
          stop.abort();
        }
        return result;
      },
      { step: 'initialize' },
    );
    await assert.rejects(store.putFile(path, { ...OPTIONS, signal: stop.signal }), { name: 'AbortError' });
    const kept = sent.length;
    assert.ok(kept >= 1 && kept < 5, `${kept} of 5 parts`);
    const ref = await store.putFile(path, OPTIONS);
    assert.ok(sent.length - kept < 5, 'what was sent is not sent again');
    assert.equal(await digestFile(await store.file(ref)), ref.digest);
    close();
    await gateway.stop();
  });
});
