/**
 * How long 10,000 open approvals take to list (what a list shows at once, and all of them), on the embedded server and without any worker: everything that the list
 * tells stands in the runs' memos. The waiting runs are started as they stand when they wait; nothing of them is asked.
 *
 *   npx tsx bench/approvals.ts [count]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { limiter } from '../artifacts/concurrency.ts';
import { APPROVALS_AT_ONCE, listApprovals } from '../client/approvals.ts';
import { connectTemporal } from '../client/connection.ts';
import { startWaiting } from '../test/support/open-approvals.ts';
import { startTemporalIn } from '../test/support/temporal-server.ts';

const count = Number(process.argv[2] ?? 10_000);
const state = await mkdtemp(join(tmpdir(), 'espalier-approvals-'));
const server = await startTemporalIn(state);
const { client, close } = await connectTemporal({ TEMPORAL_ADDRESS: server.address });
const timed = async <T>(work: () => Promise<T>): Promise<{ seconds: number; result: T }> => {
  const started = performance.now();
  const result = await work();
  return { seconds: (performance.now() - started) / 1000, result };
};

try {
  const atOnce = limiter(32);
  const { seconds } = await timed(() =>
    Promise.all(Array.from({ length: count }, (_, index) => atOnce(() => startWaiting(client, index)))),
  );
  console.log(`${count} waiting runs started in ${seconds.toFixed(1)} s, no worker`);
  // Visibility follows the runs by moments.
  while ((await listApprovals(client, 1)).total < count) await new Promise((resolve) => setTimeout(resolve, 200));
  const median = async (limit: number, expected: number): Promise<string> => {
    const times: number[] = [];
    for (let round = 0; round < 7; round++) {
      const { seconds: time, result } = await timed(() => listApprovals(client, limit));
      const runs = new Set(result.approvals.map(({ runId }) => runId));
      if (result.total !== count || runs.size !== expected) throw new Error('not what is there');
      times.push(time);
    }
    times.sort((a, b) => a - b);
    const show = (time: number | undefined): string => `${(time ?? Number.NaN).toFixed(3)} s`;
    return `${show(times[3])} (median of 7; ${show(times[0])} to ${show(times.at(-1))})`;
  };
  console.log(
    `the list of ${APPROVALS_AT_ONCE} of ${count}, counted, in ${await median(APPROVALS_AT_ONCE, APPROVALS_AT_ONCE)}`,
  );
  console.log(`all of them in ${await median(count, count)}`);
} finally {
  await close();
  await server.stop();
  await rm(state, { recursive: true, force: true });
}
