import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCookie, setCookie } from '../../console/cookies.ts';
import { personOf } from '../../console/oidc/person.ts';
import { readOidcSettings, type OidcSettings } from '../../console/oidc/settings.ts';
import { isCsrfOf, Kept, newCsrf } from '../../console/sessions.ts';

describe("the console's cookies", () => {
  it('are for this host alone and over TLS wherever there is TLS', () => {
    assert.equal(
      setCookie('espalier-session', 'v', 60, true),
      '__Host-espalier-session=v; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure',
    );
    assert.doesNotMatch(setCookie('espalier-session', 'v', 60, false), /Secure|__Host/);
    assert.equal(readCookie('a=1; __Host-espalier-session=v', 'espalier-session', true), 'v');
    // Planted by a neighbour without TLS, who cannot make one with the prefix.
    assert.equal(readCookie('espalier-session=planted', 'espalier-session', true), undefined);
    assert.equal(readCookie('espalier-session=a; espalier-session=b', 'espalier-session', false), undefined);
    assert.equal(readCookie('xespalier-session=a', 'espalier-session', false), undefined);
    assert.equal(readCookie(undefined, 'espalier-session', false), undefined);
  });
});

describe('a session', () => {
  it('ends by the clock, is taken once, and gives way to newer ones when there are too many', () => {
    let now = 0;
    const kept = new Kept<number>(() => now);
    const first = kept.put(1, 60);
    assert.match(first, /^[\w-]{43}$/);
    now = 59_999;
    assert.equal(kept.get(first), 1);
    now = 60_000;
    assert.equal(kept.get(first), undefined);
    const second = kept.put(2, 60);
    assert.deepEqual([kept.take(second), kept.take(second)], [2, undefined]);
    const names = Array.from({ length: 10_001 }, (_, index) => kept.put(index, 60));
    assert.deepEqual([kept.get(names[0]), kept.get(names[1]), kept.get(undefined)], [undefined, 1, undefined]);
  });

  it('knows its own CSRF token from every other text', () => {
    const csrf = newCsrf();
    const session = { caller: { user: 'x', authentication: { method: 'signed-link' } }, scopes: [], csrf } as const;
    assert.equal(isCsrfOf(session, csrf), true);
    for (const other of ['', undefined, [csrf], `${csrf} `, newCsrf()]) assert.equal(isCsrfOf(session, other), false);
  });
});

describe('the settings of an identity provider', () => {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-oidc-'));
  after(() => rmSync(folder, { recursive: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const good = { ESPALIER_OIDC_ISSUER: 'https://id.example.org', ESPALIER_OIDC_CLIENT_ID: 'espalier' };

  it('are none where none is named, and otherwise whole', () => {
    assert.equal(readOidcSettings({ ESPALIER_OIDC_ISSUER: '', PATH: 'x' }), undefined);
    assert.deepEqual(readOidcSettings(good), {
      issuer: 'https://id.example.org',
      clientId: 'espalier',
      nameClaim: 'sub',
      groupsClaim: 'groups',
      scope: 'openid profile email',
      sessionSeconds: 3600,
    });
    const groups = file('groups.json', '{"lawyers": {"roles": ["legal"], "scopes": ["approvals:decide"]}}');
    const secret = file('secret', 'from a file\n');
    const settings = readOidcSettings({
      ...good,
      ESPALIER_OIDC_GROUPS: groups,
      ESPALIER_OIDC_CLIENT_SECRET_FILE: secret,
      ESPALIER_OIDC_SESSION: '30m',
    });
    assert.deepEqual([settings?.clientSecret, settings?.sessionSeconds], ['from a file', 1800]);
    assert.deepEqual(settings?.groups?.['lawyers'], { roles: ['legal'], scopes: ['approvals:decide'] });
  });

  const wrong: readonly (readonly [string, () => Readonly<Record<string, string>>, RegExp])[] = [
    [
      'an issuer over plain HTTP',
      () => ({ ESPALIER_OIDC_ISSUER: 'http://id.example.org' }),
      /ISSUER: must be an https URL/,
    ],
    ['no client', () => ({ ESPALIER_OIDC_CLIENT_ID: '' }), /CLIENT_ID: is missing/],
    [
      'a misspelt name',
      () => ({ ESPALIER_OIDC_GROUP_CLAIM: 'x' }),
      /ESPALIER_OIDC_GROUP_CLAIM: there is no such setting/,
    ],
    ['a scope without openid', () => ({ ESPALIER_OIDC_SCOPE: 'email' }), /SCOPE: must contain 'openid'/],
    ['a session of a week', () => ({ ESPALIER_OIDC_SESSION: '7d' }), /SESSION: is longer than a day/],
    ['two secrets', () => ({ ESPALIER_OIDC_CLIENT_SECRET: 'hush', ESPALIER_OIDC_CLIENT_SECRET_FILE: 'x' }), /both set/],
    ['a file that is not there', () => ({ ESPALIER_OIDC_CLIENT_SECRET_FILE: '/no/file' }), /cannot be read \(ENOENT\)/],
    [
      'groups with an unknown scope',
      () => ({ ESPALIER_OIDC_GROUPS: file('a', '{"x": {"scopes": ["all"]}}') }),
      /GROUPS/,
    ],
    ['groups that are no JSON', () => ({ ESPALIER_OIDC_GROUPS: file('b', 'x: 1') }), /is not JSON/],
  ];
  for (const [what, change, message] of wrong) {
    it(`are refused for ${what}, without a secret in the message`, () => {
      assert.throws(
        () => readOidcSettings({ ...good, ...change() }),
        (error: Error & { kind?: string }) => {
          assert.match(error.message, message);
          return error.kind === 'BadConfig' && !error.message.includes('hush');
        },
      );
    });
  }

  it('make of claims a person with the roles of their groups, and of nothing else', () => {
    const settings: OidcSettings = {
      issuer: 'https://id.example.org',
      clientId: 'espalier',
      nameClaim: 'email',
      groupsClaim: 'groups',
      scope: 'openid',
      groups: { a: { roles: ['legal', 'x'], scopes: ['runs:read'] }, b: { roles: ['x'], scopes: [] } },
      sessionSeconds: 60,
    };
    const claims = { sub: '1', email: 'lena@example.org', email_verified: true, groups: ['b', 'a', 'c'] };
    const { user, roles, scopes } = personOf(claims, settings);
    assert.deepEqual(
      { user, roles, scopes },
      { user: 'lena@example.org', roles: ['legal', 'x'], scopes: ['runs:read'] },
    );
    for (const change of [
      { email_verified: false },
      { email_verified: 'true' },
      { email: ' ' },
      { email: 'x'.repeat(201) },
      { sub: '' },
      { groups: ['constructor'] },
      { groups: [['a']] },
      { groups: { a: 1 } },
    ]) {
      assert.throws(() => personOf({ ...claims, ...change }, settings), { kind: 'Forbidden' }, JSON.stringify(change));
    }
    const { groups: _, ...open } = settings;
    assert.deepEqual(personOf(claims, open).roles, ['a', 'b', 'c']);
    assert.ok(!personOf(claims, open).scopes.includes('runs:write'));
  });
});
