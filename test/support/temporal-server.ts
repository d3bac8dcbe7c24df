/** A Temporal server of one's own, its database in a folder: started again on the same folder and ports, it goes on. */
import { join } from 'node:path';
import { freePort } from '../../infra/embedded/gateway.ts';
import { startTemporal, type TemporalServer } from '../../infra/embedded/temporal.ts';
import { findTool } from '../../infra/tools.ts';

export async function startTemporalIn(
  folder: string,
  ports?: { readonly port: number; readonly uiPort: number },
): Promise<TemporalServer> {
  for (let left = 2; ; left--) {
    try {
      return await startTemporal({
        binary: findTool('temporal'),
        dataFile: join(folder, 'temporal.db'),
        logFile: join(folder, 'temporal.log'),
        ...(ports ?? { port: await freePort(), uiPort: await freePort() }),
      });
    } catch (error) {
      // Somebody else may have taken a port since it was free.
      if (ports !== undefined || left === 0) throw error;
    }
  }
}
