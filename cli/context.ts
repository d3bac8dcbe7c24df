/** What a command talks to: the user's own Temporal and S3 by the standard variables, else the embedded stack of this folder. */
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { openSigner } from '../artifacts/open-signer.ts';
import { openStore, type OpenStore } from '../artifacts/open.ts';
import type { Signer } from '../artifacts/signing-keys.ts';
import { connectTemporal, type Environment, type TemporalClient } from '../client/connection.ts';
import { readApprovers, type KnownApprover } from '../client/approvals.ts';
import { checkedLinkKey } from '../client/decision-links.ts';
import { readLinkKey } from '../infra/embedded/link-key.ts';
import { keyEnvironment } from '../infra/embedded/signing.ts';
import { readRunningStack } from '../infra/embedded/state.ts';

export interface Context {
  readonly env: Environment;
  /** `.espalier` in the working folder, or ESPALIER_STATE. */
  readonly stateDir: string;
  /** Who acts, by ESPALIER_USER or the login name. */
  readonly user: string;
  /** Runs that start here tell notifiers. */
  readonly notifies: boolean;
  temporal(): Promise<TemporalClient>;
  store(): Promise<OpenStore>;
  approvers(): Promise<KnownApprover[]>;
  /** Signs what is known here of a voter: ESPALIER_SIGNING_KEY or ESPALIER_SIGNER, else the embedded stack's own key. */
  voteSigner(): Promise<Signer>;
  /** What signs links to decisions: ESPALIER_LINK_KEY, else made once in the state folder. */
  linkKey(): string;
  close(): Promise<void>;
}

export function stateDirOf(env: Environment): string {
  return resolve(env['ESPALIER_STATE'] ?? '.espalier');
}

export function createContext(own: Environment = process.env): Context {
  const stateDir = stateDirOf(own);
  const stack = readRunningStack(stateDir);
  const port = stack?.ports['serving'];
  const serving = port === undefined ? {} : { ESPALIER_SERVING_URL: `http://127.0.0.1:${port}` };
  return contextOf({ ...serving, ...own, ...embeddedPart(stack?.env ?? {}, own) }, stateDir);
}

/** The running stack's variables, less those of a service that the user names: an explicit address always wins. */
function embeddedPart(stackEnv: Readonly<Record<string, string>>, own: Environment): Environment {
  const named: Readonly<Record<string, boolean>> = {
    TEMPORAL: own['TEMPORAL_ADDRESS'] !== undefined,
    AWS: own['AWS_ENDPOINT_URL_S3'] !== undefined,
  };
  return Object.fromEntries(Object.entries(stackEnv).filter(([name]) => named[name.split('_')[0] ?? ''] !== true));
}

export function contextOf(own: Environment, stateDir: string): Context {
  const env = { ...keyEnvironment(stateDir, own).signing, ...own };
  let temporal: Promise<TemporalClient> | undefined;
  let store: Promise<OpenStore> | undefined;
  return {
    env,
    stateDir,
    user: env['ESPALIER_USER'] ?? userInfo().username,
    notifies: Boolean(env['ESPALIER_NOTIFIERS']),
    temporal: () => (temporal ??= connectTemporal(env)),
    store: () => (store ??= openStore(env)),
    approvers: () => readApprovers(env['ESPALIER_APPROVERS'] ?? join(stateDir, 'approvers.json')),
    voteSigner: () => openSigner(env, 'votes'),
    linkKey: () => checkedLinkKey(env['ESPALIER_LINK_KEY'] ?? readLinkKey(stateDir)),
    async close() {
      const opened = await temporal?.catch(() => undefined);
      await opened?.close();
    },
  };
}
