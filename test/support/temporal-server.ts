/** A Temporal server of one's own, its database in a folder: started again on the same folder and ports, it goes on. */
import { join } from 'node:path';
import { freePort } from '../../infra/embedded/gateway.ts';
import { startTemporal, type TemporalServer } from '../../infra/embedded/temporal.ts';
import { findTool } from '../../infra/tools.ts';

export async function startTemporalIn(
  folder: string,
  ports?: { readonly port: number; readonly uiPort: number },
): Promise<TemporalServer> {
  return startTemporal({
    binary: findTool('temporal'),
    dataFile: join(folder, 'temporal.db'),
    logFile: join(folder, 'temporal.log'),
    ...(ports ?? { port: await freePort(), uiPort: await freePort() }),
  });
}
