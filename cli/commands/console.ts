/** `espalier console`: the HTTP API and the pages of signed links, in the foreground. */
import { readOidcSettings, startConsole, type ServedPipeline } from '../../console/server.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { noteKeys } from '../../artifacts/key-changes.ts';
import { signInUrl } from '../../client/sign-in-links.ts';
import { readRunningStack } from '../../infra/embedded/state.ts';
import { listShippedPipelines } from '../../pipelines/load.ts';
import type { Context } from '../context.ts';
import { loadChecked } from '../definition.ts';
import { untilInterrupted } from '../interrupt.ts';
import { EXIT, printJson, say, style } from '../output.ts';
import { withContext } from './runs.ts';

interface Options {
  readonly host: string;
  readonly port: string;
  readonly pipeline: readonly string[];
  readonly trustedProxies?: string;
}

const DEMO_LINK_SECONDS = 12 * 3600;

export async function serveConsole(json: boolean, { host, port, pipeline, trustedProxies }: Options): Promise<number> {
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) {
    throw new EspalierError('BadConfig', `--port '${port}' is not a port`, { fix: 'write a number up to 65535' });
  }
  const interrupted = untilInterrupted();
  const pipelines: ServedPipeline[] = [];
  for (const name of pipeline.length > 0 ? pipeline : await listShippedPipelines()) {
    const checked = await loadChecked(name, [], json);
    if (typeof checked === 'number') return checked;
    pipelines.push(checked);
  }
  return withContext(async (context) => {
    const [{ client }, { store, pointers, audit }, signer] = await Promise.all([
      context.temporal(),
      context.store(),
      context.voteSigner(),
    ]);
    await noteKeys(pointers, 'console', context.env, signer);
    const publicUrl = context.env['ESPALIER_CONSOLE_URL'];
    const oidc = readOidcSettings(context.env);
    const demoUsers = oidc === undefined ? await demoUsersOf(context) : [];
    const console = await startConsole(
      {
        client,
        store,
        pointers,
        audit,
        signer,
        pipelines,
        approvers: () => context.approvers(),
        linkKey: context.linkKey(),
        notify: context.notifies,
        demoUsers,
        ...(oidc === undefined ? {} : { oidc }),
        ...(publicUrl === undefined ? {} : { publicUrl }),
        ...(trustedProxies === undefined ? {} : { trustedProxies }),
        onError: (error, id) =>
          say(`${style.red('error')} ${id}: ${error instanceof Error ? error.stack : String(error)}`),
      },
      { host, port: Number(port) },
    );
    if (json) printJson({ url: console.url, pipelines: pipelines.map((one) => one.pipeline.name) });
    say(`console ${style.bold(console.url)}: ${console.url}/openapi.json tells its API; Ctrl-C stops it`);
    if (oidc !== undefined) say(`people sign in at ${publicUrl ?? console.url}/sign-in with ${oidc.issuer}`);
    const expires = Math.floor(Date.now() / 1000) + DEMO_LINK_SECONDS;
    for (const user of demoUsers) {
      const url = signInUrl(publicUrl ?? console.url, { user, expires }, context.linkKey());
      say(`  ${user.padEnd(12)} ${url}`);
    }
    await interrupted;
    await console.close();
    return EXIT.ok;
  });
}

/**
 * Whoever has the state folder is every one of them already: a link saves them the typing. Where the approvers are the
 * user's own, or the services are, nobody signs in by a printed link.
 */
async function demoUsersOf(context: Context): Promise<readonly string[]> {
  const own = ['TEMPORAL_ADDRESS', 'ESPALIER_APPROVERS'].some((name) => process.env[name] !== undefined);
  if (own || readRunningStack(context.stateDir) === undefined) return [];
  return (await context.approvers()).flatMap(({ name, rolesFrom }) => (rolesFrom === undefined ? [name] : []));
}
