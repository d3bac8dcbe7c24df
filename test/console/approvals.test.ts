import assert from 'node:assert/strict';
import type { ApprovalRecord } from '../../activities/contract/evidence.ts';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import { digestBytes, digestJson } from '../../artifacts/digest.ts';
import type { Digest, TreeEntry } from '../../artifacts/reference.ts';
import type { OpenApproval } from '../../client/approvals.ts';
import { cancelRun } from '../../client/runs.ts';
import type { Problem } from '../../console/problems.ts';
import type { Approver } from '../../workflows/messages.ts';
import { startTestConsole, type Answer, type TestConsole } from '../support/console.ts';

type Shown = OpenApproval & { readonly closed: boolean; readonly evidenceFiles: readonly TreeEntry[] };

describe('approvals over HTTP', function () {
  let console: TestConsole;
  let lena: string;
  let omar: string;
  before(async () => {
    console = await startTestConsole();
    lena = await console.token('lena');
    omar = await console.token('omar');
  });
  after(() => console.stop());

  async function waiting(more: readonly Approver[] = []): Promise<{ runId: string; evidenceDigest: Digest }> {
    const runId = await console.start('waits', more);
    await console.until(runId, ({ approvals }) => approvals[0]?.state === 'open');
    const { body } = await console.call<Shown>(`GET /v1/runs/${runId}/approvals/review`);
    assert.ok(body.evidence);
    return { runId, evidenceDigest: body.evidence.digest };
  }

  const vote = <Body = Problem>(runId: string, token: string, body: object): Promise<Answer<Body>> =>
    console.call<Body>(`POST /v1/runs/${runId}/approvals/review/decision`, { token, body });

  it('lists in pages, each with the way to the next, until nothing is left', async () => {
    const runs = [(await waiting()).runId, (await waiting()).runId];
    const listed: string[] = [];
    for (let path: string | undefined = '/v1/approvals?limit=1'; path !== undefined;) {
      const page: Answer<OpenApproval[]> = await console.call<OpenApproval[]>(`GET ${path}`);
      assert.ok(page.status === 200 && page.body.length <= 1);
      listed.push(...page.body.map(({ runId }) => runId));
      path = /^<([^>]+)>; rel="next"$/.exec(page.headers.get('link') ?? '')?.[1];
      // Visibility is written a moment later.
      if (path === undefined && !runs.every((run) => listed.includes(run))) {
        listed.length = 0;
        path = '/v1/approvals?limit=1';
      }
    }
    assert.equal(new Set(listed).size, listed.length);
    assert.equal((await console.call('GET /v1/approvals?cursor=none')).status, 400);
  });

  it('lists what waits, shows it with the files of its evidence, and hands those out as they are', async () => {
    const { runId, evidenceDigest } = await waiting();
    for (;;) {
      const { status, body } = await console.call<OpenApproval[]>('GET /v1/approvals');
      assert.equal(status, 200);
      const mine = body.find((one) => one.runId === runId);
      if (mine === undefined) continue; // visibility is written a moment later
      assert.deepEqual([mine.approval, mine.evidence?.digest, mine.startedBy], ['review', evidenceDigest, 'starter']);
      break;
    }
    const { body } = await console.call<Shown>(`GET /v1/runs/${runId}/approvals/review`);
    assert.deepEqual([body.state, body.closed, body.seats], ['open', false, [{ role: 'legal', by: null }]]);
    const path = `/v1/runs/${runId}/approvals/review/evidence`;
    for (const { path: file, digest } of body.evidenceFiles) {
      const { status, text, headers } = await console.call(`GET ${path}/${file}`);
      assert.deepEqual([status, digestBytes(Buffer.from(text))], [200, digest], file);
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.equal(
        headers.get('content-type'),
        file === 'report.html' ? 'text/html; charset=utf-8' : 'application/json',
      );
      const policy = headers.get('content-security-policy') ?? '';
      assert.match(policy, /^sandbox; default-src 'none';/);
      assert.doesNotMatch(policy, /script/);
    }
    assert.deepEqual(
      body.evidenceFiles.map((one) => one.path),
      ['facts.json', 'report.html'],
    );
    for (const file of ['nothing.json', '..%2F..%2Fetc%2Fpasswd', '%2Fetc%2Fpasswd', 'facts.json%00']) {
      assert.equal((await console.call(`GET ${path}/${file}`)).status, 404, file);
    }
    const unopened = await console.call<Problem>(`GET /v1/runs/${runId}/approvals/release/evidence/facts.json`);
    assert.deepEqual([unopened.status, unopened.body.kind], [404, 'NotFound']);
    assert.equal((await console.call<Shown>(`GET /v1/runs/${runId}/approvals/release`)).body.evidenceFiles.length, 0);
  });

  it('takes a vote in the name of the token only, on the evidence that was looked at, and says why another does not count', async () => {
    const { runId, evidenceDigest } = await waiting();
    const approve = { decision: 'approve', evidenceDigest };
    const refusals: readonly [string, object, RegExp][] = [
      [omar, approve, /needs legal/],
      [await console.token('starter'), approve, /started this run/],
      [await console.token('stranger'), approve, /not among the approvers/],
      [lena, { ...approve, evidenceDigest: digestJson('other') }, /stale/],
      [lena, { decision: 'reject', evidenceDigest, comment: ' ' }, /comment/],
    ];
    for (const [token, body, reason] of refusals) {
      const answer = await vote(runId, token, body);
      assert.deepEqual([answer.status, answer.body.kind], [422, 'ApprovalRefused'], answer.text);
      assert.match(answer.body.detail, reason);
      assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/);
    }
    const forged = await vote(runId, omar, { ...approve, approver: 'lena' });
    assert.equal(forged.status, 400, 'the approver is no field');

    const { status, body } = await vote<ApprovalRecord>(runId, lena, { ...approve, comment: 'fine' });
    assert.deepEqual(
      [status, body.approver, body.decision, body.comment, body.evidenceDigest],
      [200, 'lena', 'approve', 'fine', evidenceDigest],
    );
    const second = await vote(runId, lena, { decision: 'reject', evidenceDigest, comment: 'no' });
    assert.equal(second.status, 409);
    assert.equal(canonicalJson(second.body.decision), canonicalJson(body), 'the first decision comes with the refusal');
    const after = await console.call<Shown>(`GET /v1/runs/${runId}/approvals/review`);
    assert.deepEqual([after.body.closed, after.body.record?.approver], [true, 'lena']);
  });

  it('lets somebody delegate their own seat, and takes the vote on their behalf once, from that delegate only', async () => {
    const { runId, evidenceDigest } = await waiting();
    const soon = new Date(Date.now() + 3_600_000).toISOString();
    const given = await console.call<{ from: string }>('POST /v1/delegations', {
      token: lena,
      body: { to: 'omar', role: 'legal', endsAt: soon },
    });
    assert.deepEqual([given.status, given.body.from], [201, 'lena']);
    const backwards = { to: 'omar', role: 'legal', endsAt: '2001-01-01T00:00:00.000Z' };
    assert.equal((await console.call('POST /v1/delegations', { token: lena, body: backwards })).status, 400);
    const listed = await console.call<{ to: string }[]>('GET /v1/delegations', { token: omar });
    assert.deepEqual(
      listed.body.map(({ to }) => to),
      ['omar'],
    );
    const approve = { decision: 'approve', evidenceDigest, onBehalfOf: 'lena' };
    const stranger = await vote(runId, await console.token('stranger'), approve);
    assert.deepEqual([stranger.status, stranger.body.kind], [422, 'ApprovalRefused'], stranger.text);
    const { status, body } = await vote<ApprovalRecord>(runId, omar, approve);
    assert.deepEqual([status, body.approver, body.delegation?.from], [200, 'omar', 'lena']);
    const again = await vote(runId, lena, { decision: 'approve', evidenceDigest });
    assert.equal(again.status, 409, again.text);
  });

  it('ends a delegation at once when it is revoked: a vote that was cast by it stays, a later one is refused', async () => {
    const giver = await console.token('lou');
    const [before, after] = [
      await waiting([{ name: 'lou', roles: ['legal'] }]),
      await waiting([{ name: 'lou', roles: ['legal'] }]),
    ];
    const soon = new Date(Date.now() + 3_600_000).toISOString();
    const given = await console.call<{ id: string }>('POST /v1/delegations', {
      token: giver,
      body: { to: 'omar', role: 'legal', endsAt: soon },
    });
    const approve = (evidenceDigest: string) => ({ decision: 'approve', evidenceDigest, onBehalfOf: 'lou' });
    assert.equal((await vote(before.runId, omar, approve(before.evidenceDigest))).status, 200);
    const route = `DELETE /v1/delegations/${given.body.id}`;
    const other = await console.call<Problem>(route, { token: omar });
    assert.deepEqual([other.status, other.body.kind], [403, 'Forbidden']);
    const revoked = await console.call<{ revoked: { by: string; reason: string } }>(`${route}?reason=back`, {
      token: giver,
    });
    assert.deepEqual([revoked.status, revoked.body.revoked.by, revoked.body.revoked.reason], [200, 'lou', 'back']);
    const late = await vote(after.runId, omar, approve(after.evidenceDigest));
    assert.equal(late.status, 422, late.text);
    assert.match(late.body.detail, /there is none/);
    assert.equal((await console.call(route, { token: giver })).status, 409);
    assert.equal((await console.call('DELETE /v1/delegations/none', { token: giver })).status, 404);
    const { body } = await console.call<Shown>(`GET /v1/runs/${before.runId}/approvals/review`);
    assert.deepEqual(
      [body.record?.approver, body.record?.delegation?.from, body.record?.voided],
      ['omar', 'lou', undefined],
    );
    assert.equal(
      (await vote(after.runId, giver, { decision: 'approve', evidenceDigest: after.evidenceDigest })).status,
      200,
    );
  });

  it('answers two decisions at the same moment with one 200 and one 409 that has the other', async () => {
    const { runId, evidenceDigest } = await waiting();
    const answers = await Promise.all([
      vote<ApprovalRecord>(runId, lena, { decision: 'approve', evidenceDigest }),
      vote<ApprovalRecord>(runId, lena, { decision: 'reject', evidenceDigest, comment: 'no' }),
    ]);
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200, 409]));
    const [won] = answers.filter(({ status }) => status === 200);
    const [lost] = answers.filter(({ status }) => status === 409) as unknown as Answer<Problem>[];
    assert.deepEqual(lost?.body.decision, won?.body);
  });

  it('answers 409 without a decision when the run ended before anybody decided', async () => {
    const { runId, evidenceDigest } = await waiting();
    await cancelRun(console.temporal.client, runId);
    await console.until(runId, ({ state }) => state === 'cancelled');
    const { status, body } = await vote(runId, lena, { decision: 'approve', evidenceDigest });
    assert.deepEqual([status, body.kind, body.decision], [409, 'Conflict', null]);
  });
});
