/** The provider's own tokens (JWT, RFC 7519 and RFC 9068) as they come with API calls: verified by its published keys. */
import { createRemoteJWKSet, errors, jwtVerify, type JWTVerifyGetKey } from 'jose';
import { EspalierError } from '../../artifacts/errors.ts';
import { unauthenticated } from '../../client/tokens.ts';
import type { Claims } from './person.ts';

/** Asymmetric only: 'none' and the HMACs are not here, so that no token can be signed with what is public. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'EdDSA'];
/** Of ID tokens and access tokens. A logout token, e.g., is signed by the same keys and says another thing. */
const TYPES = /^(?:(?:application\/)?(?:at\+)?jwt)$/i;
/** Node takes 16 KiB of headers in all. */
const MAX_TOKEN_LENGTH = 12_000;
/** Between our clock and the provider's. */
const TOLERANCE_SECONDS = 30;
const KEYS_FRESH_MS = 10 * 60_000;
/** A token with a key that nobody knows makes us look for it, but not each time. */
const REFETCH_AFTER_MS = 30_000;
const TIMEOUT_MS = 10_000;

export class TokenVerifier {
  readonly #issuer: string;
  readonly #keysUrl: () => Promise<string>;
  #keys: { readonly url: string; readonly find: JWTVerifyGetKey } | undefined;

  constructor(issuer: string, keysUrl: () => Promise<string>) {
    this.#issuer = issuer;
    this.#keysUrl = keysUrl;
  }

  /** @throws EspalierError Unauthenticated; NetworkUnavailable when the keys cannot be fetched */
  async verify(token: string, audience: string): Promise<Claims> {
    if (token.length > MAX_TOKEN_LENGTH) throw invalid();
    const find = await this.#published();
    try {
      const { payload, protectedHeader } = await jwtVerify(token, find, {
        issuer: this.#issuer,
        audience,
        algorithms: ALGORITHMS,
        clockTolerance: TOLERANCE_SECONDS,
        requiredClaims: ['sub', 'exp'],
      });
      if (!TYPES.test(protectedHeader.typ ?? 'JWT')) throw invalid();
      return payload;
    } catch (error) {
      throw refused(error);
    }
  }

  async #published(): Promise<JWTVerifyGetKey> {
    const url = await this.#keysUrl();
    if (this.#keys?.url !== url) {
      const limits = {
        timeoutDuration: TIMEOUT_MS,
        cacheMaxAge: KEYS_FRESH_MS,
        cooldownDuration: REFETCH_AFTER_MS,
      };
      this.#keys = { url, find: createRemoteJWKSet(new URL(url), limits) };
    }
    return this.#keys.find;
  }
}

const CLAIMS: Readonly<Record<string, string>> = {
  iss: 'this token is by another issuer',
  aud: 'this token is for another audience',
  nbf: 'this token is not valid yet',
};

/** Only once the signature held is told what is wrong with the claims: nothing more for who cannot sign. */
function refused(error: unknown): EspalierError {
  if (error instanceof EspalierError) return error;
  if (error instanceof errors.JWTExpired) return unauthenticated('this token has expired');
  if (error instanceof errors.JWTClaimValidationFailed) {
    const said = CLAIMS[error.claim];
    return said === undefined || error.reason === 'missing' ? invalid() : unauthenticated(said);
  }
  // Of JOSE's errors only these two and the plain one (an answer that is no key set) are about the provider.
  const unreachable =
    error instanceof errors.JWKSTimeout ||
    error instanceof errors.JWKSInvalid ||
    !(error instanceof errors.JOSEError) ||
    error.constructor === errors.JOSEError;
  if (!unreachable) return invalid();
  return new EspalierError('NetworkUnavailable', 'the keys of the identity provider cannot be read', {
    where: 'ESPALIER_OIDC_ISSUER',
    fix: 'see that it answers at its jwks_uri',
    cause: error,
  });
}

function invalid(): EspalierError {
  return unauthenticated('this is no valid token of the identity provider');
}
