/** Does this S3 store keep the promises that Espalier builds on? Tried for real, below a prefix that is removed again. */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EspalierError } from './errors.ts';
import { MULTIPART_FROM, readContent } from './file-content.ts';
import { ObjectStore } from './object-store.ts';
import { createS3Client, describeStore, type StoreSettings } from './settings.ts';

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly fix?: string;
}

const RACERS = 32;
const ROUNDS = 3;
const WRITERS = 8;
const STEPS = 4;

const OTHER_STORE =
  'this store cannot hold approvals and releases safely: use one with atomic conditional writes (AWS S3, Ceph RGW, versitygw)';

/** Never throws for a store that fails: that is a result. Later checks are left out when the first ones fail. */
export async function checkStore(settings: StoreSettings, env: NodeJS.ProcessEnv = process.env): Promise<Check[]> {
  const client = createS3Client(settings, env);
  const objects = new ObjectStore(client, settings);
  const scratch = `doctor/${randomUUID()}`;
  const checks: Check[] = [];
  const check = async (name: string, fix: string | undefined, work: () => Promise<string>): Promise<boolean> => {
    try {
      checks.push({ name, ok: true, detail: await work() });
      return true;
    } catch (error) {
      const known = error instanceof EspalierError ? error : new EspalierError('Internal', String(error));
      const way = fix ?? known.fix;
      checks.push({ name, ok: false, detail: known.message, ...(way === undefined ? {} : { fix: way }) });
      return false;
    }
  };
  try {
    const usable =
      (await check('reach', undefined, async () => {
        await objects.ensureBucket();
        return describeStore(settings);
      })) && (await check('write', undefined, () => writeReadDelete(objects, scratch)));
    if (!usable) return checks;
    await check('write once', OTHER_STORE, () => oneWinner(objects, scratch));
    await check('compare and swap', OTHER_STORE, () => noLostUpdate(objects, scratch));
    await check('checksums', 'this store accepts damaged uploads: use another', () =>
      wrongDigestRefused(objects, scratch),
    );
    await check('multipart', undefined, () => multipartRoundTrip(objects, scratch));
    return checks;
  } finally {
    await Promise.allSettled((await objects.list(scratch).catch(() => [])).map((key) => objects.delete(key)));
    client.destroy();
  }
}

async function writeReadDelete(objects: ObjectStore, scratch: string): Promise<string> {
  const bytes = randomBytes(1024);
  const key = `${scratch}/write`;
  await objects.putBytes(key, bytes);
  const found = await objects.getBytes(key);
  if (found === undefined || !found.bytes.equals(bytes)) throw wrong('an object did not come back as it was written');
  await objects.delete(key);
  if ((await objects.head(key)) !== undefined) throw wrong('a deleted object is still there');
  return 'an object was written, read and deleted';
}

async function oneWinner(objects: ObjectStore, scratch: string): Promise<string> {
  for (let round = 0; round < ROUNDS; round++) {
    const key = `${scratch}/race-${round}`;
    const bodies = Array.from({ length: RACERS }, (_, i) => Buffer.from(`racer ${i}`));
    const outcomes = await Promise.all(bodies.map((body) => objects.putBytes(key, body, { condition: 'absent' })));
    const winners = outcomes.flatMap((etag, index) => (etag === undefined ? [] : [index]));
    if (winners.length !== 1)
      throw wrong(`${winners.length} of ${RACERS} writers at one moment were told they were first`);
    const stored = (await objects.getBytes(key))?.bytes.toString();
    if (stored !== `racer ${winners[0]}`) throw wrong(`racer ${winners[0]} was told it won, but '${stored}' is stored`);
  }
  return `${ROUNDS} races of ${RACERS} writers had one winner each`;
}

async function noLostUpdate(objects: ObjectStore, scratch: string): Promise<string> {
  const key = `${scratch}/counter`;
  await objects.putBytes(key, Buffer.from('0'));
  const increments = async (): Promise<void> => {
    for (let done = 0; done < STEPS;) {
      const now = await objects.getBytes(key);
      if (now === undefined) throw wrong('the counter is gone');
      const next = Buffer.from(String(Number(now.bytes.toString()) + 1));
      if ((await objects.putBytes(key, next, { condition: { etag: now.etag } })) !== undefined) done++;
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, increments));
  const total = Number((await objects.getBytes(key))?.bytes.toString());
  if (total !== WRITERS * STEPS) throw wrong(`${WRITERS * STEPS} increments counted to ${total}`);
  return `${total} increments by ${WRITERS} writers, none lost`;
}

async function wrongDigestRefused(objects: ObjectStore, scratch: string): Promise<string> {
  const key = `${scratch}/checksum`;
  const sha256 = Buffer.alloc(32, 1).toString('base64');
  const accepted = await objects.putBytes(key, Buffer.from('content'), { sha256 }).then(
    () => true,
    (error: unknown) => {
      if (error instanceof EspalierError && error.kind === 'Conflict') return false;
      throw error;
    },
  );
  if (accepted) throw wrong('bytes with a wrong SHA-256 were accepted');
  return 'bytes with a wrong SHA-256 were refused';
}

async function multipartRoundTrip(objects: ObjectStore, scratch: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-doctor-'));
  try {
    const path = join(folder, 'large');
    await writeFile(path, randomBytes(MULTIPART_FROM + 1));
    const content = await readContent(path);
    await objects.putFile(`${scratch}/large`, path, content);
    const found = await objects.getBytes(`${scratch}/large`);
    await writeFile(path, found?.bytes ?? '');
    if ((await readContent(path)).digest !== content.digest)
      throw wrong('a large object did not come back as it was written');
    return `${content.size} bytes in ${content.partCrc32.length} parts came back as they were written`;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function wrong(message: string): EspalierError {
  return new EspalierError('StorageUnavailable', message);
}
