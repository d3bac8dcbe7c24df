import assert from 'node:assert/strict';
import { startFaultStack, type FaultStack } from '../support/faults-stack.ts';
import { runRowWhole, undisturbed, type Reference } from './run-row.ts';
import { coveringRows, describeFault, randomRow } from './table.ts';

/** Another one every day would find more, but a test suite must say the same today and tomorrow; `npm run faults` searches. */
const SEED = 4;

describe('a run ends in the same bytes, nothing lost and nothing done twice, when', function () {
  this.timeout(2_400_000); // a row that hangs ends by its own deadline; one whose faults came too late is run again
  let stack: FaultStack;
  let reference: Reference;
  before(async () => {
    stack = await startFaultStack();
    reference = await undisturbed(stack);
  });
  after(() => stack.stop());

  // The durations of the random moments are those of this machine: known only once the undisturbed run is over.
  for (const row of [...coveringRows(), undefined]) {
    it(row?.name ?? `faults come at random moments (seed ${SEED})`, async function () {
      const chosen = row ?? randomRow(SEED, reference.durationMs);
      if (!stack.disks && chosen.faults.some(({ what }) => what === 'diskFull')) this.skip();
      const results = await runRowWhole(stack, chosen, reference);
      const [problems, missed, happened] = [
        results.flatMap((one) => one.problems),
        results.flatMap((one) => one.missed),
        results.flatMap((one) => one.happened),
      ];
      const replay = `npm run faults -- --only '${chosen.faults.map(describeFault).join(', ')}'`;
      assert.deepEqual(problems, [], `${problems.join('\n')}\n${happened.join('\n')}\nreplay: ${replay}`);
      assert.deepEqual(
        missed.map(describeFault),
        [],
        `these never happened\n${happened.join('\n')}\nreplay: ${replay}`,
      );
    });
  }
});
