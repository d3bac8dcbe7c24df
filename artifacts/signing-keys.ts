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

/** What a key may sign. Who signs votes need not be able to sign releases, nor the other way round. */
export const PURPOSES = ['releases', 'votes'] as const;
export type Purpose = (typeof PURPOSES)[number];

export interface TrustedKey {
  readonly key: KeyObject;
  readonly purposes: readonly Purpose[];
  /** From then on nothing that it signed counts, whenever that was: a signature's own time is its signer's word. */
  readonly until?: Date;
}

/** Public keys by their id. */
export type TrustedKeys = ReadonlyMap<string, TrustedKey>;

/** Why what key `id` signed does not count for `purpose`; undefined where it does. */
export function distrust(id: string, purpose: Purpose, trusted: TrustedKeys, now = new Date()): string | undefined {
  const found = trusted.get(id);
  if (found === undefined) return `by key ${id}, which is not trusted`;
  if (!found.purposes.includes(purpose)) return `by key ${id}, which is not trusted for ${purpose}`;
  if (found.until === undefined || now < found.until) return undefined;
  return `by key ${id}, which was trusted until ${found.until.toISOString()}`;
}

const CURVE = 'prime256v1';
const MAKE_KEY = 'make one: openssl ecparam -name prime256v1 -genkey -noout -out signing-key.pem';
const PUBLIC_HALF = 'openssl ec -in signing-key.pem -pubout -out trusted-key.pem';
/** A public key with the lines before it, where a file may say what it is trusted for. */
const PEM_BLOCK = /[^]*?-----BEGIN PUBLIC KEY-----[^]*?-----END PUBLIC KEY-----/g;

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
export function readSigner(env: NodeJS.ProcessEnv = process.env, purpose: Purpose = 'releases'): Signer {
  const [pem] = readPems(env, 'ESPALIER_SIGNING_KEY');
  if (pem === undefined) {
    throw new EspalierError('BadConfig', `there is no key to sign ${purpose} with`, {
      where: 'ESPALIER_SIGNING_KEY',
      fix: `name a PEM file with an EC P-256 private key; ${MAKE_KEY}`,
    });
  }
  const signer = signerOf(parseKey(pem, 'ESPALIER_SIGNING_KEY', createPrivateKey));
  const problem = env['ESPALIER_TRUSTED_KEYS'] ? distrust(signer.keyId, purpose, readTrustedKeys(env)) : undefined;
  if (problem !== undefined) {
    throw new EspalierError('BadConfig', `no server would accept what is signed ${problem}`, {
      where: 'ESPALIER_TRUSTED_KEYS',
      fix: `add its public half (${PUBLIC_HALF}), or sign with a key that is trusted`,
    });
  }
  return signer;
}

/**
 * The public keys of ESPALIER_TRUSTED_KEYS (PEM texts or paths, separated by commas; a file may hold several, each with
 * `Espalier-Purposes:` and `Espalier-Until:` in lines before it), less those that ESPALIER_REVOKED_KEYS names by their
 * ids. Throws BadConfig when none is left.
 */
export function readTrustedKeys(env: NodeJS.ProcessEnv = process.env): TrustedKeys {
  const name = 'ESPALIER_TRUSTED_KEYS';
  const blocks = readPems(env, name).flatMap((text) => text.match(PEM_BLOCK) ?? [text]);
  const trusted = new Map(
    blocks.map((block) => {
      const key = parseKey(block, name, createPublicKey);
      requireCurve(key, name);
      return [keyIdOf(key), { key, ...termsOf(block) }];
    }),
  );
  for (const id of readRevokedKeys(env)) trusted.delete(id);
  if (trusted.size > 0) return trusted;
  throw new EspalierError('BadConfig', 'no key is trusted: no release could be verified', {
    where: name,
    fix: `name the PEM file of the public key that releases are signed with: ${PUBLIC_HALF}`,
  });
}

/** The ids of ESPALIER_REVOKED_KEYS. Throws BadConfig for what is no id. */
export function readRevokedKeys(env: NodeJS.ProcessEnv): readonly string[] {
  const name = 'ESPALIER_REVOKED_KEYS';
  const ids = listOf(env[name]);
  const wrong = ids.find((id) => !/^[0-9a-f]{64}$/.test(id));
  if (wrong === undefined) return ids;
  throw new EspalierError('BadConfig', `${name}: '${wrong}' is not a key's id`, {
    where: name,
    fix: 'give the SHA-256 of the public key in PEM, 64 hexadecimal digits: sha256sum trusted-key.pem',
  });
}

const TERM = /^Espalier-([\w-]*):[ \t]*(.*?)[ \t\r]*$/gim;

/** What the lines before a key say of it. What is misspelt there must not become trust. */
function termsOf(block: string): Omit<TrustedKey, 'key'> {
  let terms: Omit<TrustedKey, 'key'> = { purposes: PURPOSES };
  for (const [line, name = '', value = ''] of block.matchAll(TERM)) {
    const purposes = value.split(/[ ,]+/).flatMap((word) => PURPOSES.find((one) => one === word) ?? []);
    if (/^purposes$/i.test(name) && purposes.length > 0 && purposes.join(' ') === value.split(/[ ,]+/).join(' ')) {
      terms = { ...terms, purposes };
    } else if (/^until$/i.test(name) && /^\d{4}-\d\d-\d\d(T[\d:.]+Z)?$/.test(value) && Date.parse(value) > 0) {
      terms = { ...terms, until: new Date(value) };
    } else {
      throw new EspalierError('BadConfig', `ESPALIER_TRUSTED_KEYS: '${line.trim()}' says nothing about a key`, {
        where: 'ESPALIER_TRUSTED_KEYS',
        fix: `write 'Espalier-Purposes: ${PURPOSES.join(', ')}' (or one of them) and 'Espalier-Until: 2027-12-31' (UTC) before a key`,
      });
    }
  }
  return terms;
}

/** The texts that a variable holds or names. */
function readPems(env: NodeJS.ProcessEnv, name: string): string[] {
  return listOf(env[name]).map((entry) => {
    if (entry.includes('-----BEGIN')) return entry;
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
