/** The organisation's identity provider: OpenID Connect by authorization code with PKCE, state and nonce. */
import * as oidc from 'openid-client';
import { EspalierError } from '../../artifacts/errors.ts';
import { personOf, type Claims, type Person } from './person.ts';
import type { OidcSettings } from './settings.ts';
import { TokenVerifier } from './token-verifier.ts';

/** What a sign-in under way is held to when it comes back. */
export interface Pending {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

/** Who signed in, and what is needed to ask the provider about them again. */
export interface SignedIn extends Person {
  readonly accessToken: string;
  /** As the ID token had them: what the provider tells later counts over it. */
  readonly claims: Claims;
  /** Userinfo told of groups: a claim that is missing there later means that the last one was taken away. */
  readonly groupsByUserinfo: boolean;
}
type Asked = Pick<SignedIn, 'accessToken' | 'subject' | 'claims' | 'groupsByUserinfo'>;

const TIMEOUT_SECONDS = 10;

export class IdentityProvider {
  readonly settings: OidcSettings;
  readonly #verifier: TokenVerifier;
  #configuration: Promise<oidc.Configuration> | undefined;

  constructor(settings: OidcSettings) {
    this.settings = settings;
    this.#verifier = new TokenVerifier(settings.issuer, async () => {
      const { jwks_uri: keys } = (await this.#discovered()).serverMetadata();
      if (keys === undefined) throw unavailable('it publishes no keys');
      return keys;
    });
  }

  /** Where the browser goes to sign in. */
  async begin(redirectUri: string): Promise<{ readonly url: URL; readonly pending: Pending }> {
    const verifier = oidc.randomPKCECodeVerifier();
    const pending = { state: oidc.randomState(), nonce: oidc.randomNonce(), verifier };
    const url = oidc.buildAuthorizationUrl(await this.#discovered(), {
      redirect_uri: redirectUri,
      scope: this.settings.scope,
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });
    return { url, pending };
  }

  /**
   * Who came back to `url`, once the code has been redeemed and the ID token's signature, issuer, audience, expiry and
   * nonce hold.
   * @throws EspalierError Unauthenticated when any of that does not; Forbidden for a person without a group
   */
  async finish(url: URL, { state, nonce, verifier }: Pending): Promise<SignedIn> {
    const configuration = await this.#discovered();
    const checks = { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true };
    let tokens: Awaited<ReturnType<typeof oidc.authorizationCodeGrant>>;
    try {
      tokens = await oidc.authorizationCodeGrant(configuration, url, checks);
    } catch (error) {
      throw refusedSignIn(error);
    }
    const claims = tokens.claims();
    if (claims === undefined) throw refusedSignIn(new Error('no ID token'));
    const { access_token: accessToken } = tokens;
    const now = await this.#userinfo(accessToken, claims.sub);
    const groupsByUserinfo = now !== undefined && this.settings.groupsClaim in now;
    const asked = { accessToken, claims, subject: claims.sub, groupsByUserinfo };
    return { ...asked, ...this.#personOf(asked, now) };
  }

  /**
   * The same person as the provider knows them now: a group that they lost counts no more.
   * @throws EspalierError Unauthenticated when it does not answer for this session any more; Forbidden without a group
   */
  async ask(asked: Asked): Promise<Person> {
    return this.#personOf(asked, await this.#userinfo(asked.accessToken, asked.subject));
  }

  /**
   * Whose token of the provider this is: for `audience`, signed, not over.
   * @throws EspalierError Unauthenticated; Forbidden
   */
  async bearer(token: string, audience: string): Promise<Person> {
    return personOf(await this.#verifier.verify(token, audience), this.settings);
  }

  /** undefined where the provider has no such endpoint. */
  async #userinfo(accessToken: string, subject: string): Promise<Claims | undefined> {
    const configuration = await this.#discovered();
    if (configuration.serverMetadata().userinfo_endpoint === undefined) return undefined;
    try {
      return await oidc.fetchUserInfo(configuration, accessToken, subject);
    } catch (error) {
      throw refusedSignIn(error);
    }
  }

  /** What userinfo says counts over the ID token. */
  #personOf({ claims, groupsByUserinfo }: Asked, now: Claims = {}): Person {
    const { groupsClaim } = this.settings;
    const groups = groupsByUserinfo ? now[groupsClaim] : claims[groupsClaim];
    return personOf({ ...claims, ...now, [groupsClaim]: groups }, this.settings);
  }

  async #discovered(): Promise<oidc.Configuration> {
    const { issuer, clientId, clientSecret } = this.settings;
    const loopback = new URL(issuer).protocol === 'http:';
    // Signatures are verified although TLS would do: a token is then good by itself. HTTP is loopback (settings.ts).
    const execute = [oidc.enableNonRepudiationChecks, ...(loopback ? [oidc.allowInsecureRequests] : [])];
    const authentication = clientSecret === undefined ? oidc.None() : oidc.ClientSecretBasic(clientSecret);
    this.#configuration ??= oidc.discovery(new URL(issuer), clientId, undefined, authentication, {
      execute,
      timeout: TIMEOUT_SECONDS,
    });
    try {
      return await this.#configuration;
    } catch (error) {
      // The next one tries again: a provider that was away once is not away for ever.
      this.#configuration = undefined;
      throw unavailable((error as Error).message, error);
    }
  }
}

/** Why it failed is the provider's and the library's own word; of the tokens nothing is told. */
function refusedSignIn(cause: unknown): EspalierError {
  const {
    message,
    error_description: told,
    code,
  } = cause as Error & {
    readonly error_description?: string;
    readonly code?: string;
  };
  // What fetch throws when nobody answers: that says nothing about the person.
  if (cause instanceof TypeError || code === 'OAUTH_TIMEOUT') return unavailable(message, cause);
  return new EspalierError('Unauthenticated', `the sign-in did not hold: ${told ?? message}`, {
    where: 'sign-in',
    fix: 'sign in again',
    cause,
  });
}

function unavailable(reason: string, cause?: unknown): EspalierError {
  return new EspalierError('NetworkUnavailable', `the identity provider cannot be used: ${reason}`, {
    where: 'ESPALIER_OIDC_ISSUER',
    fix: 'see that it runs, and that the issuer is written exactly as its discovery document says',
    cause,
  });
}
