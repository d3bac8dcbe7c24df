/** A real identity provider on loopback, with its own sign-in page, and a browser that has cookies and no script. */
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type Provider from 'oidc-provider';

export const CLIENT = { id: 'espalier', secret: 'a-secret-of-the-client' } as const;
export const AUDIENCE = 'https://espalier.example/api';

export interface Account {
  readonly groups?: unknown;
  readonly [claim: string]: unknown;
}

export interface TestProvider {
  readonly issuer: string;
  /** By subject; changed while it runs, as an administrator would. */
  readonly accounts: Map<string, Account>;
  /** Changes what the token endpoint answers with, as somebody between it and us would. */
  tamper: ((idToken: string) => string) | undefined;
  /** A token with these claims, signed with the provider's own key: what it might have signed, once or for another. */
  signed(claims: Readonly<Record<string, unknown>>, header?: Readonly<Record<string, unknown>>): string;
  /** The key's public half: published, so that anybody can make an HMAC with it. */
  readonly publicKey: KeyObject;
  /** An access token of this person for the API's audience, as a program of theirs would get it. */
  accessToken(subject: string, audience?: string): Promise<string>;
  stop(): Promise<void>;
}

/** `redirectUri` is known before the console listens: its port is chosen first. */
export async function startTestProvider(redirectUri: string): Promise<TestProvider> {
  const quiet = withoutWarnings();
  const { default: OidcProvider } = await import('oidc-provider');
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const accounts = new Map<string, Account>();
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const kid = 'key-of-the-tests';
  const provider = new OidcProvider(issuer, {
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        redirect_uris: [redirectUri],
        grant_types: ['authorization_code'],
      },
    ],
    claims: { openid: ['sub'], profile: ['groups', 'preferred_username'], email: ['email', 'email_verified'] },
    conformIdTokenClaims: false,
    // Named, because it tells on every one that is not.
    ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600, AuthorizationCode: 60 },
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' }] },
    cookies: { keys: ['a key of the tests'] },
    features: {
      devInteractions: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, audience) => ({
          scope: 'openid profile',
          audience,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 3600,
        }),
      },
    },
    extraTokenClaims: (_context, token) => accounts.get('accountId' in token ? (token.accountId ?? '') : ''),
    findAccount: (_context, subject) =>
      accounts.has(subject)
        ? { accountId: subject, claims: () => ({ sub: subject, ...accounts.get(subject) }) }
        : undefined,
  });
  provider.on('server_error', (_context, error) => process.stderr.write(`oidc-provider: ${error.stack}\n`));
  provider.use(async (context, next) => {
    await next();
    const answer = context.body as { id_token?: string } | undefined;
    const { tamper } = made;
    if (context.path === '/token' && answer?.id_token !== undefined && tamper !== undefined) {
      answer.id_token = tamper(answer.id_token);
    }
  });
  const answer = provider.callback();
  server.on('request', (request, response) => void answer(request, response));
  quiet();
  const made: TestProvider = {
    issuer,
    accounts,
    tamper: undefined,
    publicKey,
    signed: (claims, header = {}) => jwt({ alg: 'RS256', kid, typ: 'JWT', ...header }, claims, privateKey),
    accessToken: (subject, audience = AUDIENCE) => accessTokenOf(provider, subject, audience),
    async stop() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return made;
}

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** RS256, whatever the header says. */
export function jwt(header: object, claims: object, key: KeyObject): string {
  const text = `${encoded(header)}.${encoded(claims)}`;
  return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`;
}

export function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;
}

async function accessTokenOf(provider: Provider, subject: string, audience: string): Promise<string> {
  const client = await provider.Client.find(CLIENT.id);
  if (client === undefined) throw new Error('no client');
  const grant = new provider.Grant({ accountId: subject, clientId: CLIENT.id });
  const token = new provider.AccessToken({
    accountId: subject,
    client,
    grantId: await grant.save(),
    gty: 'authorization_code',
    scope: 'openid profile',
  });
  token.resourceServer = new provider.ResourceServer(audience, {
    scope: 'openid profile',
    audience,
    accessTokenFormat: 'jwt',
    accessTokenTTL: 3600,
  });
  return token.save();
}

/** It says at import and construction what it thinks of Node 20 and of keys for development: that is right, and not ours. */
function withoutWarnings(): () => void {
  const kept = { warn: console.warn, info: console.info, emitWarning: process.emitWarning };
  console.warn = console.info = () => undefined;
  process.emitWarning = () => undefined;
  return () => {
    console.warn = kept.warn;
    console.info = kept.info;
    process.emitWarning = kept.emitWarning;
  };
}

export interface Page {
  readonly url: URL;
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

let addresses = 0;
/** Of nobody (RFC 5737), and another each time: failures are counted by address. */
export function anAddress(): { readonly 'x-forwarded-for': string } {
  return { 'x-forwarded-for': `192.0.2.${addresses++ % 256}` };
}

/** Follows redirects, keeps cookies by host, sends forms as they stand on a page. */
export class Browser {
  readonly cookies = new Map<string, Map<string, string>>();
  /** Where it was sent, one after the other. */
  readonly visited: URL[] = [];
  readonly #address = anAddress();

  async open(url: string | URL, form?: Readonly<Record<string, string>>, stopAt?: RegExp): Promise<Page> {
    let at = new URL(url);
    let body = form === undefined ? undefined : new URLSearchParams(form);
    for (let hops = 0; hops < 12; hops++) {
      this.visited.push(at);
      const response = await fetch(at, {
        method: body === undefined ? 'GET' : 'POST',
        redirect: 'manual',
        headers: { cookie: this.cookieHeader(at), ...this.#address },
        ...(body === undefined ? {} : { body }),
      });
      this.keep(at, response.headers.getSetCookie());
      const location = response.headers.get('location');
      const next = location === null ? undefined : new URL(location, at);
      if (next === undefined || stopAt?.test(next.href) === true) {
        const text = await response.text();
        return { url: next ?? at, status: response.status, text, headers: response.headers };
      }
      await response.body?.cancel();
      [at, body] = [next, undefined];
    }
    throw new Error(`too many redirects: ${at.href}`);
  }

  /** Answers the provider's two forms, who one is and that it may tell, until it leads back. */
  async signIn(start: string | URL, subject: string, stopAt?: RegExp): Promise<Page> {
    let shown = await this.open(start, undefined, stopAt);
    for (let forms = 0; forms < 3; forms++) {
      const [, action] = /<form[^>]+action="([^"]+)"/.exec(shown.text) ?? [];
      const [, prompt] = /name="prompt" value="(login|consent)"/.exec(shown.text) ?? [];
      if (action === undefined || prompt === undefined) return shown;
      shown = await this.open(new URL(action, shown.url), { prompt, login: subject, password: 'x' }, stopAt);
    }
    return shown;
  }

  cookieHeader({ host }: URL): string {
    return [...(this.cookies.get(host) ?? [])].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  private keep({ host }: URL, set: readonly string[]): void {
    const jar = this.cookies.get(host) ?? new Map<string, string>();
    this.cookies.set(host, jar);
    for (const line of set) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '' || /max-age=0|expires=thu, 01 jan 1970/i.test(line)) jar.delete(name);
      else jar.set(name, value);
    }
  }
}
