/** Whom the console knows how to recognise: by an API token, the identity provider, or a session that one of them began. */
import type { FastifyRequest } from 'fastify';
import { EspalierError } from '../artifacts/errors.ts';
import type { Caller } from '../client/caller.ts';
import { authenticate, unauthenticated, type Scope } from '../client/tokens.ts';
import { readCookie, setCookie } from './cookies.ts';
import type { Person } from './oidc/person.ts';
import { IdentityProvider, type Pending, type SignedIn } from './oidc/provider.ts';
import type { Services } from './services.ts';
import { isCsrfOf, Kept, newCsrf, type Session } from './sessions.ts';

export interface Identified {
  readonly caller: Caller;
  readonly scopes: readonly Scope[];
  /** What to say that these scopes belong to. */
  readonly by: string;
}

/** A sign-in that has not come back yet, and where it was meant to lead. */
export interface SigningIn extends Pending {
  readonly returnTo: string;
}

/** The embedded stack's demo users may do what people do there: look, vote, start runs. */
const DEMO_SCOPES: readonly Scope[] = ['runs:read', 'runs:write', 'approvals:read', 'approvals:decide', 'models:read'];
const DEMO_SESSION_SECONDS = 12 * 3600;
const SIGN_IN_SECONDS = 600;
const CSRF_HEADER = 'x-csrf-token';
const CHANGES_NOTHING = new Set(['GET', 'HEAD', 'OPTIONS']);

export class Identities {
  readonly provider: IdentityProvider | undefined;
  readonly #services: Services;
  readonly #consoleUrl: () => string;
  readonly #sessions = new Kept<Session>();
  readonly #signingIn = new Kept<SigningIn>();

  constructor(services: Services, consoleUrl: () => string) {
    this.#services = services;
    this.#consoleUrl = consoleUrl;
    this.provider = services.oidc === undefined ? undefined : new IdentityProvider(services.oidc);
  }

  /** An absolute URL of this console, as browsers reach it. */
  url(path: string): URL {
    return new URL(path, this.#consoleUrl());
  }

  /** @throws EspalierError Unauthenticated, Forbidden */
  async identify(request: FastifyRequest): Promise<Identified> {
    const { authorization } = request.headers;
    if (authorization !== undefined) {
      const [, text] = /^Bearer +(\S+)$/i.exec(authorization) ?? [];
      if (text === undefined) throw unauthenticated('this is no bearer token');
      return this.#byToken(text);
    }
    const session = this.session(request);
    if (session === undefined) throw unauthenticated('an API token is missing');
    // A cookie comes with every request, also with one that another site has made the browser send.
    if (!CHANGES_NOTHING.has(request.method) && !isCsrfOf(session, request.headers[CSRF_HEADER])) {
      throw new EspalierError('Forbidden', 'a request with a session needs its CSRF token', {
        where: CSRF_HEADER,
        fix: `send the session's token in the header ${CSRF_HEADER}, or use an API token`,
      });
    }
    const { caller, scopes } = await this.current(session);
    return { caller, scopes, by: 'your groups open' };
  }

  async #byToken(text: string): Promise<Identified> {
    const { oidc, pointers } = this.#services;
    if (this.provider !== undefined && oidc?.audience !== undefined && text.split('.').length === 3) {
      const person = await this.provider.bearer(text, oidc.audience);
      return { caller: this.#callerOf(person), scopes: person.scopes, by: 'your groups open' };
    }
    const { user, scopes, id } = await authenticate(pointers, text);
    return { caller: { user, authentication: { method: 'api-token', token: id } }, scopes, by: 'this token has' };
  }

  /** The session that the request's cookie stands for. */
  session({ headers }: FastifyRequest): Session | undefined {
    return this.#sessions.get(readCookie(headers.cookie, 'espalier-session', this.#secure));
  }

  /**
   * The session with the roles that its person has now. The provider is asked: between signing in and voting a group may
   * have been taken away.
   */
  async current(session: Session): Promise<Session> {
    if (session.signedIn === undefined || this.provider === undefined) return session;
    const person = await this.provider.ask(session.signedIn);
    if (person.user === session.caller.user) {
      return { ...session, caller: this.#callerOf(person), scopes: person.scopes };
    }
    throw unauthenticated('the identity provider calls this person otherwise now: sign in again');
  }

  /** @returns the cookie of the new session */
  begin(signedIn: SignedIn): string {
    const { scopes } = signedIn;
    return this.#cookieOf(
      { caller: this.#callerOf(signedIn), scopes, signedIn },
      this.provider?.settings.sessionSeconds,
    );
  }

  beginDemo(user: string): string {
    return this.#cookieOf({ caller: { user, authentication: { method: 'sign-in-link' } }, scopes: DEMO_SCOPES });
  }

  #cookieOf(session: Omit<Session, 'csrf'>, seconds = DEMO_SESSION_SECONDS): string {
    // A name of its own at every sign-in: one that somebody else planted before is worth nothing after.
    const name = this.#sessions.put({ ...session, csrf: newCsrf() }, seconds);
    return setCookie('espalier-session', name, seconds, this.#secure);
  }

  /** @returns the cookie that ends it in the browser */
  end({ headers }: FastifyRequest): string {
    this.#sessions.take(readCookie(headers.cookie, 'espalier-session', this.#secure));
    return setCookie('espalier-session', '', 0, this.#secure);
  }

  /** @returns the cookie that binds the sign-in to this browser */
  expect(signingIn: SigningIn): string {
    const name = this.#signingIn.put(signingIn, SIGN_IN_SECONDS);
    return setCookie('espalier-sign-in', name, SIGN_IN_SECONDS, this.#secure);
  }

  /** What this browser began, once. */
  expected({ headers }: FastifyRequest): SigningIn | undefined {
    return this.#signingIn.take(readCookie(headers.cookie, 'espalier-sign-in', this.#secure));
  }

  get #secure(): boolean {
    return this.url('/').protocol === 'https:';
  }

  #callerOf({ user, roles, subject }: Person): Caller {
    const { issuer } = this.provider?.settings ?? { issuer: '' };
    return { user, roles, authentication: { method: 'oidc', issuer, subject } };
  }
}
