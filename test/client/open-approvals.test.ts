import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listApprovals, pageOfApprovals } from '../../client/approvals.ts';
import { connectTemporal, type TemporalClient } from '../../client/connection.ts';
import type { TemporalServer } from '../../infra/embedded/temporal.ts';
import { multiplyWaiting, startWaiting } from '../support/open-approvals.ts';
import { startTemporalIn } from '../support/temporal-server.ts';

const COUNT = 10_000;

describe('ten thousand open approvals on the embedded server', function () {
  this.timeout(120_000);
  let folder: string;
  let server: TemporalServer;
  let temporal: TemporalClient;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-approvals-'));
    server = await startTemporalIn(folder);
    const first = await connectTemporal({ TEMPORAL_ADDRESS: server.address });
    await startWaiting(first.client, 0);
    while ((await listApprovals(first.client)).total === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    await first.close();
    await server.stop();
    await multiplyWaiting(join(folder, 'temporal.db'), COUNT);
    server = await startTemporalIn(folder);
    temporal = await connectTemporal({ TEMPORAL_ADDRESS: server.address });
  });
  after(async () => {
    await temporal.close();
    await server.stop();
    await rm(folder, { recursive: true });
  });

  // How long that takes is measured by bench/approvals.ts.
  it('are all listed, each once and with everything that a list tells, without a worker', async () => {
    const { approvals, total } = await listApprovals(temporal.client, COUNT);
    assert.deepEqual([approvals.length, total], [COUNT, COUNT]);
    assert.equal(new Set(approvals.map(({ runId }) => runId)).size, COUNT);
    for (const { seats, excluded, evidence } of approvals)
      assert.ok(seats.length > 0 && excluded.length > 0 && evidence);
  });

  it('are listed a hundred at a time with their number, and in pages that follow each other', async () => {
    const { approvals, total } = await listApprovals(temporal.client);
    assert.deepEqual([approvals.length, total], [100, COUNT]);
    const first = await pageOfApprovals(temporal.client, { limit: 700 });
    const second = await pageOfApprovals(temporal.client, { limit: 700, cursor: first.next ?? undefined });
    assert.equal(new Set([...first.approvals, ...second.approvals].map(({ runId }) => runId)).size, 1400);
  });
});
