/** A key of the tests' own: what they deploy is signed with it, and their servers trust it alone. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { keyIdOf, PURPOSES, signerOf, type Signer, type TrustedKeys } from '../../artifacts/signing-keys.ts';

export interface TestKey {
  readonly signer: Signer;
  readonly trusted: TrustedKeys;
  readonly privatePem: string;
  readonly publicPem: string;
}

export function makeKey(namedCurve = 'P-256'): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve });
}

export function newTestKey(): TestKey {
  const { privateKey, publicKey } = makeKey();
  return {
    signer: signerOf(privateKey),
    trusted: new Map([[keyIdOf(publicKey), { key: publicKey, purposes: PURPOSES }]]),
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

export const TEST_KEY = newTestKey();
/** For the processes that tests start. */
export const TEST_KEY_ENV = {
  ESPALIER_SIGNING_KEY: TEST_KEY.privatePem,
  ESPALIER_TRUSTED_KEYS: TEST_KEY.publicPem,
} as const;
