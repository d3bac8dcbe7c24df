/** Mocha's spec reporter, which also leaves its counts in the file ESPALIER_TEST_COUNTS for `infra/run-tests.mjs`. */
import { writeFileSync } from 'node:fs';
import mocha from 'mocha';

// Mocha loads reporters by their default export.
export default class CountingReporter extends mocha.reporters.Spec {
  /**
   * @param {import('mocha').Runner} runner
   * @param {import('mocha').MochaOptions} options
   */
  constructor(runner, options) {
    super(runner, options);
    const file = process.env['ESPALIER_TEST_COUNTS'];
    runner.once('end', () => {
      const { passes = 0, failures = 0, pending = 0 } = runner.stats ?? {};
      if (file !== undefined) writeFileSync(file, JSON.stringify({ passes, failures, pending }));
    });
  }
}
