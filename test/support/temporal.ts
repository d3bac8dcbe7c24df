/** One real Temporal server for all test files, started when first asked for. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectTemporal, type TemporalClient } from '../../client/connection.ts';
import { startTemporal, type TemporalServer } from '../../infra/embedded/temporal.ts';
import { findTool } from '../../infra/tools.ts';

let running: Promise<{ server: TemporalServer; folder: string }> | undefined;

export async function temporalForTests(): Promise<{ address: string; connect(): Promise<TemporalClient> }> {
  running ??= start();
  const { server } = await running;
  return { address: server.address, connect: () => connectTemporal({ TEMPORAL_ADDRESS: server.address }) };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function start(): Promise<{ server: TemporalServer; folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-temporal-'));
  const server = await startTemporal({
    binary: findTool('temporal'),
    dataFile: join(folder, 'temporal.db'),
    logFile: join(folder, 'temporal.log'),
    port: await freePort(),
    uiPort: await freePort(),
    searchAttributes: { EspalierPipeline: 'Keyword', EspalierState: 'Keyword' },
  });
  return { server, folder };
}

/** Root hook: mocha loads this file with the tests that use it. */
after(async function stopTemporal() {
  this.timeout(20_000);
  const started = await running;
  await started?.server.stop();
  if (started !== undefined) rmSync(started.folder, { recursive: true, force: true });
});
