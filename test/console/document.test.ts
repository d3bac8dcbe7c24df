import assert from 'node:assert/strict';
import { Ajv2020 } from 'ajv/dist/2020.js';
import * as fc from 'fast-check';
import type { Problem } from '../../console/problems.ts';
import { startTestConsole, type OpenApi, type TestConsole } from '../support/console.ts';

describe('the console', function () {
  this.timeout(120_000);
  let console: TestConsole;
  before(async () => {
    console = await startTestConsole();
  });
  after(() => console.stop());

  it('tells its API as OpenAPI 3.1: every route, every parameter of a path, schemas that compile, nothing dangling', async () => {
    const { status, body: document } = await console.call<OpenApi>('GET /openapi.json', { token: null });
    assert.equal(status, 200);
    assert.equal(document.openapi, '3.1.0');
    assert.deepEqual(document.security, [{ token: [] }]);
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ route: `${method} ${path}`, path, operation })),
    );
    assert.deepEqual(operations.map(({ route }) => route).toSorted(), [
      'delete /v1/delegations/{id}',
      'get /decide/{run}/{approval}',
      'get /decide/{run}/{approval}/report',
      'get /health',
      'get /openapi.json',
      'get /v1/approvals',
      'get /v1/delegations',
      'get /v1/models',
      'get /v1/models/{model}',
      'get /v1/runs',
      'get /v1/runs/{run}',
      'get /v1/runs/{run}/approvals/{approval}',
      'get /v1/runs/{run}/approvals/{approval}/evidence/{file}',
      'get /v1/runs/{run}/steps/{step}/explain',
      'post /decide/{run}/{approval}',
      'post /v1/delegations',
      'post /v1/runs',
      'post /v1/runs/{run}/approvals/{approval}/decision',
      'post /v1/runs/{run}/approvals/{approval}/link',
      'post /v1/runs/{run}/cancel',
      'post /v1/runs/{run}/steps/{step}/resolve',
    ]);
    const ids = operations.map(({ operation }) => operation.operationId);
    assert.equal(new Set(ids).size, ids.length);
    for (const { route, path, operation } of operations) {
      const named = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
      const declared = (operation.parameters ?? []).filter((one) => one.in === 'path');
      assert.deepEqual(new Set(declared.map(({ name }) => name)), new Set(named), route);
      assert.ok(
        declared.every(({ required }) => required === true),
        route,
      );
      assert.ok(Object.keys(operation.responses).length > 0, route);
    }
    const text = JSON.stringify(document);
    for (const [, name = ''] of text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)) {
      assert.ok(name in document.components.schemas, name);
    }
    assert.equal(text.match(/"\$ref"/g)?.length, text.match(/"\$ref":"#\/components\/schemas\//g)?.length);
    assert.doesNotMatch(text, /"readOnly"|Input"/);
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    ajv.addSchema(document, 'document');
    for (const name of Object.keys(document.components.schemas)) {
      assert.ok(ajv.getSchema(`document#/components/schemas/${name}`), name);
    }
  });

  it('answers any body at all with 4xx, never 5xx, and does nothing', async () => {
    const routes = [
      'POST /v1/runs',
      'POST /v1/runs/no-such-run/cancel',
      'POST /v1/runs/no-such-run/steps/train/resolve',
      'POST /v1/runs/no-such-run/approvals/review/decision',
      'POST /v1/runs/no-such-run/approvals/review/link',
    ];
    const word = fc.constantFrom(
      'pipeline',
      'settings',
      'action',
      'retry',
      'decision',
      'approve',
      'evidenceDigest',
      '__proto__',
    );
    const text = fc.oneof(fc.string({ unit: 'binary' }), word, fc.constant(`sha256:${'0'.repeat(64)}`));
    const body = fc.oneof(
      fc.json(),
      fc.string({ unit: 'binary' }),
      fc.dictionary(word, fc.oneof(text, fc.jsonValue())).map((value) => JSON.stringify(value)),
      fc.constant(
        `{"pipeline":"orchestration-test","settings":{"gates.x":${'['.repeat(20_000)}${']'.repeat(20_000)}}}`,
      ),
      fc.constant('{"action":"retry","settings":{"__proto__":{"x":1},"training.constructor.prototype":1}}'),
    );
    const headers = { 'content-type': 'application/json' };
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...routes), body, async (route, sent) => {
        const { status, body: problem } = await console.call<Problem>(route, { body: sent, headers });
        assert.ok(status >= 400 && status < 500, `${route} answered ${status} to ${sent.slice(0, 200)}`);
        assert.equal(problem.status, status);
      }),
      { numRuns: 100 },
    );
    assert.deepEqual(console.broken, []);
  });

  it('answers any path and query at all with 4xx or 2xx, never 5xx', async () => {
    const part = fc
      .oneof(
        fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }),
        fc.constantFrom('..', '%00', "' OR 1=1", '\\', 'x'.repeat(600)),
      )
      .filter((one) => one.isWellFormed())
      .map(encodeURIComponent);
    const shape = fc.constantFrom<(one: string) => string>(
      (one) => `/v1/runs/${one}`,
      (one) => `/v1/runs?pipeline=${one}`,
      (one) => `/v1/runs?limit=${one}`,
      (one) => `/v1/runs/x/steps/${one}/explain`,
      (one) => `/v1/runs/x/approvals/${one}`,
      (one) => `/v1/models/${one}`,
      (one) => `/v1/models/m?channel=${one}`,
      (one) => `/decide/x/review?${one}`,
      (one) => `/${one}`,
    );
    await fc.assert(
      fc.asyncProperty(shape, part, async (make, one) => {
        const { status } = await console.call(`GET ${make(one)}`);
        assert.ok(status < 500, `GET ${make(one)} answered ${status}`);
      }),
      { numRuns: 100 },
    );
    assert.deepEqual(console.broken, []);
  });
});
