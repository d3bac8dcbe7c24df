/**
 * What Espalier needs on a machine, and where it is or will be: the one place that knows. Pure look-ups, nothing is
 * installed here. Node built-ins only: set-up runs before anything is installed, and on Node versions it refuses.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';

export const MINIMUM = { node: '20.19', python: '3.11', go: '1.26' };

/** Programs Espalier starts itself when no service is configured. `module` is what Go builds when they are missing. */
export const TOOLS = {
  temporal: { title: 'Temporal CLI', module: 'github.com/temporalio/cli/cmd/temporal@v1.5.1' },
  versitygw: { title: 'S3 gateway (versitygw)', module: 'github.com/versity/versitygw/cmd/versitygw@v1.8.0' },
};

/** @typedef {keyof typeof TOOLS} ToolName */
/** @typedef {Record<string, string | undefined>} Environment */

/**
 * @param {Environment} env
 * @returns {string} the folder of everything built or downloaded once a machine
 */
export function cacheFolder(env = process.env) {
  const base = env['XDG_CACHE_HOME'];
  // A relative XDG folder is to be ignored (XDG Base Directory Specification).
  return join(base && isAbsolute(base) ? base : join(env['HOME'] || homedir(), '.cache'), 'espalier');
}

/**
 * Whether the user points Espalier at a Temporal server of their own in a way that needs no file to be read.
 * @param {Environment} env
 */
export function namesOwnTemporal(env = process.env) {
  return Boolean(env['TEMPORAL_ADDRESS'] || env['TEMPORAL_PROFILE'] || env['TEMPORAL_CONFIG_FILE']);
}

/** @param {Environment} env */
export function namesOwnStore(env = process.env) {
  return Boolean(env['AWS_ENDPOINT_URL_S3'] || env['AWS_ENDPOINT_URL']);
}

/**
 * @param {string} name
 * @param {Environment} env
 * @returns {string | undefined} path of the first executable of that name on PATH
 */
export function onPath(name, env = process.env) {
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    if (folder !== '' && isExecutable(join(folder, name))) return join(folder, name);
  }
  return undefined;
}

/**
 * @param {ToolName} name
 * @param {Environment} env
 * @returns {string | undefined} on PATH, else built earlier
 */
export function locateTool(name, env = process.env) {
  const built = join(cacheFolder(env), 'bin', name);
  return onPath(name, env) ?? (isExecutable(built) ? built : undefined);
}

/**
 * @param {string} found e.g. `3.11.7`
 * @param {string} wanted e.g. `3.11`
 */
export function isAtLeast(found, wanted) {
  const a = found.split('.').map(Number);
  const b = wanted.split('.').map(Number);
  for (let part = 0; part < b.length; part++) {
    if ((a[part] ?? 0) !== (b[part] ?? 0)) return (a[part] ?? 0) > (b[part] ?? 0);
  }
  return true;
}

/**
 * Asks each candidate for its version: version managers put names on PATH that only print an error when called.
 * @param {Environment} env
 * @returns {{ executable: string, version: string, canMakeEnvironments: boolean } | { tried: string[] }}
 */
export function locatePython(env = process.env) {
  const chosen = env['ESPALIER_PYTHON'];
  const names = chosen ? [chosen] : ['python3.13', 'python3.12', 'python3.11', 'python3', 'python'];
  const question =
    'import sys, importlib.util as u; print(sys.executable); print("%d.%d.%d" % sys.version_info[:3]); ' +
    'print(bool(u.find_spec("venv") and u.find_spec("ensurepip")))';
  /** @type {string[]} */
  const tried = [];
  for (const name of names) {
    const answer = spawnSync(name, ['-c', question], { env, encoding: 'utf8', timeout: 20000 });
    const [executable, version, canMakeEnvironments] = (answer.stdout ?? '').trim().split('\n');
    if (answer.status !== 0 || executable === undefined || version === undefined) continue;
    if (isAtLeast(version, MINIMUM.python)) {
      return { executable, version, canMakeEnvironments: canMakeEnvironments?.trim() === 'True' };
    }
    tried.push(`${name} is ${version}`);
  }
  if (chosen && tried.length === 0) tried.push(`ESPALIER_PYTHON=${chosen} does not run`);
  return { tried };
}

/**
 * @param {Environment} env
 * @returns {string | undefined} e.g. `1.26.1`; undefined when there is no Go
 */
export function goVersion(env = process.env) {
  const answer = spawnSync('go', ['env', 'GOVERSION'], { env, encoding: 'utf8', timeout: 20000 });
  return /^go(\d+(?:\.\d+)*)/.exec((answer.stdout ?? '').trim())?.[1];
}

/** Written as the last file of an environment: without it the folder is an interrupted installation. */
export const COMPLETE = '.complete';

/**
 * @param {string} root Espalier's own folder
 * @param {Environment} env
 * @returns {string} folder of the trainer's Python environment: another lock file gives another folder
 */
export function trainerEnvironment(root, env = process.env) {
  const lock = readFileSync(join(root, 'workers/trainer/requirements.lock'));
  return join(cacheFolder(env), 'python', createHash('sha256').update(lock).digest('hex').slice(0, 12));
}

/**
 * @param {string} root
 * @param {Environment} env
 * @returns {{ executable: string, packages: string } | undefined} the Python with its libraries, and the folder of
 *   our trainer package (for PYTHONPATH); undefined until set-up finished the environment
 */
export function locateTrainerPython(root, env = process.env) {
  const folder = trainerEnvironment(root, env);
  const executable = join(folder, 'bin/python');
  if (!existsSync(join(folder, COMPLETE)) || !isExecutable(executable)) return undefined;
  return { executable, packages: join(root, 'workers/trainer') };
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
