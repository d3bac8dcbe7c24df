import assert from 'node:assert/strict';
import { authenticate, createToken, listTokens, revokeToken, type Token } from '../../client/tokens.ts';
import { withStore, type TestStore } from '../support/store.ts';

describe('an API token', function () {
  let stored: TestStore;
  before(async () => {
    stored = await withStore();
  });

  const make = (changes: Partial<Token> = {}): ReturnType<typeof createToken> =>
    createToken(stored.pointers, {
      user: 'lena',
      scopes: ['runs:read'],
      createdBy: 'root',
      expiresAt: '2099-01-01T00:00:00.000Z',
      ...changes,
    });

  it('is known by its secret, of which the store keeps a hash only', async () => {
    const { token, text } = await make();
    assert.match(text, /^esp_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/);
    assert.deepEqual(await authenticate(stored.pointers, text), token);
    const secret = text.split('_').slice(2).join('_');
    const kept = await stored.objects.getBytes(`tokens/${token.id}`);
    assert.ok(kept);
    assert.doesNotMatch(kept.bytes.toString(), new RegExp(`${secret}|${text}`));
    assert.match(kept.bytes.toString(), /"secretSha256":"[0-9a-f]{64}"/);
    const shown = JSON.stringify(await listTokens(stored.pointers));
    assert.ok(shown.includes(token.id) && !/sha256/i.test(shown), 'a list holds no hash either');
  });

  it('opens nothing once it is revoked or over, and says so only to who knows the secret', async () => {
    const { token, text } = await make({ expiresAt: '2026-01-02T00:00:00.000Z' });
    const at = (iso: string): Promise<Token> => authenticate(stored.pointers, text, new Date(iso));
    assert.equal((await at('2026-01-01T23:59:59.999Z')).id, token.id);
    await assert.rejects(at('2026-01-02T00:00:00.000Z'), /expired at 2026-01-02/);
    const [first, second] = await Promise.all([
      revokeToken(stored.pointers, token.id, 'root'),
      revokeToken(stored.pointers, token.id, 'root'),
    ]);
    assert.notEqual(first.revokedAt, null);
    assert.equal(first.revokedAt, second.revokedAt, 'the first one stands');
    await assert.rejects(at('2026-01-01T00:00:00.000Z'), /was revoked at/);
    const guess = `esp_${token.id}_${'A'.repeat(43)}`;
    await assert.rejects(authenticate(stored.pointers, guess), /this is no valid API token/);
    await assert.rejects(revokeToken(stored.pointers, '../registry', 'root'), /there is no token/);
  });
});
