/**
 * Put and get of a tree, against the plain copy of its files through the same gateway by the best raw method: parallel
 * requests of file slices for put, GetObject into a file for get. Goals: 0.9 of raw or better, no blob sent for an
 * unchanged tree, and less than 256 MiB of memory more.
 *
 *   npx tsx bench/store.ts [MiB = 1024] [rounds = 4]
 */
import { randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
  type CompletedPart,
  type S3Client,
} from '@aws-sdk/client-s3';
import { forEachParallel, retrying } from '../artifacts/concurrency.ts';
import { openStore } from '../artifacts/open.ts';
import { listDirectory } from '../artifacts/tree.ts';
import { findGatewayBinary, startGateway } from '../infra/embedded/gateway.ts';
import { median } from './support.ts';

const MIB = 2 ** 20;
const SLICE = 32 * MIB;
const SMALL_FILES = 64;
const totalMib = Number(process.argv[2] ?? 1024);
const rounds = Number(process.argv[3] ?? 4);

const folder = await mkdtemp(join(tmpdir(), 'espalier-bench-'));
const binary = (await findGatewayBinary()) ?? 'versitygw';
const keys = { accessKey: 'bench', secretKey: 'bench-secret' };
const gateway = await startGateway({ binary, dataDir: join(folder, 'data'), ...keys });
try {
  const source = join(folder, 'source');
  await writeTree(source);
  const bytes = (await listDirectory(source)).reduce((sum, file) => sum + file.size, 0);
  const { store, objects, settings } = await openStore({
    AWS_ENDPOINT_URL_S3: gateway.endpoint,
    AWS_ACCESS_KEY_ID: keys.accessKey,
    AWS_SECRET_ACCESS_KEY: keys.secretKey,
    XDG_CACHE_HOME: join(folder, 'cache'),
  });
  const sent = new Map<string, number>();
  objects.client.middlewareStack.add(
    (next, context) => (args) => {
      sent.set(String(context.commandName), (sent.get(String(context.commandName)) ?? 0) + 1);
      return next(args);
    },
    { step: 'initialize' },
  );
  const times: Record<'rawPut' | 'put' | 'rawGet' | 'get' | 'again', number[]> = {
    rawPut: [],
    put: [],
    rawGet: [],
    get: [],
    again: [],
  };
  let memory = 0;
  for (let round = 0; round < rounds; round++) {
    const before = await listBlobs();
    const watch = watchMemory();
    // Who comes second pays for writing back the first one's pages: take turns.
    const inTurn = async (pair: readonly (() => Promise<void>)[]): Promise<void> => {
      for (const work of round % 2 === 0 ? pair : pair.toReversed()) await work();
    };
    await inTurn([
      async () => void times.rawPut.push(await seconds(() => rawPut(objects.client, settings.bucket, source))),
      async () => void times.put.push(await seconds(async () => void (await store.putTree(source, 'tree')))),
    ]);
    const ref = await store.putTree(source, 'tree');
    await inTurn([
      async () =>
        void times.rawGet.push(
          await seconds(() => rawGet(objects.client, settings.bucket, source, join(folder, 'raw'))),
        ),
      async () => void times.get.push(await seconds(() => store.checkout(ref, join(folder, 'got')))),
    ]);
    sent.clear();
    times.again.push(await seconds(async () => void (await store.putTree(source, 'tree'))));
    const uploads = (sent.get('PutObjectCommand') ?? 0) + (sent.get('UploadPartCommand') ?? 0);
    if (uploads > 0) throw new Error(`an unchanged tree sent ${uploads} uploads`);
    memory = Math.max(memory, watch.stop());
    // Every round starts from an empty store and empty targets.
    for (const key of await listBlobs()) if (!before.includes(key)) await objects.delete(key);
    await Promise.all(['raw', 'got'].map((name) => rm(join(folder, name), { recursive: true })));
  }
  const rate = (samples: number[]): number => bytes / MIB / median(samples);
  const report = {
    mib: Math.round(bytes / MIB),
    rounds,
    putMibPerSecond: { raw: rate(times.rawPut), store: rate(times.put) },
    getMibPerSecond: { raw: rate(times.rawGet), store: rate(times.get) },
    putRatio: median(times.rawPut) / median(times.put),
    getRatio: median(times.rawGet) / median(times.get),
    unchangedPut: { uploads: 0, seconds: median(times.again) },
    memoryGrowthMib: memory / MIB,
  };
  const failed = Object.entries({
    'put ratio below 0.9': report.putRatio < 0.9,
    'get ratio below 0.9': report.getRatio < 0.9,
    'memory growth of 256 MiB or more': report.memoryGrowthMib >= 256,
  }).flatMap(([name, missed]) => (missed ? [name] : []));
  console.log(
    JSON.stringify(
      { ...report, failed },
      (_, value: unknown) => (typeof value === 'number' ? Math.round(value * 100) / 100 : value),
      2,
    ),
  );
  process.exitCode = failed.length === 0 ? 0 : 1;

  async function listBlobs(): Promise<string[]> {
    return objects.list('blobs/');
  }
} finally {
  await gateway.stop();
  await rm(folder, { recursive: true, force: true });
}

/** As a model: a few large files that hold nearly all, and many small ones. */
async function writeTree(directory: string): Promise<void> {
  const small = 16 * 1024;
  const large = (totalMib * MIB - SMALL_FILES * small) / 10;
  const sizes = [4, 3, 2, 1].map((tenths, i) => [`weights/part-${i}.bin`, Math.floor(large * tenths)] as const);
  const files = [...sizes, ...Array.from({ length: SMALL_FILES }, (_, i) => [`small/${i}.json`, small] as const)];
  for (const [path, size] of files) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    const file = await open(join(directory, path), 'w');
    for (let done = 0; done < size; done += MIB) await file.write(randomBytes(Math.min(MIB, size - done)));
    await file.close();
  }
}

async function rawPut(client: S3Client, Bucket: string, directory: string): Promise<void> {
  await forEachParallel(await listDirectory(directory), 8, undefined, async ({ path, size }) => {
    const Key = `raw/${path}`;
    const full = join(directory, path);
    if (size <= SLICE) {
      // versitygw sometimes refuses the request after one whose body was sent in chunks, as the SDK does here.
      await retrying(
        () => client.send(new PutObjectCommand({ Bucket, Key, Body: createReadStream(full), ContentLength: size })),
        undefined,
      );
      return;
    }
    const { UploadId } = await retrying(
      () => client.send(new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm: 'CRC32' })),
      undefined,
    );
    const starts = Array.from({ length: Math.ceil(size / SLICE) }, (_, i) => i * SLICE);
    const Parts: CompletedPart[] = [];
    await forEachParallel(starts, 4, undefined, async (start) => {
      const end = Math.min(start + SLICE, size) - 1;
      const PartNumber = start / SLICE + 1;
      const part = {
        Bucket,
        Key,
        UploadId,
        PartNumber,
        ContentLength: end - start + 1,
        ChecksumAlgorithm: 'CRC32',
      } as const;
      const send = (): Promise<CompletedPart> => {
        const Body = createReadStream(full, { start, end, highWaterMark: MIB });
        return client.send(new UploadPartCommand({ ...part, Body }));
      };
      const { ETag, ChecksumCRC32 } = await retrying(send, undefined);
      Parts[PartNumber - 1] = { PartNumber, ETag, ChecksumCRC32 };
    });
    await retrying(
      () => client.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } })),
      undefined,
    );
  });
}

async function rawGet(client: S3Client, Bucket: string, source: string, target: string): Promise<void> {
  await forEachParallel(await listDirectory(source), 8, undefined, async ({ path, size }) => {
    await mkdir(dirname(join(target, path)), { recursive: true });
    const found = await retrying(() => client.send(new GetObjectCommand({ Bucket, Key: `raw/${path}` })), undefined);
    await pipeline(found.Body as Readable, createWriteStream(join(target, path), { highWaterMark: MIB }));
    if ((await stat(join(target, path))).size !== size) throw new Error(`${path} came back short`);
  });
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** Growth of the resident set, sampled. */
function watchMemory(): { stop(): number } {
  const start = process.memoryUsage.rss();
  let peak = start;
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 50);
  return {
    stop() {
      clearInterval(timer);
      return peak - start;
    },
  };
}
