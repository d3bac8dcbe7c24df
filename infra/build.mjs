/**
 * Compiles the TypeScript sources into `dist/` and bundles the workflow code once, so that a worker starts without
 * webpack. Nothing is done while the sources' digest is that of the last finished build.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { waitForLock } from './lock.mjs';
import { Progress, SetupError } from './progress.mjs';

/** What `tsconfig.build.json` compiles, and what else decides the result. */
const INPUTS = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json', 'package.json'];
const STAMP = '.sources';

/**
 * @param {string} root
 * @param {Progress} progress
 * @returns {Promise<boolean>} whether anything had to be built
 */
export async function build(root, progress) {
  // An installed package has no sources beside it, only dist/.
  if (!existsSync(join(root, 'tsconfig.build.json'))) return false;
  const dist = join(root, 'dist');
  const stamp = join(dist, STAMP);
  const current = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === sourcesDigest(root);
  if (current()) return false;
  const lock = await waitForLock(join(root, '.espalier/build.lock'));
  try {
    if (current()) return false;
    const digest = sourcesDigest(root);
    rmSync(stamp, { force: true });
    await progress.run('compiling', process.execPath, [compiler(root), '-p', 'tsconfig.build.json'], {
      cwd: root,
      fix: 'the sources do not type-check: `npx tsc --noEmit` shows the same errors',
    });
    removeOrphans(root, dist);
    await progress.task('bundling the workflow code', () => bundleWorkflows(dist));
    writeFileSync(stamp, digest);
    return true;
  } finally {
    lock.release();
  }
}

/** @param {string} dist */
async function bundleWorkflows(dist) {
  const { bundleWorkflowCode } = await import('@temporalio/worker');
  /** @type {string[]} */
  const messages = [];
  const keep = (/** @type {string} */ message) => void messages.push(message);
  const quiet = { log: keep, trace() {}, debug() {}, info() {}, warn: keep, error: keep };
  try {
    const { code } = await bundleWorkflowCode({ workflowsPath: join(dist, 'workflows/index.js'), logger: quiet });
    writeFileSync(join(dist, 'workflow-bundle.js'), code);
  } catch (error) {
    // The bundler's own error says only that it failed; the cause is in its log.
    throw new SetupError(
      `bundling the workflow code failed: ${error instanceof Error ? error.message : String(error)}\n${messages.join('\n')}`,
      'workflow code may import only @temporalio/workflow, @temporalio/common, its own files and types (`npm run lint`)',
    );
  }
}

/** @param {string} root */
function sourcesDigest(root) {
  const hash = createHash('sha256');
  const files = [...INPUTS, ...roots(root).flatMap((room) => sources(join(root, room)).map((f) => relative(root, f)))];
  for (const file of files.sort()) {
    if (!existsSync(join(root, file))) continue;
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(root, file)))
      .update('\0');
  }
  return hash.digest('hex');
}

/** @param {string} root @returns {string[]} */
function roots(root) {
  return JSON.parse(readFileSync(join(root, 'tsconfig.build.json'), 'utf8')).include;
}

/** @param {string} folder @returns {string[]} */
function sources(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => /\.m?ts$|\.mjs$/.test(path) && statSync(path).isFile());
}

/** Removes what earlier builds made of sources that are gone. @param {string} root @param {string} dist */
function removeOrphans(root, dist) {
  for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
    const source = /^(.*?)(?:\.d)?\.(m?)[jt]s(?:\.map)?$/.exec(name);
    if (source === null || name === 'workflow-bundle.js') continue;
    const [, stem, module] = source;
    const exists = existsSync(join(root, `${stem}.${module}ts`)) || existsSync(join(root, `${stem}.${module}js`));
    if (!exists) rmSync(join(dist, name), { force: true });
  }
}

/** @param {string} root */
function compiler(root) {
  return join(root, 'node_modules/typescript/bin/tsc');
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const progress = new Progress();
  try {
    await build(dirname(dirname(fileURLToPath(import.meta.url))), progress);
  } catch (error) {
    progress.say(`✗ ${error instanceof Error ? error.message : String(error)}`);
    if (error instanceof SetupError) progress.say(`  → ${error.fix}`);
    process.exit(1);
  }
}
