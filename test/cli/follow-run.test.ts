import { equal, match, ok, rejects } from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Activities } from '../../activities/contract.ts';
import { digestJson } from '../../artifacts/digest.ts';
import { followRun } from '../../cli/commands/runs.ts';
import { contextOf, type Context } from '../../cli/context.ts';
import { EXIT } from '../../cli/output.ts';
import { connectTemporal, type TemporalClient } from '../../client/connection.ts';
import { cancelRun } from '../../client/runs.ts';
import { startRun } from '../../client/start-run.ts';
import { HOST, TcpProxy } from '../support/faults-proxy.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { temporalForTests } from '../support/temporal.ts';
import { approveRun, fakeActivities, ref, runInput, untilRun, withWorkers } from '../support/workflow.ts';

describe('following a run that has ended', function () {
  this.timeout(120_000);
  let address: string;
  let direct: TemporalClient;
  let store: TestStore;
  let stateDir: string;
  const said: string[] = [];
  const write = process.stderr.write.bind(process.stderr);
  before(async () => {
    const server = await temporalForTests();
    address = server.address;
    direct = await server.connect();
    store = await withStore();
    stateDir = await mkdtemp(join(tmpdir(), 'espalier-follow-'));
  });
  beforeEach(() => {
    said.length = 0;
    process.stderr.write = (text: string | Uint8Array) => said.push(String(text)) > 0;
  });
  afterEach(() => {
    process.stderr.write = write;
  });
  after(async () => {
    store.close();
    await direct.close();
    await rm(stateDir, { recursive: true, force: true });
  });

  /** Who follows with `first`; asked a second time, for the outcome, there is what `then` gives. */
  function context(first: TemporalClient, then: () => Promise<TemporalClient>): Context {
    let asked = 0;
    return {
      ...contextOf({}, stateDir),
      temporal: () => (asked++ === 0 ? Promise.resolve(first) : then()),
      store: () => Promise.resolve(store),
    };
  }

  async function withEnded(how: 'deployed' | 'cancelled', body: (runId: string) => Promise<void>): Promise<void> {
    const { activities } = fakeActivities();
    const html = await store.store.putBytes('<p>a report</p>', { name: 'report.html', mediaType: 'text/html' });
    const writeReport: Activities['writeReport'] = async (call) => {
      const written = await activities.writeReport(call);
      return { ...written, output: { ...written.output, html } };
    };
    const runId = `followed-${randomUUID()}`;
    await withWorkers(address, { ...activities, writeReport }, async () => {
      await startRun(
        direct.client,
        { input: runInput(), inputRef: ref('input'), digest: digestJson(runId) },
        { runId },
      );
      if (how === 'deployed') {
        await approveRun(direct.client, runId, 'review', 'lena');
        await approveRun(direct.client, runId, 'release', 'omar');
      } else {
        await untilRun(direct.client, runId, ({ state }) => state === 'waiting-for-approval');
        await cancelRun(direct.client, runId);
      }
      await untilRun(direct.client, runId, ({ state }) => state === how);
      await body(runId);
    });
  }

  it('ends at Ctrl-C although nobody tells its outcome, and does not say that the run goes on', () =>
    withEnded('deployed', async (runId) => {
      const proxy = await TcpProxy.start(Number(address.split(':')[1]));
      const through = await connectTemporal({ TEMPORAL_ADDRESS: `${HOST}:${proxy.port}` });
      const others = process.listeners('SIGINT');
      const cut = async (): Promise<TemporalClient> => {
        await proxy.close();
        return through;
      };
      try {
        const following = followRun(context(through, cut), runId, false, { until: 'end' });
        // The last thing before the outcome is asked for.
        while (!existsSync(join(stateDir, 'reports', runId, 'report.html'))) await sleep(20);
        await sleep(100);
        // Only it: a signal would stop the workers of this process, too.
        const [interrupt] = process.listeners('SIGINT').filter((one) => !others.includes(one));
        ok(interrupt);
        interrupt('SIGINT');
        equal(await following, EXIT.interrupted);
      } finally {
        await through.close();
      }
      match(said.join(''), new RegExp(`has ended \\(deployed\\).* espalier runs show ${runId}`));
      ok(!said.join('').includes('the run goes on'), said.join(''));
    }));

  it('does not call the run failed, nor ask on, where the server refuses to tell its outcome', () =>
    withEnded('deployed', async (runId) => {
      const lost = await connectTemporal({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: 'typo' });
      try {
        await rejects(
          followRun(
            context(direct, () => Promise.resolve(lost)),
            runId,
            false,
            { until: 'end' },
          ),
          { kind: 'BadConfig' },
        );
      } finally {
        await lost.close();
      }
      match(said.join(''), /has ended \(deployed\)/);
      ok(!said.join('').includes('runs resume'), said.join(''));
    }));

  it('fails with the way to go on where the run was cancelled', () =>
    withEnded('cancelled', async (runId) => {
      const code = await followRun(
        context(direct, () => Promise.resolve(direct)),
        runId,
        false,
        { until: 'end' },
      );
      equal(code, EXIT.failed);
      match(said.join(''), new RegExp(`was cancelled[^]* espalier runs resume ${runId}`));
    }));
});
