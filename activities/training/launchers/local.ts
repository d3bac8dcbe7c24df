/** The training process as a child on this machine: scrubbed environment, no network where the kernel lets us take it away. */
import { execFile, spawn } from 'node:child_process';
import { access, constants, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { promisify } from 'node:util';
import { EspalierError } from '../../../artifacts/errors.ts';
import type { TrainerJob } from '../job.ts';
import { writeJob, type Launcher, type LaunchOptions, type ProcessEnd } from './launcher.ts';

/** All the process may know of its surroundings: no credentials, no proxies, no addresses. */
const INHERITED = [
  'PATH',
  'LANG',
  'LC_ALL',
  'TZ',
  'TMPDIR',
  'LD_LIBRARY_PATH',
  'CUDA_VISIBLE_DEVICES',
  'NVIDIA_VISIBLE_DEVICES',
];

export const localLauncher: Launcher = {
  name: 'local',
  async start(job, options) {
    const { python, workDir, log } = options;
    await access(python.executable, constants.X_OK).catch((error: unknown) => {
      throw cannotStart(python.executable, error);
    });
    await mkdir(join(workDir, 'home'), { recursive: true });
    const jobFile = await writeJob(job, workDir);
    const argv = [...(await networkNamespace()), python.executable, '-m', 'espalier_trainer', 'run', jobFile];
    const logFile = await open(log, 'a');
    try {
      // The open standard input is the leash: its end tells the process that we are gone.
      const child = spawn(argv[0] ?? '', argv.slice(1), {
        cwd: workDir,
        env: childEnvironment(process.env, { job, ...options }),
        stdio: ['pipe', logFile.fd, logFile.fd, 'pipe'],
      });
      child.stdin?.on('error', () => {}); // the leash of a process that is already gone
      const ended = new Promise<ProcessEnd>((resolve, reject) => {
        child.once('error', (error) => {
          if (child.pid === undefined) reject(cannotStart(python.executable, error));
        });
        child.once('close', (code, signal) => resolve({ code, signal }));
      });
      ended.catch(() => {}); // whoever waits for it hears it then
      // At once: what a process says that ends before anybody listens would be thrown away with its pipe.
      const events = new PassThrough();
      (child.stdio[3] as Readable | null)?.pipe(events);
      return {
        events,
        ended,
        stop: () => child.kill('SIGTERM'),
        kill: () => child.kill('SIGKILL'),
      };
    } finally {
      await logFile.close();
    }
  },
};

function cannotStart(executable: string, cause: unknown): EspalierError {
  return new EspalierError('MissingTool', `cannot start the training process: ${(cause as Error).message}`, {
    where: executable,
    fix: 'run `npm start` once: it makes the Python environment',
    cause,
  });
}

/** The environment of the process, from ours by an allow-list. */
export function childEnvironment(
  ours: NodeJS.ProcessEnv,
  { job, python, workDir, visibleDevices }: Omit<LaunchOptions, 'log'> & { readonly job: TrainerJob },
): NodeJS.ProcessEnv {
  return {
    ...isolatedEnvironment(ours, { python, workDir, threads: Math.max(1, ...job.tasks.map(threadsOf)) }),
    ...(visibleDevices === undefined ? {} : { CUDA_VISIBLE_DEVICES: visibleDevices }),
  };
}

/** That of any process which opens files of strangers: the allow-list, a home of its own, and what makes sums repeatable. */
export function isolatedEnvironment(
  ours: NodeJS.ProcessEnv,
  { python, workDir, threads }: Pick<LaunchOptions, 'python' | 'workDir'> & { readonly threads: number },
): NodeJS.ProcessEnv {
  return {
    ...Object.fromEntries(INHERITED.flatMap((name) => (ours[name] === undefined ? [] : [[name, ours[name]]]))),
    HOME: join(workDir, 'home'),
    HF_HOME: join(workDir, 'home'),
    HF_HUB_OFFLINE: '1',
    HF_HUB_DISABLE_TELEMETRY: '1',
    TOKENIZERS_PARALLELISM: 'false',
    PYTHONPATH: python.packages,
    PYTHONNOUSERSITE: '1',
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONHASHSEED: '0',
    PYTHONUNBUFFERED: '1',
    OMP_NUM_THREADS: String(threads),
    CUBLAS_WORKSPACE_CONFIG: ':4096:8',
  };
}

let namespace: Promise<readonly string[]> | undefined;

/**
 * The command that runs another without any network, where this machine has one that works (util-linux `unshare`, as
 * root or with user namespaces); empty elsewhere, where the process's own guard stands alone. Probed once.
 */
export function networkNamespace(): Promise<readonly string[]> {
  namespace ??= (async () => {
    if (process.platform !== 'linux') return [];
    for (const flags of [['--net'], ['--user', '--map-current-user', '--net']]) {
      const works = await promisify(execFile)('unshare', [...flags, '--', 'true'], { timeout: 5000 }).then(
        () => true,
        () => false,
      );
      if (works) return ['unshare', ...flags, '--'];
    }
    return [];
  })();
  return namespace;
}

function threadsOf(task: TrainerJob['tasks'][number]): number {
  if (task.verb === 'train') return task.training.threads;
  return 'threads' in task ? task.threads : 1;
}
