/** Which keys a process signs with and trusts, told to the audit log whenever that is another set than before. */
import type { KeySet } from './audit-events.ts';
import { canonicalJson } from './canonical-json.ts';
import type { Pointers } from './pointers.ts';
import { readRevokedKeys, readTrustedKeys, type Signer } from './signing-keys.ts';

/** Which kind of process: each has a set of its own. */
export type KeyUser = 'deploy-worker' | 'model-server' | 'console' | 'command';

/** Reads what ESPALIER_TRUSTED_KEYS and ESPALIER_REVOKED_KEYS name. Throws BadConfig, and what the store throws. */
export async function noteKeys(
  pointers: Pointers,
  process: KeyUser,
  env: NodeJS.ProcessEnv,
  signer?: Signer,
): Promise<void> {
  const set = keySetOf(process, env, signer);
  const key = `keys/${process}`;
  const before = await pointers.read<KeySet>(key);
  if (before !== undefined && canonicalJson(before.value) === canonicalJson(set)) return;
  // Whoever was first in between has told of a set of its own; the next start compares with that.
  await pointers.replace(key, set, before?.version, { action: 'keys.change', ...set });
}

function keySetOf(process: KeyUser, env: NodeJS.ProcessEnv, signer: Signer | undefined): KeySet {
  const trusted = env['ESPALIER_TRUSTED_KEYS'] ? [...readTrustedKeys(env)] : [];
  return {
    process,
    signs: signer?.keyId ?? null,
    trusted: trusted
      .map(([id, { purposes, until }]) => ({
        id,
        purposes,
        ...(until === undefined ? {} : { until: until.toISOString() }),
      }))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    revoked: readRevokedKeys(env).toSorted(),
  };
}
