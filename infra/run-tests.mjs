/**
 * Everything `npm test` runs: the static checks, then the tests, those of whole runs last. With arguments only mocha
 * runs, with those arguments: `npm test -- --grep lock`, `npm test -- test/infra/lock.test.ts`.
 * Ends with one plain line that counts checks and tests together.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (/** @type {string} */ name) => join(root, 'node_modules/.bin', name);
const ALL = 'test/**/*.test.ts';
/** Whole runs on a stack of their own: one after the other, with the machine to themselves. */
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
  if (forwarded.length > 0) mocha(forwarded.some((word) => word.endsWith('.ts')) ? forwarded : [...forwarded, ALL]);
  else {
    for (const [title, command, args] of CHECKS) check(title, command, args);
    mocha([...WHOLE_RUNS.flatMap((pattern) => ['--ignore', pattern]), ALL]);
    // `--exit`: after many killed servers Node has been seen to wait for a closed socket for ever when it should end.
    mocha(['--exit', ...WHOLE_RUNS]);
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

/** @param {readonly string[]} args */
function mocha(args) {
  const counts = join(folder, 'counts.json');
  rmSync(counts, { force: true });
  const reporter = ['--reporter', join(root, 'test/support/reporter.mjs')];
  const { status, signal } = spawnSync(bin('mocha'), [...reporter, ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ESPALIER_TEST_COUNTS: counts },
  });
  try {
    const { passes, failures, pending } = JSON.parse(readFileSync(counts, 'utf8'));
    total.passed += passes;
    total.failed += failures;
    total.skipped += pending;
    // A process that breaks after its last test has failed although no test did.
    if (failures === 0 && status !== 0) total.failed++;
  } catch {
    process.stdout.write(`mocha ended without a result (${signal ?? `exit code ${status}`})\n`);
    total.failed++;
  }
}
