/** API tokens: who calls the console, and what for. The store keeps a hash of each secret, never the secret. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { EspalierError } from '../artifacts/errors.ts';
import type { Pointer, Pointers } from '../artifacts/pointers.ts';

export const SCOPES = ['runs:read', 'runs:write', 'approvals:read', 'approvals:decide', 'models:read'] as const;
export type Scope = (typeof SCOPES)[number];

/** `tokens/<id>`: a token without its secret. */
export interface Token {
  readonly version: 1;
  readonly id: string;
  /** Who acts by it: an approver by this name, the starter of a run. */
  readonly user: string;
  readonly scopes: readonly Scope[];
  readonly createdBy: string;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly revokedAt: string | null;
}

interface StoredToken extends Token {
  /** Of 256 random bits: a slow hash would protect nothing more. */
  readonly secretSha256: string;
}

const TOKEN = /^esp_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;
const SECRET_BYTES = 32;

/** Makes a token; `text` is the only time that its secret is seen. */
export async function createToken(
  pointers: Pointers,
  facts: Pick<Token, 'user' | 'scopes' | 'createdBy' | 'expiresAt'>,
): Promise<{ readonly token: Token; readonly text: string }> {
  const id = randomBytes(6).toString('hex');
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  const token: Token = { version: 1, id, ...facts, createdAt: new Date().toISOString(), revokedAt: null };
  const stored: StoredToken = { ...token, secretSha256: hashOf(secret).toString('hex') };
  const { user, scopes, expiresAt, createdBy: by } = facts;
  const told = { action: 'token.create', id, user, scopes, expiresAt, by } as const;
  if (!(await pointers.create(keyOf(id), stored, told))) throw new EspalierError('Conflict', `a token ${id} exists`);
  return { token, text: `esp_${id}_${secret}` };
}

/** All of them, the newest first; revoked and expired ones, too. */
export async function listTokens(pointers: Pointers): Promise<readonly Token[]> {
  const found = await Promise.all((await pointers.list('tokens/')).map((key) => pointers.read<StoredToken>(key)));
  return found
    .flatMap((pointer) => (pointer === undefined ? [] : [withoutSecret(pointer.value)]))
    .toSorted((a, b) => b.createdAt.localeCompare(a.createdAt));
}

/** From now on it opens nothing; revoking it again changes nothing. `by`: who does it. Throws NotFound. */
export async function revokeToken(pointers: Pointers, id: string, by: string): Promise<Token> {
  for (;;) {
    const found = await readToken(pointers, id);
    if (found === undefined) {
      throw new EspalierError('NotFound', `there is no token ${id}`, { fix: '`espalier tokens list` shows all' });
    }
    if (found.value.revokedAt !== null) return withoutSecret(found.value);
    const revoked = { ...found.value, revokedAt: new Date().toISOString() };
    const told = { action: 'token.revoke', id, user: revoked.user, by } as const;
    if (await pointers.replace(keyOf(id), revoked, found.version, told)) return withoutSecret(revoked);
  }
}

/**
 * Whose token this is. Read anew at every call, so that a revoked token is refused at once.
 * @throws EspalierError Unauthenticated; only who knows the secret learns why
 */
export async function authenticate(pointers: Pointers, text: string, now = new Date()): Promise<Token> {
  const [, id, secret] = TOKEN.exec(text) ?? [];
  const found = id === undefined ? undefined : await readToken(pointers, id);
  if (found === undefined || secret === undefined || !isSecretOf(found.value, secret)) {
    throw unauthenticated('this is no valid API token');
  }
  const { revokedAt, expiresAt } = found.value;
  if (revokedAt !== null) throw unauthenticated(`this API token was revoked at ${revokedAt}`);
  if (Date.parse(expiresAt) <= now.getTime()) throw unauthenticated(`this API token expired at ${expiresAt}`);
  return withoutSecret(found.value);
}

export function unauthenticated(message: string): EspalierError {
  return new EspalierError('Unauthenticated', message, {
    where: 'Authorization',
    fix: 'send `Authorization: Bearer TOKEN`; `espalier tokens create` makes one',
  });
}

function isSecretOf(token: StoredToken, secret: string): boolean {
  return timingSafeEqual(hashOf(secret), Buffer.from(token.secretSha256, 'hex'));
}

function withoutSecret(stored: StoredToken): Token {
  const { secretSha256: _, ...token } = stored;
  return token;
}

async function readToken(pointers: Pointers, id: string): Promise<Pointer<StoredToken> | undefined> {
  return /^[0-9a-f]{12}$/.test(id) ? pointers.read<StoredToken>(keyOf(id)) : undefined;
}

function keyOf(id: string): string {
  return `tokens/${id}`;
}

function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
