import { startHost } from '../host.ts';
import { stateDirOf } from '../context.ts';
import { EXIT, printJson, say, style } from '../output.ts';
import { untilInterrupted } from '../interrupt.ts';

/** The stack in the foreground: other terminals' commands in this folder use it. */
export async function dev(json: boolean): Promise<number> {
  const stateDir = stateDirOf(process.env);
  const interrupted = untilInterrupted();
  say(style.dim('starting Temporal, the S3 gateway, the workers and the model server …'));
  const { stack, servingUrl } = await startHost(stateDir);
  const places = {
    temporal: stack.temporalAddress,
    temporalUi: stack.uiUrl,
    s3: stack.s3Endpoint,
    modelServer: servingUrl,
    state: stateDir,
  };
  if (json) printJson(places);
  else for (const [name, place] of Object.entries(places)) say(`  ${name.padEnd(12)} ${place ?? '(yours)'}`);
  say(
    'ready: start a run in another terminal with `npx espalier run support-intents --watch`; Ctrl-C stops everything',
  );
  await interrupted;
  say(style.dim('\nstopping …'));
  await stack.stop();
  return EXIT.ok;
}
