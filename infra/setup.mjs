/**
 * Makes a machine ready: packages, a Temporal server and an S3 gateway where none are configured, the trainer's Python
 * environment, and the compiled `dist/`. Everything already there is reused, so running it again costs a moment.
 *
 * Node built-ins only, and only syntax that old versions read: it runs before anything is installed and has to be able
 * to say that the Node it runs on is too old.
 */
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './build.mjs';
import { waitForLock } from './lock.mjs';
import { Progress, SetupError } from './progress.mjs';
import {
  cacheFolder,
  COMPLETE,
  goVersion,
  isAtLeast,
  locatePython,
  locateTool,
  locateTrainerPython,
  MINIMUM,
  namesOwnStore,
  namesOwnTemporal,
  TOOLS,
  trainerEnvironment,
} from './toolchain.mjs';

/** @typedef {import('./toolchain.mjs').Environment} Environment */
/** @typedef {import('./toolchain.mjs').ToolName} ToolName */

/**
 * @param {string} root Espalier's own folder
 * @param {Environment} env
 * @param {Progress} progress
 */
export async function setUp(root, env, progress) {
  checkNode(process.versions.node);
  const wanted = missingTools(env);
  if (wanted.length > 0) checkGo(wanted, env);
  const python = locateTrainerPython(root, env) === undefined ? requirePython(env) : undefined;

  const work = [installPackages(root, env, progress)];
  if (wanted.length > 0 || python !== undefined) work.push(fillCache(root, env, progress, python));
  try {
    await Promise.all(work);
  } catch (error) {
    progress.stopAll();
    throw error;
  }
  await build(root, progress);
}

/** @param {string} version */
export function checkNode(version) {
  if (isAtLeast(version, MINIMUM.node)) return;
  throw new SetupError(
    `Node ${version} is too old: Espalier needs ${MINIMUM.node} or newer`,
    'install Node 22 or 24 from https://nodejs.org or with your version manager (`nvm install 24`, `fnm install 24`)',
  );
}

/**
 * @param {Environment} env
 * @returns {ToolName[]} what has to be built
 */
export function missingTools(env) {
  /** @type {ToolName[]} */
  const needed = [];
  if (!namesOwnTemporal(env)) needed.push('temporal');
  if (!namesOwnStore(env)) needed.push('versitygw');
  return needed.filter((name) => locateTool(name, env) === undefined);
}

/**
 * @param {readonly ToolName[]} wanted
 * @param {Environment} env
 */
function checkGo(wanted, env) {
  const found = goVersion(env);
  if (found !== undefined && isAtLeast(found, MINIMUM.go)) return;
  const names = wanted.map((name) => TOOLS[name].title).join(' and ');
  const own = wanted.map((name) => (name === 'temporal' ? 'TEMPORAL_ADDRESS' : 'AWS_ENDPOINT_URL_S3')).join(' and ');
  throw new SetupError(
    `${names} ${wanted.length > 1 ? 'are' : 'is'} not on this machine, and building needs Go ${MINIMUM.go} or newer (${
      found === undefined ? 'there is no go on PATH' : `found ${found}`
    })`,
    `one of: install Go from https://go.dev/dl; put ${wanted.join(' and ')} on PATH; set ${own} to services you already run`,
  );
}

/**
 * @param {Environment} env
 * @returns {string} the interpreter to make the environment with
 */
function requirePython(env) {
  const python = locatePython(env);
  if ('tried' in python) {
    const found = python.tried.length === 0 ? 'there is none on PATH' : python.tried.join(', ');
    throw new SetupError(
      `training needs Python ${MINIMUM.python} or newer (${found})`,
      'install it (`apt install python3 python3-venv`, `brew install python@3.13`, `pyenv install 3.13`), or set ESPALIER_PYTHON to its executable',
    );
  }
  if (!python.canMakeEnvironments) {
    throw new SetupError(
      `${python.executable} (Python ${python.version}) cannot make virtual environments: its venv or ensurepip module is missing`,
      'on Debian and Ubuntu: `apt install python3-venv`; or set ESPALIER_PYTHON to a complete Python',
    );
  }
  return python.executable;
}

/**
 * `npm ci` empties what a link points to: somebody else's packages.
 * @param {string} folder
 */
export function refuseLinkedPackages(folder) {
  if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return;
  throw new SetupError(
    `${folder} is a link: npm ci would empty the folder it points to`,
    `remove the link (rm ${folder}) and run the command again`,
  );
}

/**
 * `npm ci`, when the packages are missing or belong to another lock file. An installed package (no lock file beside it)
 * has its dependencies from npm already.
 * @param {string} root
 * @param {Environment} env
 * @param {Progress} progress
 */
async function installPackages(root, env, progress) {
  const lockFile = join(root, 'package-lock.json');
  if (!existsSync(lockFile)) return;
  const digest = createHash('sha256').update(readFileSync(lockFile)).digest('hex');
  const stamp = join(root, 'node_modules/.espalier-lock');
  const current = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === digest;
  if (current()) return;
  refuseLinkedPackages(join(root, 'node_modules'));
  const lock = await waitForLock(join(root, '.espalier/install.lock'), waiting(progress, 'installing packages'));
  try {
    if (current()) return;
    await progress.run('npm ci', 'npm', ['ci', '--include=dev', '--no-audit', '--no-fund'], {
      cwd: root,
      // npm 10 ignores allowScripts: without this, onnxruntime-node fetches GPU libraries nobody asked for.
      env: { ...env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
      fix: 'check that the npm registry is reachable (`npm ping`) and that package-lock.json is as committed',
    });
    writeFileSync(stamp, digest);
  } finally {
    lock.release();
  }
}

/**
 * The machine-wide part: one set-up at a time fills the cache, a second one waits and then finds it filled.
 * @param {string} root
 * @param {Environment} env
 * @param {Progress} progress
 * @param {string | undefined} python undefined: the environment is there
 */
async function fillCache(root, env, progress, python) {
  const cache = cacheFolder(env);
  const lock = await waitForLock(join(cache, 'setup.lock'), waiting(progress, 'filling the cache'));
  try {
    const environment = async () => {
      if (python !== undefined && locateTrainerPython(root, env) === undefined) {
        await makeEnvironment(python, trainerEnvironment(root, env), join(root, 'workers/trainer'), env, progress);
      }
    };
    const tools = async () => {
      // One after the other: each Go build uses every core by itself.
      for (const name of missingTools(env)) await buildTool(name, cache, env, progress);
    };
    await Promise.all([environment(), tools()]);
  } finally {
    lock.release();
  }
}

/**
 * @param {ToolName} name
 * @param {string} cache
 * @param {Environment} env
 * @param {Progress} progress
 */
async function buildTool(name, cache, env, progress) {
  const { title, module } = TOOLS[name];
  const building = join(cache, 'bin/.building');
  rmSync(building, { recursive: true, force: true });
  mkdirSync(building, { recursive: true });
  await progress.run(`building the ${title} (about 3 minutes)`, 'go', ['install', '-v', module], {
    env: { ...env, HOME: env['HOME'] || homedir(), GOBIN: building },
    fix: `check that the Go module proxy is reachable (\`go env GOPROXY\`) and that there are 4 GB of free disk, or put \`${name}\` on PATH`,
  });
  // Only a whole binary gets the name that is looked for.
  renameSync(join(building, name), join(cache, 'bin', name));
  rmSync(building, { recursive: true, force: true });
}

/**
 * Environments hold absolute paths and cannot be moved, so it is made in place and marked complete last.
 * @param {string} python
 * @param {string} folder
 * @param {string} trainer
 * @param {Environment} env
 * @param {Progress} progress
 */
async function makeEnvironment(python, folder, trainer, env, progress) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  await progress.run('making the Python environment', python, ['-m', 'venv', folder], {
    env,
    fix: 'install the venv module of this Python (`apt install python3-venv`), or set ESPALIER_PYTHON to another',
  });
  const arguments_ = ['-m', 'pip', 'install', '--require-hashes', '--no-deps', '--no-input', '--progress-bar', 'off'];
  await progress.run(
    'installing the Python packages',
    join(folder, 'bin/python'),
    [...arguments_, '--disable-pip-version-check', '-r', join(trainer, 'requirements.lock')],
    {
      env,
      fix: 'check that the Python package index is reachable (`pip config list`) and that there are 8 GB of free disk',
    },
  );
  writeFileSync(join(folder, COMPLETE), `${new Date().toISOString()}\n`);
}

/**
 * @param {Progress} progress
 * @param {string} what
 */
function waiting(progress, what) {
  let said = false;
  return (/** @type {import('./lock.mjs').ProcessId | undefined} */ holder) => {
    if (said || holder === undefined) return;
    said = true;
    progress.say(`… waiting: process ${holder.pid} is already ${what}`);
  };
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === process.argv[1]) {
  const progress = new Progress();
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
    process.once(signal, () => {
      progress.stopAll();
      process.exit(signal === 'SIGINT' ? 130 : 143);
    });
  }
  try {
    await setUp(root, process.env, progress);
  } catch (error) {
    progress.say(`✗ ${error instanceof Error ? error.message : String(error)}`);
    if (error instanceof SetupError) progress.say(`  → ${error.fix}`);
    process.exit(1);
  }
}
