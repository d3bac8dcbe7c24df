/**
 * The keys that releases are signed and verified with: EC P-256, by configuration and never from what they verify.
 * A key is named by the SHA-256 of its public half in PEM, as OpenSSF model signing names it.
 */
import { createHash, createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { EspalierError } from './errors.ts';

/** Signs with a key that may lie elsewhere, such as in a KMS: only signatures come out of it. */
export interface Signer {
  readonly keyId: string;
  /** ECDSA over SHA-256 of `data` on P-256, in DER. */
  sign(data: Uint8Array): Promise<Uint8Array>;
}

/** Public keys by their id. */
export type TrustedKeys = ReadonlyMap<string, KeyObject>;

const CURVE = 'prime256v1';
const MAKE_KEY = 'make one: openssl ecparam -name prime256v1 -genkey -noout -out signing-key.pem';
const PUBLIC_HALF = 'openssl ec -in signing-key.pem -pubout -out trusted-key.pem';
const PEM_BLOCK = /-----BEGIN PUBLIC KEY-----[\s\S]*?-----END PUBLIC KEY-----/g;

/** `key`: the public one. */
export function keyIdOf(key: KeyObject): string {
  const pem = key.export({ type: 'spki', format: 'pem' });
  return createHash('sha256').update(pem).digest('hex');
}

/** A signer that holds its key in this process. Throws BadConfig for a key of another kind. */
export function signerOf(key: KeyObject): Signer {
  requireCurve(key, 'ESPALIER_SIGNING_KEY');
  return {
    keyId: keyIdOf(createPublicKey(key)),
    sign: (data) => Promise.resolve(sign('sha256', data, key)),
  };
}

/**
 * The signer of ESPALIER_SIGNING_KEY, a PEM text or the path of one. Throws BadConfig where there is none, where it
 * cannot be read, and where ESPALIER_TRUSTED_KEYS is set, too, but would not accept its signatures.
 */
export function readSigner(env: NodeJS.ProcessEnv = process.env): Signer {
  const [pem] = readPems(env, 'ESPALIER_SIGNING_KEY');
  if (pem === undefined) {
    throw new EspalierError('BadConfig', 'there is no key to sign releases with', {
      where: 'ESPALIER_SIGNING_KEY',
      fix: `name a PEM file with an EC P-256 private key; ${MAKE_KEY}`,
    });
  }
  const signer = signerOf(parseKey(pem, 'ESPALIER_SIGNING_KEY', createPrivateKey));
  if (env['ESPALIER_TRUSTED_KEYS'] && !readTrustedKeys(env).has(signer.keyId)) {
    throw new EspalierError('BadConfig', `no server would accept what key ${signer.keyId} signs: it is not trusted`, {
      where: 'ESPALIER_TRUSTED_KEYS',
      fix: `add its public half (${PUBLIC_HALF}), or sign with a key that is trusted`,
    });
  }
  return signer;
}

/**
 * The public keys of ESPALIER_TRUSTED_KEYS (PEM texts or paths, separated by commas; a file may hold several), less
 * those that ESPALIER_REVOKED_KEYS names by their ids. Throws BadConfig when none is left.
 */
export function readTrustedKeys(env: NodeJS.ProcessEnv = process.env): TrustedKeys {
  const name = 'ESPALIER_TRUSTED_KEYS';
  const blocks = readPems(env, name).flatMap((text) => text.match(PEM_BLOCK) ?? [text]);
  const keys = blocks.map((pem) => parseKey(pem, name, createPublicKey));
  for (const key of keys) requireCurve(key, name);
  const trusted = new Map(keys.map((key) => [keyIdOf(key), key]));
  for (const id of listOf(env['ESPALIER_REVOKED_KEYS'])) {
    if (!/^[0-9a-f]{64}$/.test(id)) {
      throw new EspalierError('BadConfig', `ESPALIER_REVOKED_KEYS: '${id}' is not a key's id`, {
        where: 'ESPALIER_REVOKED_KEYS',
        fix: 'give the SHA-256 of the public key in PEM, 64 hexadecimal digits: sha256sum trusted-key.pem',
      });
    }
    trusted.delete(id);
  }
  if (trusted.size > 0) return trusted;
  throw new EspalierError('BadConfig', 'no key is trusted: no release could be verified', {
    where: name,
    fix: `name the PEM file of the public key that releases are signed with: ${PUBLIC_HALF}`,
  });
}

/** The texts that a variable holds or names. */
function readPems(env: NodeJS.ProcessEnv, name: string): string[] {
  return listOf(env[name]).map((entry) => {
    if (entry.startsWith('-----BEGIN')) return entry;
    try {
      return readFileSync(entry, 'utf8');
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
      throw new EspalierError('BadConfig', `${name}: ${entry} cannot be read (${code})`, {
        where: name,
        fix: 'name a PEM file that this process may read',
      });
    }
  });
}

function listOf(value: string | undefined): string[] {
  return (value ?? '')
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean);
}

/** The parser's own error is not passed on: it could quote the key. */
function parseKey(pem: string, name: string, parse: (pem: string) => KeyObject): KeyObject {
  // A private key would do as a public one: it must not lie where only a public one is needed.
  if (name === 'ESPALIER_TRUSTED_KEYS' && pem.includes('PRIVATE KEY')) {
    throw new EspalierError('BadConfig', `${name} holds a private key`, { where: name, fix: PUBLIC_HALF });
  }
  try {
    return parse(pem);
  } catch {
    throw new EspalierError('BadConfig', `${name} holds no PEM key that can be read`, { where: name, fix: MAKE_KEY });
  }
}

function requireCurve(key: KeyObject, name: string): void {
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (key.asymmetricKeyType === 'ec' && curve === CURVE) return;
  throw new EspalierError('BadConfig', `${name}: a key of kind ${curve ?? key.asymmetricKeyType} is not EC P-256`, {
    where: name,
    fix: MAKE_KEY,
  });
}
