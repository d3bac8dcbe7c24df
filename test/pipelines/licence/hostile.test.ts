import { deepEqual, equal, ok } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * Without its bounds any of the inputs takes gigabytes or minutes; with them all together take seconds and little
 * memory. The limits stand far from both, so that a slow machine does not decide.
 */
const MEMORY_MB = 192;
const KILLED_AFTER_MS = 120_000;

interface Outcome {
  readonly door: string;
  readonly what: string;
  readonly outcome: string;
}

describe('hostile cards, policies, folders and cases', function () {
  this.timeout(KILLED_AFTER_MS + 10_000);
  let outcomes: readonly Outcome[];
  before(() => {
    const script = fileURLToPath(new URL('./hostile.ts', import.meta.url));
    const { status, stdout, stderr, signal } = spawnSync(
      process.execPath,
      [`--max-old-space-size=${MEMORY_MB}`, '--import', 'tsx', script],
      { encoding: 'utf8', timeout: KILLED_AFTER_MS, killSignal: 'SIGKILL' },
    );
    deepEqual([status, signal], [0, null], stderr.slice(-2000));
    outcomes = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Outcome);
  });

  it('end, every one, in bounded time and memory', () => {
    ok(outcomes.length >= 50, String(outcomes.length));
  });

  it('are never allowed, but for a good head before a long text', () => {
    deepEqual(
      outcomes.filter(({ outcome }) => outcome === 'allow').map(({ what }) => what),
      ['10 MB of text behind a good head'],
    );
  });

  it('are refused as policies, each with its kind', () => {
    const policies = outcomes.filter(({ door }) => door === 'policy');
    deepEqual(
      policies.filter(({ outcome }) => outcome !== 'refused: BadConfig').map(({ what }) => what),
      [],
    );
    equal(policies.length, 23);
  });
});
