/** The model server's process: settings from the environment, a line when it listens, a drain when asked to stop. */
import { EspalierError } from '../artifacts/errors.ts';
import { noteKeys } from '../artifacts/key-changes.ts';
import { closeInspector } from '../artifacts/no-inspector.ts';
import { openStore } from '../artifacts/open.ts';
import { logLine } from './log.ts';
import { startModelServer } from './server.ts';
import { servingSettings } from './settings.ts';

closeInspector();
try {
  const settings = servingSettings(process.env);
  const { store, pointers } = await openStore(process.env);
  // Serving goes on where it may not write this: who deploys with other keys is told of, too.
  await noteKeys(pointers, 'model-server', process.env).catch((error: unknown) =>
    logLine('error', 'keys not noted in the audit log', { message: String(error) }),
  );
  const server = await startModelServer({ ...settings, store, pointers, log: logLine });
  const { models, channel, workers } = settings;
  logLine('info', 'listening', { url: server.url, models, channel, workers });
  const stop = (signal: NodeJS.Signals) => {
    logLine('info', 'stopping', { signal });
    server.drain().then(
      () => process.exit(0),
      (error: unknown) => fail(error),
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
} catch (error) {
  fail(error);
}

function fail(error: unknown): never {
  const record = error instanceof EspalierError ? error.toRecord() : { message: String(error) };
  logLine('error', 'failed', { ...record });
  process.exit(1);
}
