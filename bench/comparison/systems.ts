/** How each of the other systems is installed, started and resumed: its own commands, as an operator types them. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cachePath, trainerPython } from '../../infra/tools.ts';
import { start, until, type Place, type Started } from './processes.ts';

export type Way = 'plain' | 'epochs';
export interface System {
  readonly env: (folder: string, port: string) => NodeJS.ProcessEnv;
  /** What lives on another machine in production, and so survives the kill. */
  readonly services?: (place: Place) => Promise<void>;
  readonly run: (place: Place, way: Way) => Started;
  /** What the operator does after the kill; nothing where the system goes on by itself. */
  readonly resume?: (place: Place, way: Way) => Started;
}

const here = fileURLToPath(new URL('.', import.meta.url));
const script = (name: string) => join(here, `${name}.py`);
const settings = (place: Place) => join(place.folder, 'settings.json');

/** The folder of executables of a Python environment with the three, which sees the trainer's PyTorch. Made once a version. */
export async function installSystems(): Promise<string> {
  const requirements = join(here, 'requirements.txt');
  const trainer = trainerPython().executable;
  const id = createHash('sha256')
    .update(trainer)
    .update(await readFile(requirements))
    .digest('hex')
    .slice(0, 12);
  const folder = join(cachePath(), 'comparison', id);
  const run = promisify(execFile);
  if (!existsSync(join(folder, '.complete'))) {
    await rm(folder, { recursive: true, force: true });
    await run(trainer, ['-m', 'venv', folder]);
    const packagesOf = async (python: string) =>
      (await run(python, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'])).stdout.trim();
    const python = join(folder, 'bin/python');
    await writeFile(join(await packagesOf(python), 'trainer.pth'), `${await packagesOf(trainer)}\n`);
    await run(python, ['-m', 'pip', 'install', '--quiet', '-r', requirements], { maxBuffer: 2 ** 26 });
    await writeFile(join(folder, '.complete'), '');
  }
  return join(folder, 'bin');
}

export async function versionsOf(bin: string): Promise<string> {
  const { stdout } = await promisify(execFile)(join(bin, 'python'), ['-m', 'pip', 'list', '--format', 'freeze']);
  return stdout
    .split('\n')
    .filter((line) => /^(metaflow|metaflow-checkpoint|prefect|dagster|torch)==/.test(line))
    .join(', ');
}

const metaflow: System = {
  env: (folder) => ({
    METAFLOW_HOME: folder,
    METAFLOW_DATASTORE_SYSROOT_LOCAL: folder,
    METAFLOW_DEFAULT_DATASTORE: 'local',
    METAFLOW_DEFAULT_METADATA: 'local',
    METAFLOW_DEFAULT_EVENT_LOGGER: 'nullSidecarLogger',
    METAFLOW_DEFAULT_MONITOR: 'nullSidecarMonitor',
    METAFLOW_USER: 'bench',
  }),
  run: (place, way) =>
    start(place, 'run', 'python', [script('metaflow_flow'), 'run', '--way', way, '--settings', settings(place)]),
  resume: (place) => start(place, 'resume', 'python', [script('metaflow_flow'), 'resume']),
};

const prefectRun = (place: Place, way: Way) =>
  start(place, 'run', 'python', [script('prefect_flow'), way, settings(place), place.env['COMPARISON_EPOCHS'] ?? '']);
const prefect: System = {
  env: (folder, port) => ({
    PREFECT_HOME: join(folder, 'prefect'),
    PREFECT_API_URL: `http://127.0.0.1:${port}/api`,
    PREFECT_SERVER_ANALYTICS_ENABLED: 'false',
    DO_NOT_TRACK: '1',
  }),
  async services(place) {
    const port = place.env['COMPARISON_PORT'] ?? '';
    const server = start(place, 'server', 'prefect', ['server', 'start', '--host', '127.0.0.1', '--port', port]);
    const health = `http://127.0.0.1:${port}/api/health`;
    await until(async () => ((await fetch(health).catch(() => undefined))?.ok ? true : undefined), server);
  },
  run: prefectRun,
  resume: prefectRun,
};

const dagster: System = {
  env: (folder) => ({ DAGSTER_HOME: folder, DAGSTER_DISABLE_TELEMETRY: 'yes' }),
  async services(place) {
    const port = place.env['COMPARISON_PORT'] ?? '';
    await writeFile(join(place.folder, 'dagster.yaml'), DAGSTER_INSTANCE);
    await writeFile(
      join(place.folder, 'workspace.yaml'),
      `load_from:\n  - grpc_server: { host: 127.0.0.1, port: ${port}, location_name: comparison }\n`,
    );
    const job = script('dagster_job');
    const code = start(place, 'code', 'dagster', ['api', 'grpc', '-h', '127.0.0.1', '-p', port, '-f', job]);
    await logged(place, 'code', /Started Dagster code server/, code);
    const daemon = start(place, 'daemon', 'dagster-daemon', ['run', '-w', join(place.folder, 'workspace.yaml')]);
    await logged(place, 'daemon', /Instance is configured with the following daemons/, daemon);
  },
  run(place, way) {
    const config = JSON.stringify({ resources: { settings: { config: { path: settings(place) } } } });
    const workspace = ['-w', join(place.folder, 'workspace.yaml')];
    const launched = start(place, 'launch', 'dagster', [
      'job',
      'launch',
      ...workspace,
      '-j',
      way,
      '--config-json',
      config,
    ]);
    const waiting = start(place, 'wait', 'python', [script('dagster_job')]);
    return { pid: waiting.pid, ended: launched.ended.then(() => waiting.ended) };
  },
};

/** Retries begin at the op that failed (FROM_FAILURE, the default strategy). */
const DAGSTER_INSTANCE = `telemetry: { enabled: false }
run_monitoring: { enabled: true }
run_retries: { enabled: true, max_retries: 3 }
`;

async function logged(place: Place, name: string, line: RegExp, run: Started): Promise<void> {
  await until(
    async () => (line.test(await readFile(join(place.folder, `${name}.log`), 'utf8')) ? true : undefined),
    run,
  );
}

export const OTHERS = { metaflow, prefect, dagster };
