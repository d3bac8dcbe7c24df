/**
 * What a signature costs: verifying a signed bundle with its model's bytes in memory for the runtime, against hashing its
 * files alone by the same hash. Goal: 1.15 or less at 500 MiB. Beside it the same in two passes: verifying, then reading.
 * Interleaved rounds, medians of the rounds' ratios, by the clock and by CPU time; files in the system's cache.
 *
 *   node --expose-gc --import tsx bench/signing.ts [MiB = 500] [rounds = 12]
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
const rounds = Number(process.argv[3] ?? 12);
const SMALL_FILES = 16;
const MODEL = 'm/1/model.onnx';

const folder = await mkdtemp(join(tmpdir(), 'espalier-bench-signing-'));
const { signer, trusted } = newTestKey();
try {
  await writeBundle();
  const paths = (await listDirectory(folder)).map(({ path }) => path);
  const files = await Promise.all(paths.map(async (path) => ({ path, digest: await digestFile(join(folder, path)) })));
  await writeFile(
    join(folder, SIGNATURE_FILE),
    JSON.stringify(await signStatement(modelStatement('m', files), signer)),
  );

  const works = {
    'hashing alone': async () => {
      for (const path of paths) await digestFile(join(folder, path));
    },
    verify: () => verifySignedFolder(folder, trusted),
    'verify + load, one pass (goal 1.15)': () => verifySignedFolder(folder, trusted, (path) => path === MODEL),
    'verify, then load: two passes': async () => {
      await verifySignedFolder(folder, trusted);
      await readFile(join(folder, MODEL));
    },
  };
  const taken = new Map<string, Taken[]>(Object.keys(works).map((name) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    const all = Object.entries(works);
    // Another one first each time: who comes after a large one also cleans up after it.
    for (const [name, work] of [...all.slice((round + 1) % all.length), ...all.slice(0, (round + 1) % all.length)]) {
      global.gc?.();
      const seconds = await measured(work);
      if (round >= 0) taken.get(name)?.push(seconds); // the first is for the caches
    }
  }
  const hashing = taken.get('hashing alone') ?? [];
  process.stdout.write(`${totalMib} MiB in ${paths.length} files, ${rounds} rounds\n`);
  for (const [name, times] of taken) {
    const ratio = (of: keyof Taken): string =>
      median(times.map((time, round) => time[of] / (hashing[round]?.[of] ?? Number.NaN))).toFixed(3);
    process.stdout.write(
      `${name.padEnd(38)} ${median(times.map(({ clock }) => clock)).toFixed(3)} s: ${ratio('clock')} of hashing, ${ratio('cpu')} by CPU time\n`,
    );
  }
} finally {
  await rm(folder, { recursive: true });
}

/** One large file and a few small ones, as a bundle has. */
async function writeBundle(): Promise<void> {
  await mkdir(join(folder, 'm', '1'), { recursive: true });
  const file = await open(join(folder, MODEL), 'w');
  for (let written = 0; written < totalMib; written++) await file.write(randomBytes(MIB));
  await file.close();
  for (let index = 0; index < SMALL_FILES; index++) await writeFile(join(folder, `${index}.json`), randomBytes(10_000));
}

/** Seconds. */
interface Taken {
  readonly clock: number;
  readonly cpu: number;
}

async function measured(work: () => Promise<unknown>): Promise<Taken> {
  const [started, cpuBefore] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(cpuBefore);
  return { clock: (performance.now() - started) / 1000, cpu: (user + system) / 1e6 };
}
