import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { summariseEvent } from '../../artifacts/audit-events.ts';
import { digestBytes } from '../../artifacts/digest.ts';
import { openVote } from '../../artifacts/vote-statement.ts';
import { signInUrl } from '../../client/sign-in-links.ts';
import type { OidcSettings } from '../../console/oidc/settings.ts';
import type { Problem } from '../../console/problems.ts';
import { startTestConsole, type TestConsole } from '../support/console.ts';
import {
  anAddress,
  AUDIENCE,
  Browser,
  claimsOf,
  CLIENT,
  jwt,
  startTestProvider,
  type Page,
  type TestProvider,
} from '../support/oidc.ts';
import { TEST_KEY } from '../support/signing.ts';
import { freePort } from '../support/temporal.ts';

const legal = { groups: ['lawyers'], preferred_username: 'lena', email: 'lena@example.org', email_verified: true };

describe('signing in with an identity provider', () => {
  let provider: TestProvider;
  let console: TestConsole;
  let settings: OidcSettings;
  before(async () => {
    const port = await freePort();
    provider = await startTestProvider(`http://127.0.0.1:${port}/sign-in/callback`);
    settings = {
      issuer: provider.issuer,
      clientId: CLIENT.id,
      clientSecret: CLIENT.secret,
      nameClaim: 'preferred_username',
      groupsClaim: 'groups',
      scope: 'openid profile email',
      groups: {
        lawyers: { roles: ['legal'], scopes: ['runs:read', 'approvals:read', 'approvals:decide'] },
        readers: { roles: [], scopes: ['runs:read', 'approvals:read'] },
      },
      audience: AUDIENCE,
      sessionSeconds: 3600,
    };
    console = await startTestConsole({ oidc: settings, demoUsers: ['omar'], trustedProxies: '127.0.0.1' }, port);
  });
  after(async () => {
    await console.stop();
    await provider.stop();
  });
  beforeEach(() => {
    provider.tamper = undefined;
    provider.accounts.clear();
    provider.accounts.set('1001', legal).set('1002', { groups: ['readers'], preferred_username: 'rita' });
    provider.accounts.set('1003', { groups: ['cooks'], preferred_username: 'karl' });
  });

  const at = (path: string): URL => new URL(path, console.url);
  const signedIn = async (subject = '1001', path = '/approvals'): Promise<{ browser: Browser; page: Page }> => {
    const browser = new Browser();
    return { browser, page: await browser.signIn(at(path), subject) };
  };
  /** Up to the point where the provider sends the browser back, which it then does not do. */
  const almost = async (browser: Browser, subject = '1001'): Promise<URL> => {
    const back = await browser.signIn(at('/sign-in'), subject, /\/sign-in\/callback/);
    assert.match(back.url.pathname, /callback/);
    return back.url;
  };
  const waiting = async (): Promise<string> => {
    const runId = await console.start();
    await console.until(runId, ({ approvals }) => approvals[0]?.state === 'open');
    return runId;
  };
  const csrfOf = ({ text }: Page): string => /name="csrf" value="([^"]+)"/.exec(text)?.[1] ?? '';
  const evidenceOf = ({ text }: Page): string => /name="evidence" value="([^"]+)"/.exec(text)?.[1] ?? '';

  it('leads from a decision to the provider and back to it, and counts the vote as the name that the provider gives', async () => {
    const runId = await waiting();
    const { browser, page } = await signedIn('1001', `/approvals/${runId}/review`);
    assert.equal(page.status, 200, page.text);
    assert.equal(page.url.pathname, `/approvals/${runId}/review`);
    const asked = browser.visited.find(({ pathname }) => pathname === '/auth')?.searchParams;
    assert.deepEqual(
      ['response_type', 'code_challenge_method', 'client_id'].map((name) => asked?.get(name)),
      ['code', 'S256', CLIENT.id],
    );
    for (const name of ['state', 'nonce', 'code_challenge']) assert.ok((asked?.get(name) ?? '').length >= 43, name);
    assert.match(page.text, /as <strong>lena<\/strong>/);
    const form = { decision: 'approve', comment: 'by the page', csrf: csrfOf(page), evidence: evidenceOf(page) };
    const report = await browser.open(at(`/approvals/${runId}/review/report`));
    assert.equal(report.status, 200);
    const voted = await browser.open(page.url, form);
    assert.match(voted.text, /<strong>Approved<\/strong> by lena \(legal\)/);
    assert.equal((await browser.open(page.url, { ...form, decision: 'reject' })).status, 409);
    const { approvals } = await console.until(runId, () => true);
    const { record } = approvals[0] ?? {};
    assert.deepEqual([record?.approver, record?.comment], ['lena', 'by the page']);
    const signed = openVote(await console.store.store.getJson(record?.statement ?? digestBytes('')), TEST_KEY.trusted);
    assert.deepEqual(
      [signed.value?.roles, signed.value?.authentication],
      [['legal'], { method: 'oidc', issuer: provider.issuer, subject: '1001' }],
    );
    const told: string[] = [];
    for await (const { event } of console.store.audit.entries()) {
      if ('run' in event && event.run === runId) told.push(summariseEvent(event));
    }
    assert.match(told[0] ?? '', /^lena: approve review of \S+ \(oidc\)$/);
    assert.match(told[2] ?? '', /^lena: reject review of \S+ did not count: .* is closed: approved by lena/);
    assert.equal(told.length, 3);
  });

  it('keeps the session in a cookie that no script and no other site can use, and that says nothing', async () => {
    const { browser } = await signedIn();
    const jar = browser.cookies.get(at('/').host);
    assert.deepEqual([...(jar?.keys() ?? [])], ['espalier-session'], 'the cookie of the sign-in is gone');
    const back = await almost(new Browser());
    assert.equal(new URL(back).origin, at('/').origin);
    const line = async (url: URL, cookie: string): Promise<string[]> =>
      (await fetch(url, { redirect: 'manual', headers: { cookie } })).headers.getSetCookie();
    const [first = ''] = await line(at('/sign-in'), '');
    assert.match(first, /^espalier-sign-in=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=600$/);
    const session = jar?.get('espalier-session') ?? '';
    assert.match(session, /^[\w-]{43}$/);
    for (const cookie of [
      '',
      `espalier-session=${session.slice(0, -1)}_`,
      `espalier-session=${session}; espalier-session=x`,
    ]) {
      const { status } = await fetch(at('/approvals'), { redirect: 'manual', headers: { cookie } });
      assert.equal(status, 303, 'to the sign-in');
    }
  });

  it('ends with signing out: the cookie opens nothing afterwards, also where it was copied', async () => {
    const { browser, page } = await signedIn();
    const cookie = browser.cookieHeader(at('/'));
    const get = () => fetch(at('/approvals'), { redirect: 'manual', headers: { cookie } });
    assert.equal((await get()).status, 200);
    assert.equal((await browser.open(at('/sign-out'), { csrf: 'guessed' })).status, 403);
    assert.equal((await get()).status, 200);
    const out = await browser.open(at('/sign-out'), { csrf: csrfOf(page) });
    assert.match(out.text, /Signed out/);
    assert.equal(browser.cookieHeader(at('/')), '');
    assert.equal((await get()).status, 303);
  });

  it('refuses a form without the session’s token, also another session’s, and a vote without a session', async () => {
    const runId = await waiting();
    const [{ browser, page }, other] = [await signedIn('1001', `/approvals/${runId}/review`), await signedIn('1002')];
    const form = { decision: 'approve', comment: '', evidence: evidenceOf(page) };
    for (const csrf of ['', csrfOf(other.page), `${csrfOf(page)}x`]) {
      assert.equal((await browser.open(page.url, { ...form, csrf })).status, 403);
    }
    assert.equal((await browser.open(page.url, form)).status, 403);
    const nobody = await new Browser().open(page.url, { ...form, csrf: csrfOf(page) });
    assert.equal(nobody.status, 401);
    const reader = await other.browser.open(page.url, { ...form, csrf: csrfOf(other.page) });
    assert.equal(reader.status, 403);
    assert.match(reader.text, /approvals:decide/);
    assert.equal((await console.until(runId, () => true)).approvals[0]?.state, 'open');
  });

  it('lets a session call the API, and change something only with its CSRF token in a header', async () => {
    const { browser, page } = await signedIn();
    const cookie = browser.cookieHeader(at('/'));
    const call = (route: string, headers = {}) =>
      console.call<Problem>(route, {
        token: null,
        headers: { cookie, ...headers },
        ...(route.startsWith('POST') ? { body: {} } : {}),
      });
    assert.equal((await call('GET /v1/runs')).status, 200);
    assert.equal((await call('GET /v1/models')).status, 403, 'not among what the group opens');
    const link = 'POST /v1/runs/x/approvals/review/link';
    assert.match((await call(link)).body.detail, /CSRF/);
    assert.equal((await call(link, { 'x-csrf-token': 'x' })).status, 403);
    assert.equal((await call(link, { 'x-csrf-token': csrfOf(page) })).status, 404);
  });

  it('lets who has their roles from the provider delegate one that they hold now, and end it again', async () => {
    provider.accounts.set('1001', { ...legal, preferred_username: 'ida' });
    const runs = await Promise.all(
      [1, 2].map(() => console.start('waits', [{ name: 'ida', roles: [], rolesFrom: 'oidc' }])),
    );
    const { browser, page } = await signedIn();
    const headers = { cookie: browser.cookieHeader(at('/')), 'x-csrf-token': csrfOf(page) };
    const ask = (role: string) =>
      console.call<Problem & { id: string; roleFrom?: string }>('POST /v1/delegations', {
        token: null,
        headers,
        body: { to: 'omar', role, endsAt: new Date(Date.now() + 3_600_000).toISOString() },
      });
    const foreign = await ask('risk');
    assert.deepEqual([foreign.status, foreign.body.kind], [422, 'ApprovalRefused'], foreign.text);
    assert.match(foreign.body.detail, /'ida' holds legal/);
    const given = await ask('legal');
    assert.deepEqual([given.status, given.body.roleFrom], [201, 'oidc'], given.text);
    const omar = await console.token('omar');
    const votes = async (runId = ''): Promise<number> => {
      const run = await console.until(runId, ({ approvals }) => approvals[0]?.state === 'open');
      const evidenceDigest = run.approvals[0]?.evidence?.digest;
      const body = { decision: 'approve', evidenceDigest, onBehalfOf: 'ida' };
      return (await console.call(`POST /v1/runs/${runId}/approvals/review/decision`, { token: omar, body })).status;
    };
    assert.equal(await votes(runs[0]), 200);
    const revoked = await console.call(`DELETE /v1/delegations/${given.body.id}`, { token: null, headers });
    assert.equal(revoked.status, 200, revoked.text);
    assert.equal(await votes(runs[1]), 422);
  });

  it('asks the provider anew at every page and vote: a group that was taken away opens nothing any more', async () => {
    const runId = await waiting();
    const { browser, page } = await signedIn('1001', `/approvals/${runId}/review`);
    const form = { decision: 'approve', comment: '', csrf: csrfOf(page), evidence: evidenceOf(page) };
    const cookie = browser.cookieHeader(at('/'));
    const list = () => console.call('GET /v1/runs', { token: null, headers: { cookie } });
    assert.equal((await list()).status, 200);
    for (const groups of [[], undefined, ['cooks'], { lawyers: true }, [['lawyers']]]) {
      provider.accounts.set('1001', { ...legal, groups });
      assert.equal((await browser.open(page.url, form)).status, 403, JSON.stringify(groups));
      assert.equal((await list()).status, 403);
    }
    provider.accounts.set('1001', { ...legal, groups: 'readers' });
    assert.equal((await browser.open(page.url, form)).status, 403);
    assert.equal((await list()).status, 200);
    provider.accounts.set('1001', { ...legal, preferred_username: 'omar' });
    assert.equal((await browser.open(page.url, form)).status, 401, 'a changed name is another person');
    provider.accounts.delete('1001');
    assert.equal((await browser.open(page.url, form)).status, 401);
    assert.equal((await console.until(runId, () => true)).approvals[0]?.state, 'open');
  });

  it('lets nobody in whose groups open nothing', async () => {
    const { page, browser } = await signedIn('1003');
    assert.deepEqual([page.status, /no group of &#39;karl&#39; opens anything/.test(page.text)], [403, true]);
    assert.equal(browser.cookieHeader(at('/')), '');
  });

  it('refuses an answer that this browser has not asked for: another state, none begun, another’s, twice the same', async () => {
    const victim = new Browser();
    await victim.open(at('/sign-in'), undefined, /\/auth/);
    const attackers = new Browser();
    const back = await almost(attackers);
    const planted = await victim.open(back);
    assert.deepEqual(
      [planted.status, /sign-in did not hold/.test(planted.text)],
      [401, true],
      'no login by another’s code',
    );
    assert.equal((await victim.open(back)).status, 401);
    assert.equal((await new Browser().open(back)).status, 401);
    const changed = new URL(back);
    changed.searchParams.set('state', 'x'.repeat(43));
    const jar = new Browser();
    const own = await almost(jar);
    changed.searchParams.set('code', own.searchParams.get('code') ?? '');
    assert.match((await jar.open(changed)).text, /sign-in did not hold/);
    assert.equal((await jar.open(own)).status, 401, 'a sign-in that failed is over');
    assert.equal(jar.cookieHeader(at('/')), '');
  });

  it('refuses a code a second time, and one that another browser’s verifier does not fit', async () => {
    const browser = new Browser();
    const back = await almost(browser);
    const [cookie] = [browser.cookieHeader(at('/'))];
    const done = await fetch(back, { redirect: 'manual', headers: { cookie } });
    assert.equal(done.status, 303);
    assert.equal((await fetch(back, { redirect: 'manual', headers: { cookie } })).status, 401, 'the same answer again');
    // A sign-in of its own, but with the code that was used: the provider refuses it, and ends what it gave for it.
    const second = new Browser();
    const own = await almost(second);
    own.searchParams.set('code', back.searchParams.get('code') ?? '');
    const replayed = await second.open(own);
    assert.deepEqual([replayed.status, /sign-in did not hold/.test(replayed.text)], [401, true]);
    const stolen = await almost(new Browser());
    const thief = new Browser();
    const mine = await almost(thief);
    mine.searchParams.set('code', stolen.searchParams.get('code') ?? '');
    assert.equal((await thief.open(mine)).status, 401, 'PKCE: the code is the other browser’s');
  });

  const { privateKey: strange } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const now = (): number => Math.floor(Date.now() / 1000);
  const idTokens: readonly (readonly [string, (token: string) => string])[] = [
    ['signed by a strange key', (token) => jwt({ alg: 'RS256', kid: 'key-of-the-tests' }, claimsOf(token), strange)],
    ['with its claims changed', (token) => changedClaims(token, { sub: '1002' })],
    ['with no signature', (token) => unsigned(claimsOf(token))],
    ['for another client', (token) => provider.signed({ ...claimsOf(token), aud: 'other' })],
    ['by another issuer', (token) => provider.signed({ ...claimsOf(token), iss: 'http://127.0.0.1:1' })],
    ['that has expired', (token) => provider.signed({ ...claimsOf(token), iat: now() - 7200, exp: now() - 3600 })],
    ['with another nonce', (token) => provider.signed({ ...claimsOf(token), nonce: 'other' })],
    ['without a nonce', (token) => provider.signed({ ...claimsOf(token), nonce: undefined })],
    ['of another person than the access token', (token) => provider.signed({ ...claimsOf(token), sub: '1002' })],
  ];
  for (const [what, tamper] of idTokens) {
    it(`refuses an ID token ${what}`, async () => {
      provider.tamper = tamper;
      const { page, browser } = await signedIn();
      assert.deepEqual([page.status, /sign-in did not hold/.test(page.text)], [401, true], page.text);
      assert.equal(browser.cookieHeader(at('/')), '');
    });
  }

  it('leads back only to its own pages', async () => {
    const { browser } = await signedIn();
    for (const wanted of [
      'https://evil.example/approvals',
      '//evil.example/approvals',
      '/\\evil.example',
      '/v1/runs',
      '/sign-out',
      'javascript:x',
    ]) {
      const page = await browser.open(at(`/sign-in?${new URLSearchParams({ return: wanted }).toString()}`));
      assert.deepEqual([page.url.href, page.status], [at('/approvals').href, 200], wanted);
    }
  });

  describe('by a token of the provider at the API', () => {
    const get = (token: string, route = 'GET /v1/runs') =>
      console.call<Problem>(route, { token, headers: anAddress() });

    it('opens what the groups open', async () => {
      const token = await provider.accessToken('1001');
      assert.equal(claimsOf(token)['aud'], AUDIENCE);
      assert.equal((await get(token)).status, 200);
      assert.equal((await get(token, 'GET /v1/models')).status, 403);
      const runId = await waiting();
      const { body: shown } = await console.call<{ evidence: { digest: string } }>(
        `GET /v1/runs/${runId}/approvals/review`,
        { token },
      );
      const body = { decision: 'approve', comment: '', evidenceDigest: shown.evidence.digest };
      const voted = await console.call<{ approver: string }>(`POST /v1/runs/${runId}/approvals/review/decision`, {
        token,
        body,
      });
      assert.deepEqual([voted.status, voted.body.approver], [200, 'lena']);
    });

    it('is refused for another audience, once it is over, forged, or of another kind', async () => {
      const good = claimsOf(await provider.accessToken('1001'));
      assert.equal((await get(provider.signed(good))).status, 200);
      const pem = provider.publicKey.export({ type: 'spki', format: 'pem' });
      const bad: readonly (readonly [string, string, RegExp])[] = [
        ['another audience', await provider.accessToken('1001', 'https://other.example/'), /for another audience/],
        ['no audience', provider.signed({ ...good, aud: undefined }), /no valid token/],
        ['over', provider.signed({ ...good, exp: now() - 31 }), /has expired/],
        ['no end', provider.signed({ ...good, exp: undefined }), /no valid token/],
        ['not yet', provider.signed({ ...good, nbf: now() + 60 }), /not valid yet/],
        ['another issuer', provider.signed({ ...good, iss: 'https://other.example' }), /another issuer/],
        ['a strange key', jwt({ alg: 'RS256', kid: 'key-of-the-tests' }, good, strange), /no valid token/],
        ['an unknown key', provider.signed(good, { kid: 'other' }), /no valid token/],
        ['changed claims', changedClaims(provider.signed(good), { sub: '1002' }), /no valid token/],
        ['no signature', unsigned(good), /no valid token/],
        ['an HMAC by the public key', hmac(good, String(pem)), /no valid token/],
        ['another algorithm’s name', provider.signed(good, { alg: 'ES256' }), /no valid token/],
        ['a logout token', provider.signed(good, { typ: 'logout+jwt' }), /no valid token/],
        [
          'an extension that must be understood',
          provider.signed(good, { crit: ['b64'], b64: false }),
          /no valid token/,
        ],
        ['rubbish', 'a.b.c', /no valid token/],
        ['a huge one', provider.signed({ ...good, more: 'x'.repeat(9_000) }), /no valid token/],
      ];
      for (const [what, token, detail] of bad) {
        const { status, body } = await get(token);
        assert.equal(status, 401, what);
        assert.match(body.detail, detail, what);
        assert.ok(!JSON.stringify(body).includes(token));
      }
    });

    it('is refused where no audience is set, and an ID token wherever the audience is not the client', async () => {
      const { audience: _, ...oidc } = settings;
      const plain = await startTestConsole({ oidc });
      try {
        assert.equal((await plain.call('GET /v1/runs', { token: await provider.accessToken('1001') })).status, 401);
      } finally {
        await plain.stop();
      }
      let idToken = '';
      provider.tamper = (token) => (idToken = token);
      await signedIn();
      assert.match((await get(idToken)).body.detail, /for another audience/);
    });
  });

  it('sets its cookies for TLS where people reach it by TLS', async () => {
    const publicUrl = 'https://console.example';
    const behind = await startTestConsole({ demoUsers: ['omar'], publicUrl });
    try {
      const link = signInUrl(behind.url, { user: 'omar', expires: now() + 60 }, behind.linkKey);
      const [cookie = ''] = (await fetch(link, { redirect: 'manual' })).headers.getSetCookie();
      assert.match(cookie, /^__Host-espalier-session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=\d+; Secure$/);
      const get = (name: string): Promise<Response> =>
        fetch(new URL('/approvals', behind.url), { headers: { cookie: cookie.replace(/^[^=]+/, name) } });
      assert.deepEqual(
        [(await get('__Host-espalier-session')).status, (await get('espalier-session')).status],
        [200, 401],
      );
    } finally {
      await behind.stop();
    }
  });

  it('lets demo users in by a link of this console, and nobody by another’s or for another name', async () => {
    const expires = Math.floor(Date.now() / 1000) + 60;
    const open = async (link: { user: string; expires: number }, key = console.linkKey): Promise<Page> =>
      new Browser().open(signInUrl(console.url, link, key));
    const shown = await open({ user: 'omar', expires });
    assert.deepEqual([shown.status, /Signed in as <strong>omar<\/strong>/.test(shown.text)], [200, true], shown.text);
    for (const refused of [
      await open({ user: 'omar', expires }, 'x'.repeat(32)),
      await open({ user: 'lena', expires }),
      await open({ user: 'omar', expires: expires - 61 }),
      await new Browser().open(
        signInUrl(console.url, { user: 'omar', expires }, console.linkKey).replace('omar', 'lena'),
      ),
    ]) {
      assert.equal(refused.status, 403);
    }
  });
});

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function changedClaims(token: string, change: object): string {
  const [head, , signature] = token.split('.');
  return [head, part({ ...claimsOf(token), ...change }), signature].join('.');
}

function unsigned(claims: object): string {
  return `${part({ alg: 'none', typ: 'JWT' })}.${part(claims)}.AA`;
}

function hmac(claims: object, key: string): string {
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
}
