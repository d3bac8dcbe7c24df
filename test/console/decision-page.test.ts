import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { digestJson } from '../../artifacts/digest.ts';
import type { Digest } from '../../artifacts/reference.ts';
import { decisionUrl, type DecisionLink } from '../../client/decision-links.ts';
import type { OpenApproval } from '../../client/approvals.ts';
import { delegate } from '../../client/delegations.ts';
import type { Approver } from '../../workflows/messages.ts';
import { startTestConsole, type Answer, type TestConsole } from '../support/console.ts';
import { sampleFacts } from '../support/facts.ts';

describe('the page of a signed link', function () {
  let console: TestConsole;
  before(async () => {
    console = await startTestConsole();
  });
  after(() => console.stop());

  const soon = () => Math.floor(Date.now() / 1000) + 600;
  const pathOf = (url: string): string => url.slice(new URL(url).origin.length);
  const open = (url: string): Promise<Answer<unknown>> => console.call(`GET ${pathOf(url)}`, { token: null });
  const send = (url: string, form: Readonly<Record<string, string>>): Promise<Answer<unknown>> =>
    console.call(`POST ${pathOf(url)}`, {
      token: null,
      body: new URLSearchParams(form).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });

  async function linked(
    changes: Partial<DecisionLink> = {},
    more: readonly Approver[] = [],
  ): Promise<{ link: DecisionLink; url: string }> {
    const runId = await console.start('waits', more);
    const run = await console.until(runId, ({ approvals }) => approvals[0]?.state === 'open');
    const evidence = run.approvals[0]?.evidence?.digest as Digest;
    const link = { runId, approval: 'review', approver: 'lena', evidence, expires: soon(), ...changes } as const;
    return { link, url: decisionUrl(console.url, link, console.linkKey) };
  }

  it('shows the evidence with the buttons beside it, without script or anything from elsewhere', async () => {
    const { link, url } = await linked();
    const { status, text, headers } = await open(url);
    assert.equal(status, 200, text);
    assert.equal(headers.get('content-type'), 'text/html; charset=utf-8');
    assert.equal(headers.get('referrer-policy'), 'no-referrer', 'the signature is in the URL');
    const policy = headers.get('content-security-policy') ?? '';
    assert.match(policy, /^default-src 'none'; style-src 'sha256-[^']+'; frame-src 'self'; form-action 'self'/);
    assert.doesNotMatch(text, /<script|\son\w+=|https?:\/\/|style="/);
    assert.ok(text.includes(link.evidence) && text.includes('as <strong>lena</strong>'));
    for (const { id } of sampleFacts.candidates ?? []) assert.ok(text.includes(`${id}: `), id);
    assert.match(text, /<label for="comment">[^]*<textarea[^>]*id="comment"/);
    assert.match(text, /name="decision" value="approve" formnovalidate/);
    const [, frame = ''] = /<iframe src="([^"]+)" title="[^"]+"/.exec(text) ?? [];
    const report = await open(new URL(frame.replaceAll('&amp;', '&'), url).href);
    assert.equal(report.status, 200);
    assert.match(report.text, /<!doctype html>[^]*support-intents/);
    assert.match(report.headers.get('content-security-policy') ?? '', /^sandbox; .*frame-ancestors 'self'$/);
  });

  it('counts a vote once, and then shows who decided what and when', async () => {
    const { url } = await linked();
    const voted = await send(url, { decision: 'approve', comment: '' });
    assert.deepEqual([voted.status, voted.headers.get('location')], [303, pathOf(url)]);
    const { status, text } = await open(url);
    assert.equal(status, 200);
    assert.match(text, /<strong>Approved<\/strong> by lena \(legal\)[^]*<time datetime="20/);
    assert.doesNotMatch(text, /<form|<button/);
    const again = await send(url, { decision: 'reject', comment: 'too late' });
    assert.equal(again.status, 409);
    assert.match(again.text, /was not counted[^]*Approved/);
  });

  it('keeps the comment and says why a vote does not count', async () => {
    const { url } = await linked();
    const empty = await send(url, { decision: 'reject', comment: '  ' });
    assert.equal(empty.status, 422);
    assert.match(empty.text, /role="alert"[^]*needs a comment/);
    const { url: omars } = await linked({ approver: 'omar' });
    const refused = await send(omars, { decision: 'approve', comment: '<b>I & I</b>' });
    assert.equal(refused.status, 422);
    assert.match(refused.text, /needs legal[^]*&lt;b&gt;I &amp; I&lt;\/b&gt;<\/textarea>/);
    assert.equal((await send(url, { decision: 'maybe' })).status, 400);
    assert.equal((await send(url, { decision: 'approve', approver: 'omar' })).status, 400);
  });

  it('offers a vote on behalf of who has delegated an open seat, and counts it as theirs', async () => {
    const hostile = '"><img src=x onerror=alert(1)>';
    const soon = new Date(Date.now() + 3_600_000).toISOString();
    for (const from of ['lena', hostile]) {
      await delegate(console.store.pointers, {
        from,
        to: 'omar',
        role: 'legal',
        startsAt: '2026-01-01T00:00Z',
        endsAt: soon,
      });
    }
    await delegate(console.store.pointers, {
      from: 'rita',
      to: 'omar',
      role: 'cook',
      startsAt: '2026-01-01T00:00Z',
      endsAt: soon,
    });
    assert.doesNotMatch((await open((await linked()).url)).text, /onBehalfOf/, 'nobody has delegated anything to lena');
    const { url, link } = await linked({ approver: 'omar' });
    const { text } = await open(url);
    assert.match(
      text,
      /<label for="on-behalf-of">[^]*<option value="">omar: my own<\/option>[^]*<option value="lena">lena, legal \(delegated until 20/,
    );
    assert.doesNotMatch(text, /<img|value="rita"|<script|\son\w+="/);
    assert.ok(text.includes('<option value="&quot;&gt;&lt;img'), 'a name is text');
    const own = await send(url, { decision: 'approve', comment: '', onBehalfOf: '' });
    assert.deepEqual([own.status, /needs legal/.test(own.text)], [422, true]);
    const nobody = await send(url, { decision: 'approve', comment: '', onBehalfOf: '<b>x</b>' });
    assert.equal(nobody.status, 422);
    assert.match(nobody.text, /no delegation of &#39;&lt;b&gt;x&lt;\/b&gt;&#39; to &#39;omar&#39;/);
    assert.equal((await send(url, { decision: 'approve', comment: '', onBehalfOf: 'lena' })).status, 303);
    assert.match((await open(url)).text, /<strong>Approved<\/strong> by omar for lena \(legal\)/);
    const { record } = (await console.until(link.runId, () => true)).approvals[0] ?? {};
    assert.deepEqual([record?.approver, record?.delegation?.from], ['omar', 'lena']);
  });

  it('lets who may break the glass do so, with a reason and a warning, and offers it to nobody else', async () => {
    const more: readonly Approver[] = [{ name: 'bruno', roles: [], breakGlass: true }];
    const { url: lenas } = await linked({}, more);
    assert.doesNotMatch((await open(lenas)).text, /[Bb]reak the glass/);
    const forced = await send(lenas, { decision: 'approve', comment: 'me', breakGlass: 'yes' });
    assert.deepEqual([forced.status, /may not break the glass/.test(forced.text)], [422, true]);
    const { url, link } = await linked({ approver: 'bruno' }, more);
    const { text } = await open(url);
    assert.match(
      text,
      /<details class="glass"\s*>[^]*<summary>Break the glass<\/summary>[^]*approve alone, in place\s+of\s+legal[^]*cannot\s+be\s+undone/,
    );
    assert.match(text, /<textarea id="why" name="comment" maxlength="4000" required><\/textarea>/);
    const silent = await send(url, { decision: 'approve', comment: '  ', breakGlass: 'yes' });
    assert.deepEqual([silent.status, /<details class="glass" open>/.test(silent.text)], [422, true]);
    assert.match(silent.text, /breaking the glass needs a comment that says why/);
    const wrong = await send(url, {
      decision: 'reject',
      comment: '</textarea><script>alert(1)</script>',
      breakGlass: 'yes',
    });
    assert.equal(wrong.status, 422);
    assert.doesNotMatch(wrong.text, /<script/);
    assert.match(wrong.text, /required>&lt;\/textarea&gt;&lt;script&gt;/);
    assert.equal((await send(url, { decision: 'approve', comment: 'x', breakGlass: 'no' })).status, 400);
    assert.equal((await send(url, { decision: 'approve', comment: 'an outage', breakGlass: 'yes' })).status, 303);
    const after = (await open(url)).text;
    assert.match(after, /by bruno \(BROKE THE GLASS\)[^]*glass broken/);
    const { record } = (await console.until(link.runId, () => true)).approvals[0] ?? {};
    assert.deepEqual([record?.breakGlass, record?.comment], [true, 'an outage']);
  });

  it('opens only as it was signed: any bound field changed, another key or a later hour is refused', async () => {
    const { link, url } = await linked();
    const changes: Readonly<Record<keyof DecisionLink, string | number>> = {
      runId: `test-${randomUUID()}`,
      approval: 'release',
      approver: 'omar',
      evidence: digestJson('other'),
      expires: link.expires + 1,
    };
    const signature = new URL(url).searchParams.get('signature') ?? '';
    const withSignature = (other: DecisionLink, text: string): string => {
      const made = new URL(decisionUrl(console.url, other, console.linkKey));
      made.searchParams.set('signature', text);
      return made.href;
    };
    const flipped = (signature.startsWith('A') ? 'B' : 'A') + signature.slice(1);
    const tampered = [
      ...Object.entries(changes).map(([field, value]) => withSignature({ ...link, [field]: value }, signature)),
      withSignature(link, flipped),
      withSignature(link, ''),
      decisionUrl(console.url, link, 'another key of thirty-two letters'),
      decisionUrl(console.url, { ...link, expires: Math.floor(Date.now() / 1000) - 1 }, console.linkKey),
    ];
    for (const wrong of tampered) {
      const { status, text } = await open(wrong);
      assert.equal(status, 403, wrong);
      assert.match(text, /this link (is not valid|expired)/);
    }
    const [wrong = ''] = tampered;
    assert.equal((await open(wrong.replace('/review?', '/review/report?'))).status, 403);
    assert.equal((await send(wrong, { decision: 'approve', comment: '' })).status, 403);
    const run = await console.until(link.runId, () => true);
    assert.equal(run.approvals[0]?.state, 'open');
  });

  it('says so when the evidence is no longer the one that the link is bound to', async () => {
    const other = await linked();
    const { url } = await linked({ evidence: other.link.evidence });
    assert.match((await open(url)).text, /The evidence has changed/);
    assert.equal((await send(url, { decision: 'approve', comment: '' })).status, 422);
  });

  it('is made by the API for the user of the token, and for nobody else', async () => {
    const { link } = await linked();
    const made = await console.call<{ url: string; expiresAt: string }>(
      `POST /v1/runs/${link.runId}/approvals/review/link`,
      { token: await console.token('lena'), body: { seconds: 60 } },
    );
    assert.equal(made.status, 201);
    assert.ok(Date.parse(made.body.expiresAt) <= Date.now() + 60_000);
    assert.match((await open(made.body.url)).text, /as <strong>lena<\/strong>/);
    const { body } = await console.call<OpenApproval>(`GET /v1/runs/${link.runId}/approvals/review`);
    assert.equal(new URL(made.body.url).searchParams.get('evidence'), body.evidence?.digest);
    const forged = await console.call(`POST /v1/runs/${link.runId}/approvals/review/link`, {
      body: { approver: 'lena' },
    });
    assert.equal(forged.status, 400);
  });
});
