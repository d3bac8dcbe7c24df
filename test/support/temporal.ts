/** One real Temporal server for all test files, started when first asked for. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectTemporal, type TemporalClient } from '../../client/connection.ts';
import type { TemporalServer } from '../../infra/embedded/temporal.ts';
import { startTemporalIn } from './temporal-server.ts';

export { freePort } from '../../infra/embedded/gateway.ts';

let running: Promise<{ server: TemporalServer; folder: string }> | undefined;

/** Whoever asks for it begins anew: runs that earlier files left open would have their steps done by this one's workers. */
export async function temporalForTests(): Promise<{ address: string; connect(): Promise<TemporalClient> }> {
  const earlier = running;
  running ??= start();
  const { server } = await running;
  if (earlier !== undefined) await endOpenRuns(server.address);
  return { address: server.address, connect: () => connectTemporal({ TEMPORAL_ADDRESS: server.address }) };
}

async function endOpenRuns(address: string): Promise<void> {
  const temporal = await connectTemporal({ TEMPORAL_ADDRESS: address });
  try {
    for await (const { workflowId } of temporal.client.workflow.list({ query: 'ExecutionStatus = "Running"' })) {
      // One that has just ended by itself needs no help.
      await temporal.client.workflow
        .getHandle(workflowId)
        .terminate('its test is over')
        .catch(() => undefined);
    }
  } finally {
    await temporal.close();
  }
}

async function start(): Promise<{ server: TemporalServer; folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-temporal-'));
  const server = await startTemporalIn(folder);
  return { server, folder };
}

/** Root hook: mocha loads this file with the tests that use it. */
after(async function stopTemporal() {
  this.timeout(20_000);
  const started = await running;
  await started?.server.stop();
  if (started !== undefined) rmSync(started.folder, { recursive: true, force: true });
});
