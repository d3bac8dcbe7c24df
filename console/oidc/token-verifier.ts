/** The provider's own tokens (JWT, RFC 7519 and RFC 9068) as they come with API calls: verified here, by its published keys. */
import { createPublicKey, verify, type JsonWebKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';
import { parsedJson } from '../../artifacts/dsse.ts';
import { unauthenticated } from '../../client/tokens.ts';
import type { Claims } from './person.ts';

/**
 * What a signature may be made by: asymmetric only, each with the one kind of key that it is for. 'none' and the HMACs
 * are not here, so that no token can be signed with what is public.
 */
const ALGORITHMS: Readonly<
  Record<string, { readonly type: string; readonly curve?: string; readonly hash: string | null }>
> = {
  RS256: { type: 'rsa', hash: 'sha256' },
  RS384: { type: 'rsa', hash: 'sha384' },
  RS512: { type: 'rsa', hash: 'sha512' },
  ES256: { type: 'ec', curve: 'prime256v1', hash: 'sha256' },
  ES384: { type: 'ec', curve: 'secp384r1', hash: 'sha384' },
  EdDSA: { type: 'ed25519', hash: null },
};

const Header = z.looseObject({
  alg: z.string(),
  kid: z.string().optional(),
  typ: z.string().optional(),
  // An extension that must be understood, and is not.
  crit: z.undefined().optional(),
});
/** Of ID tokens and access tokens. A logout token, e.g., is signed by the same keys and says another thing. */
const TYPES = /^(?:(?:application\/)?(?:at\+)?jwt)$/i;

const Body = z.looseObject({
  iss: z.string(),
  sub: z.string().min(1),
  aud: z.union([z.string(), z.array(z.string())]),
  exp: z.number(),
  nbf: z.number().optional(),
  iat: z.number().optional(),
});

const KeySet = z.looseObject({
  keys: z.array(z.looseObject({ kty: z.string(), kid: z.string().optional(), use: z.string().optional() })),
});

/** Node takes 16 KiB of headers in all. */
const MAX_TOKEN_LENGTH = 12_000;
/** Between our clock and the provider's. */
const TOLERANCE_SECONDS = 30;
const KEYS_FRESH_MS = 10 * 60_000;
/** A token with a key that nobody knows makes us look for it, but not each time. */
const REFETCH_AFTER_MS = 30_000;
const TIMEOUT_MS = 10_000;

interface PublishedKey {
  readonly id: string | undefined;
  readonly key: KeyObject;
}

export class TokenVerifier {
  readonly #issuer: string;
  readonly #keysUrl: () => Promise<string>;
  readonly #now: () => number;
  #keys: { readonly at: number; readonly found: Promise<readonly PublishedKey[]> } | undefined;

  constructor(issuer: string, keysUrl: () => Promise<string>, now: () => number = Date.now) {
    this.#issuer = issuer;
    this.#keysUrl = keysUrl;
    this.#now = now;
  }

  /** @throws EspalierError Unauthenticated; NetworkUnavailable when the keys cannot be fetched */
  async verify(token: string, audience: string): Promise<Claims> {
    const [head, body, signature, ...rest] = token.split('.');
    if (token.length > MAX_TOKEN_LENGTH || !head || !body || !signature || rest.length > 0) throw invalid();
    const header = Header.safeParse(decoded(head)).data;
    const algorithm =
      header !== undefined && Object.hasOwn(ALGORITHMS, header.alg) ? ALGORITHMS[header.alg] : undefined;
    if (header === undefined || algorithm === undefined || !TYPES.test(header.typ ?? 'JWT')) throw invalid();
    const signed = Buffer.from(`${head}.${body}`);
    const bytes = Buffer.from(signature, 'base64url');
    const fits = ({ id, key }: PublishedKey): boolean =>
      (header.kid === undefined || id === header.kid) &&
      key.asymmetricKeyType === algorithm.type &&
      (algorithm.curve === undefined || key.asymmetricKeyDetails?.namedCurve === algorithm.curve);
    const holds = ({ key }: PublishedKey): boolean =>
      verify(algorithm.hash, signed, { key, dsaEncoding: 'ieee-p1363' }, bytes);
    let keys = (await this.#published()).filter(fits);
    if (keys.length === 0) keys = (await this.#published(REFETCH_AFTER_MS)).filter(fits);
    if (!keys.some(holds)) throw invalid();
    return this.#checked(decoded(body), audience);
  }

  /** The claims once the signature held: only then is told what is wrong with them. */
  #checked(value: unknown, audience: string): Claims {
    const claims = Body.safeParse(value).data;
    if (claims === undefined) throw invalid();
    const now = this.#now() / 1000;
    if (claims.iss !== this.#issuer) throw unauthenticated('this token is by another issuer');
    if (![claims.aud].flat().includes(audience)) throw unauthenticated('this token is for another audience');
    if (claims.exp + TOLERANCE_SECONDS <= now) throw unauthenticated('this token has expired');
    if (Math.max(claims.nbf ?? 0, claims.iat ?? 0) - TOLERANCE_SECONDS > now) {
      throw unauthenticated('this token is not valid yet');
    }
    return claims;
  }

  /** Not older than `freshMs`; one request at a time. */
  #published(freshMs = KEYS_FRESH_MS): Promise<readonly PublishedKey[]> {
    if (this.#keys === undefined || this.#keys.at + freshMs <= this.#now()) {
      const found = this.#fetched();
      this.#keys = { at: this.#now(), found };
      found.catch(() => (this.#keys = undefined));
    }
    return this.#keys.found;
  }

  async #fetched(): Promise<readonly PublishedKey[]> {
    try {
      const response = await fetch(await this.#keysUrl(), {
        signal: AbortSignal.timeout(TIMEOUT_MS),
        redirect: 'error',
      });
      if (!response.ok) throw new Error(`status ${response.status}`);
      return KeySet.parse(await response.json()).keys.flatMap((jwk) => published(jwk));
    } catch (error) {
      if (error instanceof EspalierError) throw error;
      throw new EspalierError('NetworkUnavailable', 'the keys of the identity provider cannot be read', {
        where: 'ESPALIER_OIDC_ISSUER',
        fix: 'see that it answers at its jwks_uri',
        cause: error,
      });
    }
  }
}

/** A key of a kind that we do not know is of no use, and in nobody's way. */
function published(jwk: z.output<typeof KeySet>['keys'][number]): PublishedKey[] {
  if (jwk.kty === 'oct' || jwk.use === 'enc') return [];
  try {
    return [{ id: jwk.kid, key: createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' }) }];
  } catch {
    return [];
  }
}

function decoded(part: string): unknown {
  return parsedJson(Buffer.from(part, 'base64url').toString('utf8'));
}

/** Nothing more for who cannot sign. */
function invalid(): EspalierError {
  return unauthenticated('this is no valid token of the identity provider');
}
