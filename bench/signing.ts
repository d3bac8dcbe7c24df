/**
 * What a signature costs: verifying a signed bundle and reading its model into memory, against hashing its files alone
 * by the same hash. Goal: 1.15 or less at 500 MiB. Interleaved rounds, medians; files in the system's cache.
 *
 *   npx tsx bench/signing.ts [MiB = 500] [rounds = 5]
 */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestFile } from '../artifacts/digest.ts';
import { signStatement } from '../artifacts/dsse.ts';
import { modelStatement, SIGNATURE_FILE, verifySignedFolder } from '../artifacts/model-signature.ts';
import { listDirectory } from '../artifacts/tree.ts';
import { newTestKey } from '../test/support/signing.ts';
import { median } from './support.ts';

const MIB = 2 ** 20;
const totalMib = Number(process.argv[2] ?? 500);
const rounds = Number(process.argv[3] ?? 5);
const SMALL_FILES = 16;

const folder = await mkdtemp(join(tmpdir(), 'espalier-bench-signing-'));
const { signer, trusted } = newTestKey();
try {
  const model = await writeBundle();
  const paths = (await listDirectory(folder)).map(({ path }) => path);
  const files = await Promise.all(paths.map(async (path) => ({ path, digest: await digestFile(join(folder, path)) })));
  await writeFile(
    join(folder, SIGNATURE_FILE),
    JSON.stringify(await signStatement(modelStatement('m', files), signer)),
  );

  const hashing: number[] = [];
  const verifying: number[] = [];
  const loading: number[] = [];
  for (let round = -1; round < rounds; round++) {
    const hashed = await seconds(async () => {
      for (const path of paths) await digestFile(join(folder, path));
    });
    const verified = await seconds(() => verifySignedFolder(folder, trusted));
    const loaded = await seconds(() => readFile(model));
    if (round < 0) continue; // the first is for the caches
    hashing.push(hashed);
    verifying.push(verified);
    loading.push(loaded);
  }
  const [hash, verify, load] = [hashing, verifying, loading].map(median) as [number, number, number];
  process.stdout.write(
    `${totalMib} MiB in ${paths.length} files, medians of ${rounds}\n` +
      `hashing alone        ${hash.toFixed(3)} s (${(totalMib / hash).toFixed(0)} MiB/s)\n` +
      `verify               ${verify.toFixed(3)} s, ${(verify / hash).toFixed(3)} of hashing\n` +
      `verify + load        ${(verify + load).toFixed(3)} s, ${((verify + load) / hash).toFixed(3)} of hashing (goal 1.15)\n`,
  );
} finally {
  await rm(folder, { recursive: true });
}

/** One large file and a few small ones, as a bundle has. Returns the large one's path. */
async function writeBundle(): Promise<string> {
  const version = join(folder, 'm', '1');
  await mkdir(version, { recursive: true });
  const path = join(version, 'model.onnx');
  const file = await open(path, 'w');
  for (let written = 0; written < totalMib; written++) await file.write(randomBytes(MIB));
  await file.close();
  for (let index = 0; index < SMALL_FILES; index++) await writeFile(join(folder, `${index}.json`), randomBytes(10_000));
  return path;
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}
