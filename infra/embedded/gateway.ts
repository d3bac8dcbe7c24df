/**
 * The embedded S3 endpoint: versitygw over a local folder. Used where no AWS_ENDPOINT_URL_S3 is given; what it holds
 * survives restarts.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { EspalierError } from '../../artifacts/errors.ts';

export interface GatewayOptions {
  /** Path of the versitygw executable. */
  readonly binary: string;
  /** Its top folders are the buckets. Created when missing. */
  readonly dataDir: string;
  /** 0 or absent: any free port. */
  readonly port?: number;
  /** Only loopback by default: the gateway speaks plain http. */
  readonly host?: string;
  readonly accessKey: string;
  readonly secretKey: string;
}

export interface Gateway {
  readonly endpoint: string;
  readonly pid: number;
  /** SIGTERM, then SIGKILL after 5 s. The port is free when it resolves. */
  stop(): Promise<void>;
  /** Resolves when the process has ended, for whatever reason. */
  readonly ended: Promise<void>;
}

const START_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 5_000;

/**
 * Starts the gateway and waits until it answers. An orphan that still serves the same folder (its parent was killed) is
 * stopped first. Throws Conflict when a living process serves the folder, MissingTool without the binary and StorageUnavailable when it does not come up.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { binary, dataDir, accessKey, secretKey, host = '127.0.0.1' } = options;
  await requireBinary(binary);
  await mkdir(dataDir, { recursive: true });
  // Beside the data, not inside: every folder inside is a bucket.
  const pidFile = `${dataDir}.gateway.json`;
  await stopOrphan(pidFile, dataDir);
  await restoreInterruptedCompletes(dataDir);

  const port = options.port === undefined || options.port === 0 ? await freePort(host) : options.port;
  const endpoint = `http://${host}:${port}`;
  // A path of its own: another server that holds the port must not answer for one that fails to bind it.
  const health = `/health-${randomUUID()}`;
  // Keep-alive is off by default: every small object would cost a connection.
  const listen = ['--port', `${host}:${port}`, '--keep-alive', '--health', health, '--quiet'];
  const child = spawn(binary, [...listen, 'posix', dataDir], {
    stdio: ['ignore', 'ignore', 'pipe'],
    // A group of its own: Ctrl-C in the terminal must not end the store before the workers have left their checkpoints.
    detached: true,
    // Credentials in the environment: an argument list is readable by every user of the machine.
    env: { PATH: process.env['PATH'], ROOT_ACCESS_KEY_ID: accessKey, ROOT_SECRET_ACCESS_KEY: secretKey },
  });
  const killOnExit = (): void => void child.kill('SIGKILL');
  process.once('exit', killOnExit);
  // It serves its parent: it is no reason for the parent to stay.
  child.unref();
  (child.stderr as Socket | null)?.unref();
  let log = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-2000);
  });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', (error) => {
      log += String(error);
      resolve();
    });
  }).then(() => void process.off('exit', killOnExit));

  if (!(await answers(`${endpoint}${health}`, child))) {
    child.kill('SIGKILL');
    await ended;
    throw new EspalierError('StorageUnavailable', `the S3 gateway did not start at ${endpoint}: ${log.trim()}`, {
      where: binary,
      fix: `check that port ${port} is free and that ${dataDir} is on a file system with extended attributes`,
    });
  }
  const pid = child.pid ?? 0;
  await writeFile(pidFile, JSON.stringify({ pid, parent: process.pid, endpoint }));
  return {
    endpoint,
    pid,
    ended,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM');
        const patience = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
        await ended;
        clearTimeout(patience);
      }
      await rm(pidFile, { force: true });
    },
  };
}

/** The versitygw to use: on PATH, else the one that set-up has built. Undefined: neither. */
export async function findGatewayBinary(env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  const cache = env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  const folders = [...(env['PATH'] ?? '').split(delimiter).filter(Boolean), join(cache, 'espalier', 'bin')];
  for (const folder of folders) {
    const candidate = join(folder, 'versitygw');
    if (await isExecutable(candidate)) return candidate;
  }
  return undefined;
}

/**
 * versitygw renames an upload's folder to `<upload>.<etag>.inprogress` while it completes it. Killed inside, it later
 * answers every retry with 200 although the object does not exist. Renamed back, the upload can be completed again.
 */
export async function restoreInterruptedCompletes(dataDir: string): Promise<number> {
  let restored = 0;
  for (const bucket of await folders(dataDir)) {
    const uploads = join(dataDir, bucket, '.sgwtmp', 'multipart');
    for (const object of await folders(uploads)) {
      for (const upload of await folders(join(uploads, object))) {
        if (!upload.endsWith('.inprogress')) continue;
        const original = upload.slice(0, upload.indexOf('.'));
        await rename(join(uploads, object, upload), join(uploads, object, original));
        restored++;
      }
    }
  }
  return restored;
}

async function folders(path: string): Promise<string[]> {
  try {
    return (await readdir(path, { withFileTypes: true })).filter((e) => e.isDirectory()).map((e) => e.name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function requireBinary(binary: string): Promise<void> {
  if (await isExecutable(binary)) return;
  throw new EspalierError('MissingTool', `no S3 gateway at ${binary}`, {
    where: binary,
    fix: 'run `npm start` once (it builds versitygw; needs Go), or set AWS_ENDPOINT_URL_S3 to your own S3 endpoint',
  });
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

export async function freePort(host = '127.0.0.1'): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, host, resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === 'string') throw new EspalierError('Internal', `no port on ${host}`);
  return address.port;
}

async function answers(url: string, child: ChildProcess): Promise<boolean> {
  const end = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < end && child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
    try {
      if ((await fetch(url, { signal: AbortSignal.timeout(1000) })).ok) return true;
    } catch {
      // not listening yet
    }
    await sleep(25);
  }
  return false;
}

/**
 * Two gateways on one folder would break each other's uploads. One whose parent is gone is stopped; one that still has
 * its parent belongs to somebody: Conflict.
 */
async function stopOrphan(pidFile: string, dataDir: string): Promise<void> {
  let recorded: { pid: number; parent: number; endpoint: string };
  try {
    recorded = JSON.parse(await readFile(pidFile, 'utf8')) as typeof recorded;
  } catch {
    return; // none recorded, or half a record: nothing we could stop
  }
  const { pid, parent, endpoint } = recorded;
  const end = Date.now() + STOP_TIMEOUT_MS;
  for (;;) {
    const running = await processInfo(pid);
    // A process id alone may have been given out again: the folder in its command line makes it ours.
    if (!running.command.includes(dataDir)) break;
    if (running.parent === parent) {
      throw new EspalierError('Conflict', `${dataDir} is already served at ${endpoint} by process ${pid}`, {
        where: dataDir,
        fix: `stop process ${parent} first, or use its endpoint: AWS_ENDPOINT_URL_S3=${endpoint}`,
      });
    }
    process.kill(pid, Date.now() < end ? 'SIGTERM' : 'SIGKILL');
    await sleep(50);
  }
  await rm(pidFile, { force: true });
}

/** Parent and command line of a process; an empty command when there is none. */
async function processInfo(pid: number): Promise<{ parent: number; command: string }> {
  try {
    const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ');
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // "pid (name) state ppid …"; the name may hold anything, so count from its closing bracket.
    return { parent: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]), command };
  } catch {
    const ps = promisify(execFile)('ps', ['-o', 'ppid=,command=', '-p', String(pid)]);
    const line = (await ps.catch(() => ({ stdout: '' }))).stdout.trim();
    return { parent: Number.parseInt(line, 10), command: line };
  }
}
