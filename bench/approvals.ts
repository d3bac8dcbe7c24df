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
import { digestJson } from '../artifacts/digest.ts';
import { APPROVALS_AT_ONCE, listApprovals } from '../client/approvals.ts';
import { connectTemporal } from '../client/connection.ts';
import { startTemporalIn } from '../test/support/temporal-server.ts';
import { OPEN_APPROVAL, PIPELINE_ATTRIBUTE, STATE_ATTRIBUTE, TASK_QUEUES } from '../workflows/messages.ts';

const count = Number(process.argv[2] ?? 10_000);
const state = await mkdtemp(join(tmpdir(), 'espalier-approvals-'));
const server = await startTemporalIn(state);
const { client, close } = await connectTemporal({ TEMPORAL_ADDRESS: server.address });
const timed = async <T>(work: () => Promise<T>): Promise<{ seconds: number; result: T }> => {
  const started = performance.now();
  const result = await work();
  return { seconds: (performance.now() - started) / 1000, result };
};

async function startWaiting(index: number): Promise<void> {
  const openedAt = new Date(Date.now() - index * 1000).toISOString();
  const evidence = { digest: digestJson(index), mediaType: 'application/json', size: 1234, name: 'evidence' };
  await client.workflow.start('runPipeline', {
    workflowId: `support-intents-${index}`,
    taskQueue: TASK_QUEUES.orchestration,
    typedSearchAttributes: [
      { key: PIPELINE_ATTRIBUTE, value: 'support-intents' },
      { key: STATE_ATTRIBUTE, value: 'waiting-for-approval' },
    ],
    memo: {
      pipeline: 'support-intents',
      startedBy: 'maria',
      trigger: 'user',
      state: 'waiting-for-approval',
      [OPEN_APPROVAL]: {
        approval: 'review',
        state: 'open',
        seats: [{ role: 'legal', by: null }],
        evidence,
        openedAt,
        deadline: openedAt,
      },
    },
  });
}

try {
  const atOnce = limiter(32);
  const { seconds } = await timed(() =>
    Promise.all(Array.from({ length: count }, (_, index) => atOnce(() => startWaiting(index)))),
  );
  console.log(`${count} waiting runs started in ${seconds.toFixed(1)} s, no worker`);
  // Visibility follows the runs by moments.
  while ((await listApprovals(client, 1)).total < count) await new Promise((resolve) => setTimeout(resolve, 200));
  const times: number[] = [];
  for (let round = 0; round < 7; round++) {
    const { seconds: time, result } = await timed(() => listApprovals(client));
    if (result.total !== count || result.approvals.length !== APPROVALS_AT_ONCE) throw new Error('not what is there');
    times.push(time);
  }
  times.sort((a, b) => a - b);
  const show = (time: number | undefined): string => `${(time ?? Number.NaN).toFixed(3)} s`;
  console.log(
    `the list of ${APPROVALS_AT_ONCE} of ${count}, counted, in ${show(times[3])} (median of 7; ${show(times[0])} to ${show(times.at(-1))})`,
  );
  const all = await timed(() => listApprovals(client, count));
  if (new Set(all.result.approvals.map(({ runId }) => runId)).size !== count) throw new Error('not all');
  console.log(`all of them in ${show(all.seconds)}`);
} finally {
  await close();
  await server.stop();
  await rm(state, { recursive: true, force: true });
}
