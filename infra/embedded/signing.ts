/** The embedded stack's own signing keys, in its state folder: `signing-key.pem` and `trusted-keys.pem`, made once. */
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomically } from './state.ts';

/** What leads a process to the stack's keys. Only who signs is told where the private one lies. */
export interface KeyEnvironment {
  readonly signing: Readonly<Record<string, string>>;
  readonly verifying: Readonly<Record<string, string>>;
}

const filesOf = (stateDir: string) => ({
  signingKey: join(stateDir, 'signing-key.pem'),
  trustedKeys: join(stateDir, 'trusted-keys.pem'),
});

/** Who names one of them names both: the stack's own would not fit. */
const namesKeys = (env: NodeJS.ProcessEnv): boolean =>
  ['ESPALIER_SIGNING_KEY', 'ESPALIER_SIGNER', 'ESPALIER_TRUSTED_KEYS'].some((name) => Boolean(env[name]));

/** Empty where the user names keys, or where the stack has never been started. */
export function keyEnvironment(stateDir: string, env: NodeJS.ProcessEnv): KeyEnvironment {
  const { signingKey, trustedKeys } = filesOf(stateDir);
  if (namesKeys(env) || !existsSync(signingKey)) return { signing: {}, verifying: {} };
  const verifying = { ESPALIER_TRUSTED_KEYS: trustedKeys };
  return { signing: { ...verifying, ESPALIER_SIGNING_KEY: signingKey }, verifying };
}

/** Makes the keys where there are none and the user names none. Returns the private one's path when it did. */
export function ensureSigningKeys(stateDir: string, env: NodeJS.ProcessEnv): string | undefined {
  const { signingKey, trustedKeys } = filesOf(stateDir);
  if (namesKeys(env)) return undefined;
  if (existsSync(signingKey)) {
    chmodSync(signingKey, 0o600);
    return undefined;
  }
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  // The public half first: a private key without it would be one that nobody trusts.
  writeAtomically(trustedKeys, publicKey.export({ type: 'spki', format: 'pem' }).toString());
  writeAtomically(signingKey, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  return signingKey;
}
