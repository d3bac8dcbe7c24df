/**
 * Everything `npm test` runs: the static checks, then the tests, those of whole runs beside all others, since these wait
 * most of their time (for a heartbeat that is missed, a server that is back) and use few cores; they are shown last. With arguments only mocha
 * runs, with those arguments: `npm test -- --grep lock`, `npm test -- test/infra/lock.test.ts`.
 * Ends with one plain line that counts checks and tests together.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (/** @type {string} */ name) => join(root, 'node_modules/.bin', name);
const ALL = 'test/**/*.test.ts';
/** Whole runs, each on a stack of its own: one after the other. */
const WHOLE_RUNS = ['test/e2e/**/*.test.ts', 'test/faults/covering.test.ts'];

/** @type {readonly [title: string, command: string, args: readonly string[]][]} */
const CHECKS = [
  ['lint', bin('oxlint'), ['--type-aware']],
  ['format', bin('oxfmt'), ['--check']],
  ['types', bin('tsc'), ['--noEmit']],
  ['import directions', process.execPath, ['infra/lint-imports.mjs']],
];

const total = { passed: 0, failed: 0, skipped: 0 };
const folder = mkdtempSync(join(tmpdir(), 'espalier-test-run-'));
const forwarded = process.argv.slice(2);
try {
  if (forwarded.length > 0)
    await mocha(forwarded.some((word) => word.endsWith('.ts')) ? forwarded : [...forwarded, ALL]);
  else {
    for (const [title, command, args] of CHECKS) check(title, command, args);
    const beside = held();
    const wholeRuns = mocha(WHOLE_RUNS, beside.output);
    await mocha([...WHOLE_RUNS.flatMap((pattern) => ['--ignore', pattern]), ALL]);
    process.stdout.write('the tests of whole runs, which began with the others:\n');
    beside.release();
    await wholeRuns;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;

/**
 * @param {string} title
 * @param {string} command
 * @param {readonly string[]} args
 */
function check(title, command, args) {
  const startedAt = Date.now();
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1e9 });
  const passed = status === 0;
  if (!passed) process.stdout.write(`${stdout ?? ''}${stderr ?? ''}${error === undefined ? '' : `${error.message}\n`}`);
  process.stdout.write(`${passed ? '✔' : '✘'} ${title} (${((Date.now() - startedAt) / 1000).toFixed(1)} s)\n`);
  total[passed ? 'passed' : 'failed']++;
}

/**
 * @param {readonly string[]} args
 * @param {(text: string) => void} [output] where its output goes; the terminal itself when missing
 */
async function mocha(args, output) {
  const counts = join(mkdtempSync(join(folder, 'lane-')), 'counts.json');
  const reporter = [
    '--reporter',
    join(root, 'test/support/reporter.mjs'),
    ...(process.stdout.isTTY ? ['--color'] : []),
  ];
  const child = spawn(bin('mocha'), [...reporter, ...args], {
    cwd: root,
    stdio: output === undefined ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ESPALIER_TEST_COUNTS: counts },
  });
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', output ?? (() => {}));
  const { code, signal } = await /** @type {Promise<{ code: number | null, signal: string | null }>} */ (
    new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve({ code, signal }));
    })
  );
  try {
    const { passes, failures, pending } = JSON.parse(readFileSync(counts, 'utf8'));
    total.passed += passes;
    total.failed += failures;
    total.skipped += pending;
    // A process that breaks after its last test has failed although no test did.
    if (failures === 0 && code !== 0) total.failed++;
  } catch {
    process.stdout.write(`mocha ended without a result (${signal ?? `exit code ${code}`})\n`);
    total.failed++;
  }
}

/** Text that is held back until it is released, and goes straight on from then. */
function held() {
  /** @type {string[] | undefined} */
  let waiting = [];
  return {
    output: (/** @type {string} */ text) => void (waiting?.push(text) ?? process.stdout.write(text)),
    release() {
      process.stdout.write((waiting ?? []).join(''));
      waiting = undefined;
    },
  };
}
