import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { revokeToken, SCOPES } from '../../client/tokens.ts';
import { Failures } from '../../console/failures.ts';
import type { Problem } from '../../console/problems.ts';
import { startTestConsole, type OpenApi, type TestConsole } from '../support/console.ts';

/** What a token of each scope opens; everything else is refused with it. */
const ROUTES = {
  'runs:read': ['GET /v1/runs', 'GET /v1/runs/x', 'GET /v1/runs/x/steps/y/explain'],
  'runs:write': ['POST /v1/runs', 'POST /v1/runs/x/cancel', 'POST /v1/runs/x/steps/y/resolve'],
  'approvals:read': [
    'GET /v1/approvals',
    'GET /v1/runs/x/approvals/review',
    'GET /v1/runs/x/approvals/review/evidence/y',
    'GET /v1/delegations',
  ],
  'approvals:decide': [
    'POST /v1/runs/x/approvals/review/decision',
    'POST /v1/runs/x/approvals/review/link',
    'POST /v1/delegations',
    'DELETE /v1/delegations/x',
  ],
  'models:read': ['GET /v1/models', 'GET /v1/models/x'],
} as const;

describe('who calls the console', () => {
  let console: TestConsole;
  before(async () => {
    console = await startTestConsole();
  });
  after(() => console.stop());

  const problem = (route: string, token: string | null) => console.call<Problem>(route, { token });

  it('has no route without a token but health, the document and signed links', async () => {
    const document = await console.call<OpenApi>('GET /openapi.json', { token: null });
    const open = Object.entries(document.body.paths).flatMap(([path, operations]) =>
      Object.entries(operations)
        .filter(([, { security }]) => security?.length === 0)
        .map(([method]) => `${method} ${path}`),
    );
    assert.deepEqual(open.toSorted(), [
      'get /decide/{run}/{approval}',
      'get /decide/{run}/{approval}/report',
      'get /health',
      'get /openapi.json',
      'post /decide/{run}/{approval}',
    ]);
    const guarded = Object.entries(document.body.paths).flatMap(([path, operations]) =>
      Object.keys(operations)
        .filter((method) => !open.includes(`${method} ${path}`))
        .map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{[^}]+\}/g, 'x')}`),
    );
    assert.equal(guarded.length, Object.values(ROUTES).flat().length);
    for (const route of guarded) {
      const { status, body, headers } = await problem(route, null);
      assert.deepEqual([status, body.kind, headers.get('www-authenticate')], [401, 'Unauthenticated', 'Bearer'], route);
    }
    assert.equal((await console.call('GET /health', { token: null })).status, 200);
  });

  it('opens to a token what its scopes name, and answers 403 to everything else', async () => {
    for (const scope of SCOPES) {
      const token = await console.token('olga', [scope]);
      for (const [needed, routes] of Object.entries(ROUTES)) {
        for (const route of routes) {
          const { status, body } = await problem(route, token);
          assert.equal(status === 403, needed !== scope, `${route} with ${scope}: ${status}`);
          assert.notEqual(status, 401, route);
          if (status === 403) assert.match(body.detail, new RegExp(`scope ${needed}$`));
        }
      }
    }
  });

  it('refuses a token that is revoked, expired, of another secret, or not one at all', async () => {
    const good = await console.token('olga');
    const [, id = ''] = good.split('_');
    assert.equal((await problem('GET /v1/models', good)).status, 200);
    const expired = await console.token('olga', SCOPES, new Date(Date.now() - 1000).toISOString());
    assert.match((await problem('GET /v1/models', expired)).body.detail, /expired/);
    const other = `esp_${id}_${'A'.repeat(43)}`;
    const unknown = `esp_${'0'.repeat(12)}_${'A'.repeat(43)}`;
    const refusals = new Set<string>();
    for (const token of [expired, other, unknown, 'esp', `${good}x`, good.slice(0, -1), 'x'.repeat(4000)]) {
      const { status, body, text } = await problem('GET /v1/models', token);
      assert.deepEqual([status, body.kind], [401, 'Unauthenticated']);
      assert.ok(token === 'esp' || !text.includes(token), 'a refusal does not repeat the token');
      refusals.add(body.detail);
    }
    assert.equal(refusals.size, 2, 'only who knows the secret learns that it expired');
    await revokeToken(console.store.pointers, id, 'root');
    assert.match((await problem('GET /v1/models', good)).body.detail, /revoked/);
  });

  it('refuses a token that is revoked while requests with it are under way, to every one that begins after', async () => {
    // Of its own: what is refused here must not count against the other tests' address.
    const busy = await startTestConsole();
    const token = await busy.token('olga');
    const [, id = ''] = token.split('_');
    const statuses: { readonly begun: number; readonly status: number }[] = [];
    let revokedAt = Number.POSITIVE_INFINITY;
    const caller = async (): Promise<void> => {
      for (let after = 0; after < 3;) {
        const begun = performance.now();
        if (begun > revokedAt) after++;
        statuses.push({ begun, status: (await busy.call('GET /v1/models', { token })).status });
      }
    };
    const callers = Promise.all(Array.from({ length: 4 }, caller));
    while (!statuses.some(({ status }) => status === 200)) await new Promise((resolve) => setTimeout(resolve, 5));
    await revokeToken(busy.store.pointers, id, 'root');
    revokedAt = performance.now();
    await callers;
    await busy.stop();
    const late = statuses.filter(({ begun }) => begun > revokedAt);
    assert.ok(late.length >= 12);
    // Twelve refusals are not yet too many.
    assert.deepEqual([...new Set(late.map(({ status }) => status))], [401]);
    assert.ok(statuses.every(({ status }) => status === 200 || status === 401));
  });

  it('answers for what it does not have: 404, and 413, 415 and 400 for bodies that are not wanted', async () => {
    for (const route of [
      'GET /',
      'GET /v1',
      'DELETE /v1/runs',
      'GET /v1/runs/x/approvals/other/y',
      'POST /v1/runs/x',
    ]) {
      const { status, body } = await problem(route, null);
      assert.deepEqual([status, body.kind], [404, 'NotFound'], route);
    }
    const post = (body: string, headers = {}) => console.call<Problem>('POST /v1/runs', { body, headers });
    assert.equal((await post(JSON.stringify({ pipeline: 'x'.repeat(70_000) }))).status, 413);
    assert.equal((await post('pipeline=x', { 'content-type': 'text/csv' })).status, 415);
    assert.equal((await post('{')).status, 400);
    const unknown = await post(JSON.stringify({ pipeline: 'orchestration-test', startedBy: 'root' }));
    assert.equal(unknown.status, 400);
    assert.match(unknown.body.detail, /startedBy/);
    assert.equal((await console.call('GET /v1/runs?limit=0')).status, 400);
    assert.equal((await console.call('GET /v1/runs?owner=me')).status, 400);
    assert.equal((await console.call('GET /v1/runs/no-such-run')).status, 404);
    assert.equal((await console.call('GET /v1/models/none')).status, 404);
    assert.deepEqual((await console.call('GET /v1/models')).body, []);
  });

  it('tells nothing of itself when something breaks', async () => {
    const broken = await startTestConsole({ approvers: () => Promise.reject(new Error('secret: /srv/approvers')) });
    try {
      const { status, body, text } = await broken.call<Problem>('POST /v1/runs', {
        body: { pipeline: 'orchestration-test' },
      });
      assert.deepEqual([status, body.kind], [500, 'Internal']);
      assert.doesNotMatch(text, /secret|at .*\.ts/);
      assert.match(String(broken.broken[0]), /secret/, 'the log has it');
    } finally {
      await broken.stop();
    }
  });

  it('counts failures for whom a trusted proxy names, and believes nobody else', async () => {
    const guess = `esp_${'0'.repeat(12)}_${'A'.repeat(43)}`;
    const blocked = async (proxied: TestConsole, address: (turn: number) => string): Promise<boolean> => {
      for (let turn = 0; turn < 22; turn++) {
        const headers = { 'x-forwarded-for': address(turn) };
        if ((await proxied.call('GET /v1/models', { token: guess, headers })).status === 429) return true;
      }
      return false;
    };
    const [trusting, direct] = [await startTestConsole({ trustedProxies: '127.0.0.1' }), await startTestConsole()];
    try {
      assert.equal(await blocked(trusting, () => '192.0.2.1'), true);
      assert.equal(
        (await trusting.call('GET /v1/models', { headers: { 'x-forwarded-for': '192.0.2.2' } })).status,
        200,
      );
      assert.equal(await blocked(direct, (turn) => `192.0.2.${turn}`), true, 'a made-up address is no way around');
    } finally {
      await Promise.all([trusting.stop(), direct.stop()]);
    }
  });

  it('answers an address that failed twenty times in a minute with 429, and survives noise on its port', async () => {
    const address = new URL(console.url);
    await new Promise<void>((resolve) => {
      const socket = connect(Number(address.port), address.hostname, () => socket.end('\u0000\u0001 nonsense\r\n\r\n'));
      socket
        .resume()
        .on('close', () => resolve())
        .on('error', () => resolve());
    });
    const guess = `esp_${'0'.repeat(12)}_${'A'.repeat(43)}`;
    let answer = await problem('GET /v1/models', guess);
    for (let tries = 0; tries < 25 && answer.status === 401; tries++) answer = await problem('GET /v1/models', guess);
    assert.deepEqual([answer.status, answer.body.kind], [429, 'TooManyRequests']);
    assert.equal(answer.headers.get('retry-after'), '60');
    assert.equal((await console.call('GET /health', { token: null })).status, 200);
  });
});

describe('failed authentications', () => {
  it('are forgiven after a minute, and counted for each address by itself', () => {
    let now = 0;
    const failures = new Failures(() => now);
    for (let count = 0; count < 20; count++) {
      failures.check('a');
      failures.add('a');
    }
    assert.throws(() => failures.check('a'), /too many/);
    failures.check('b');
    now = 60_001;
    failures.check('a');
    failures.add('a');
    failures.check('a');
  });
});
