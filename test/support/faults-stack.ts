/**
 * The real stack for fault runs: Temporal, the S3 gateway and the product's own supervision of them once a suite; the
 * two workers and the model server anew for every row, with a bucket, a cache and a temporary folder of their own. Workers
 * reach both services through fault proxies; the harness itself does not.
 */
import { execFile, execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, readFile, rm, symlink, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { limiter } from '../../artifacts/concurrency.ts';
import { openStore, type OpenStore } from '../../artifacts/open.ts';
import { connectTemporal, type TemporalClient } from '../../client/connection.ts';
import { isListening, type RunningProcess } from '../../infra/embedded/processes.ts';
import { startStack, type Stack } from '../../infra/embedded/stack.ts';
import { cachePath } from '../../infra/tools.ts';
import { TcpProxy } from './faults-proxy.ts';
import { S3Proxy } from './faults-s3-proxy.ts';
import { TEST_KEY_ENV } from './signing.ts';

export type WorkerName = 'worker-pipeline' | 'worker-gpu';
type ChildName = WorkerName | 'model-server' | 'temporal' | 's3';

const SCRIPTS: Readonly<Record<WorkerName | 'model-server', string>> = {
  'worker-pipeline': '../../workers/pipeline.ts',
  'worker-gpu': '../../workers/gpu.ts',
  'model-server': '../../serving/main.ts',
};
const WORKER_DISK = '192m';
const STORE_DISK = '1g';

export interface FaultStack {
  readonly folder: string;
  readonly s3: S3Proxy;
  readonly temporalProxy: TcpProxy;
  /** Straight to the server. */
  readonly temporal: TemporalClient;
  /** Where a small file system of our own could be mounted: disks can be filled. */
  readonly disks: boolean;
  pid(name: ChildName): Promise<number>;
  /** Resolves when both services answer. */
  healthy(): Promise<void>;
  /** Keeps what a bucket holds now; rows can begin with it. */
  keepBucket(bucket: string, kept: string): Promise<void>;
  beginRow(bucket: string, from?: string): Promise<RowHost>;
  /** Fills the gateway's disk for this long. */
  fillStore(forMs: number): Promise<void>;
  /** `keep` leaves the folder, with the logs, behind. */
  stop(options?: { readonly keep?: boolean }): Promise<void>;
}

export interface RowHost {
  readonly bucket: string;
  /** TMPDIR of the workers: the folders of running steps. */
  readonly workDir: string;
  /** Straight to the gateway. */
  readonly store: OpenStore;
  readonly servingUrl: string;
  restart(name: WorkerName): Promise<void>;
  fillDisk(forMs: number): Promise<void>;
  /** Running training processes of this row's workers. */
  trainers(): Promise<number[]>;
  /** The folders of steps, of running ones or left behind. */
  stepFolders(): Promise<string[]>;
  end(): Promise<void>;
}

/** `onNotice` hears what the product's supervisor says, e.g. that it starts a gateway again. */
export async function startFaultStack(onNotice: (line: string) => void = () => undefined): Promise<FaultStack> {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-faults-'));
  const stateDir = join(folder, 'state');
  const disks = mount(join(stateDir, 's3'), STORE_DISK);
  const stack = await startStack({
    stateDir,
    searchAttributes: { EspalierPipeline: 'Keyword', EspalierState: 'Keyword' },
    onNotice,
  });
  const [temporalPort, s3Port] = [portIn(stack.temporalAddress), portIn(stack.s3Endpoint ?? '')];
  const [s3, temporalProxy] = await Promise.all([S3Proxy.start(s3Port), TcpProxy.start(temporalPort)]);
  const temporal = await connectTemporal({ ...process.env, ...stack.env });
  // The trainer's environment lies in the cache folder; blobs must not.
  const cache = join(folder, 'cache');
  await mkdir(join(cache, 'espalier'), { recursive: true });
  await symlink(join(cachePath(), 'python'), join(cache, 'espalier', 'python'));
  const bucketPath = (bucket: string): string => join(stateDir, 's3', bucket);
  return {
    folder,
    s3,
    temporalProxy,
    temporal,
    disks,
    pid: (name) => childPid(stateDir, name),
    async healthy() {
      for (const port of [temporalPort, s3Port]) while (!(await isListening('127.0.0.1', port))) await sleep(100);
      for (;;) {
        // A server that listens may still be opening its database.
        const alive = await temporal.client.workflow.count().then(
          () => true,
          () => false,
        );
        if (alive) return;
        await sleep(200);
      }
    },
    keepBucket: (bucket, kept) => copyFolder(bucketPath(bucket), join(folder, kept)),
    async beginRow(bucket, from) {
      await rm(join(cache, 'espalier', 'blobs'), { recursive: true, force: true });
      if (from !== undefined) await copyFolder(join(folder, from), bucketPath(bucket));
      return beginRow({ stack, stateDir, folder, bucket, cache, disks, s3, temporalProxy });
    },
    fillStore: (forMs) => fill(join(stateDir, 's3'), forMs),
    async stop({ keep = false } = {}) {
      await temporal.close();
      await stack.stop();
      await Promise.all([s3.close(), temporalProxy.close()]);
      unmount(join(stateDir, 's3'));
      if (keep) onNotice(`kept ${folder}`);
      else await rm(folder, { recursive: true, force: true });
    },
  };
}

async function beginRow(options: {
  readonly stack: Stack;
  readonly stateDir: string;
  readonly folder: string;
  readonly bucket: string;
  readonly cache: string;
  readonly disks: boolean;
  readonly s3: S3Proxy;
  readonly temporalProxy: TcpProxy;
}): Promise<RowHost> {
  const { stack, stateDir, folder, bucket, cache, disks, s3, temporalProxy } = options;
  const workDir = join(folder, 'work', bucket);
  const mounted = disks && mount(workDir, WORKER_DISK);
  await mkdir(workDir, { recursive: true });
  const servingPort = await stack.port('serving');
  const servingUrl = `http://127.0.0.1:${servingPort}`;
  const env = {
    ...stack.env,
    ...TEST_KEY_ENV,
    TEMPORAL_ADDRESS: `127.0.0.1:${temporalProxy.port}`,
    AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${s3.port}`,
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
    ESPALIER_BUCKET: bucket,
    ESPALIER_STANDBY: '0', // training processes are known by the folder of their job
    ESPALIER_SERVING_URL: servingUrl,
    XDG_CACHE_HOME: cache,
    TMPDIR: workDir,
  };
  const processes = new Map<keyof typeof SCRIPTS, RunningProcess>();
  const start = async (name: keyof typeof SCRIPTS): Promise<void> => {
    const worker = name !== 'model-server';
    const running = await stack.start({
      name,
      command: process.execPath,
      args: ['--import', 'tsx', fileURLToPath(new URL(SCRIPTS[name], import.meta.url))],
      env: worker ? env : { ...env, HOST: '127.0.0.1', PORT: String(servingPort) },
      restart: true,
      graceMs: 30_000,
      ready: worker
        ? (log) => log().includes('"message":"ready"')
        : () =>
            fetch(`${servingUrl}/v2/health/live`).then(
              ({ ok }) => ok,
              () => false,
            ),
    });
    processes.set(name, running);
  };
  await Promise.all([start('worker-pipeline'), start('worker-gpu'), start('model-server')]);
  // Two restarts at once would both start a process, and only the last is known to be stopped.
  const oneAtATime = limiter(1);
  const store = await openStore({ ...process.env, ...stack.env, ESPALIER_BUCKET: bucket, XDG_CACHE_HOME: cache });
  return {
    bucket,
    workDir,
    store,
    servingUrl,
    restart: (name) =>
      oneAtATime(async () => {
        await processes.get(name)?.stop();
        await start(name);
      }),
    fillDisk: (forMs) => fill(workDir, forMs),
    trainers: () => processesNaming('espalier_trainer', workDir),
    stepFolders: () => stepFolders(workDir),
    async end() {
      await Promise.all([...processes.values()].map((one) => one.stop()));
      store.close();
      if (mounted) unmount(workDir);
      await rm(workDir, { recursive: true, force: true });
      await rm(join(stateDir, 's3', bucket), { recursive: true, force: true });
    },
  };
}

/** The supervisor's record, which follows restarts. Throws while there is no such child. */
async function childPid(stateDir: string, name: ChildName): Promise<number> {
  const record = JSON.parse(await readFile(join(stateDir, 'stack.json'), 'utf8')) as {
    children: { name: string; pid: number }[];
  };
  const child = record.children.find((one) => one.name === name);
  if (child === undefined) throw new Error(`no process ${name}`);
  return child.pid;
}

/** Processes whose command line holds all of these words. */
export async function processesNaming(...words: readonly string[]): Promise<number[]> {
  const found: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const command = await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '');
    if (words.every((word) => command.includes(word))) found.push(Number(entry));
  }
  return found;
}

/** Steps keep their files in the folder of their worker. */
export async function stepFolders(workDir: string): Promise<string[]> {
  const [found, inside]: [string[], string[]] = [[], [workDir]];
  for (const folder of inside) {
    for (const name of await readdir(folder).catch(() => [])) {
      if (name.startsWith('espalier-step-')) found.push(join(folder, name));
      else if (name.startsWith('espalier-worker-')) inside.push(join(folder, name));
    }
  }
  return found;
}

/** Extended attributes are part of what the gateway keeps: a copy without them would be another store. */
async function copyFolder(from: string, to: string): Promise<void> {
  await promisify(execFile)('cp', ['-a', from, to]);
}

/** Leaves not a byte free for `forMs`; another may be filling it at the same time. */
async function fill(folder: string, forMs: number): Promise<void> {
  const path = join(folder, `ballast-${randomUUID()}`);
  const file = await open(path, 'w');
  try {
    for (const size of [2 ** 20, 2 ** 16, 4096]) while (await append(file, size));
    await sleep(forMs);
  } finally {
    await file.close();
    await rm(path);
  }
}

/** false: there is no room. */
async function append(file: FileHandle, size: number): Promise<boolean> {
  try {
    await file.write(Buffer.alloc(size, 1));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
    throw error;
  }
}

const mounts = new Set<string>();

/** A small disk of its own at `folder`; false where we may not mount. */
function mount(folder: string, size: string): boolean {
  try {
    execFileSync('mkdir', ['-p', folder]);
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    return false;
  }
  if (mounts.size === 0) process.once('exit', () => [...mounts].forEach(unmount));
  mounts.add(folder);
  return true;
}

function unmount(folder: string): void {
  if (!mounts.delete(folder) || !existsSync(folder)) return;
  execFileSync('umount', ['-l', folder], { stdio: 'ignore' });
}

function portIn(address: string): number {
  return Number(/:(\d+)/.exec(address)?.[1]);
}
