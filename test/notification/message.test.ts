import assert from 'node:assert/strict';
import type { NotificationEvent } from '../../activities/notification/events.ts';
import { messagesOf, type Links } from '../../activities/notification/message.ts';
import type { Notifier } from '../../activities/notification/notifiers.ts';
import { digestJson } from '../../artifacts/digest.ts';
import { checkDecisionLink } from '../../client/decision-links.ts';
import { openNotifying } from '../../client/notifications.ts';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const notifier: Notifier = {
  name: 'mail',
  type: 'command',
  argv: [process.execPath],
  passEnvironment: [],
  timeoutSeconds: 5,
  perApprover: false,
};
const opened: NotificationEvent = {
  event: 'approval.opened',
  runId: 'support/intents 1',
  pipeline: 'support-intents',
  at: '2026-01-01T00:00:00.000Z',
  approval: 'review',
  evidence: digestJson('evidence'),
  deadline: '2026-01-08T00:00:00.000Z',
  approvers: ['lena', 'lars', 'lena'],
};

interface Body {
  readonly type: string;
  readonly data: { readonly approver?: string; readonly link?: string };
}

describe('a message of a notifier', () => {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-messages-'));
  after(() => rmSync(folder, { recursive: true }));
  const key = 'k'.repeat(32);
  const links = ((): Links => {
    const path = join(folder, 'notifiers.yaml');
    writeFileSync(path, JSON.stringify({ version: 1, notifiers: [notifier] }));
    return openNotifying({
      ESPALIER_NOTIFIERS: path,
      ESPALIER_CONSOLE_URL: 'https://espalier.example.org',
      ESPALIER_LINK_KEY: key,
    });
  })();
  const bodies = (one: Notifier, event: NotificationEvent, given: Links = links): readonly Body[] =>
    messagesOf(one, event, 'x', given).map(({ body }) => JSON.parse(body) as Body);

  it('that several may read links to the page that asks for a sign-in, and is signed for nobody', () => {
    const [body, ...more] = bodies(notifier, opened);
    assert.equal(more.length, 0);
    assert.equal(body?.data.link, 'https://espalier.example.org/approvals/support%2Fintents%201/review');
    assert.ok(!JSON.stringify(body).includes('signature'));
  });

  it('to one approver holds the link of that very approver, until the deadline and on that evidence', () => {
    const found = bodies({ ...notifier, perApprover: true }, opened);
    assert.deepEqual(
      found.map(({ data }) => data.approver),
      ['lena', 'lars'],
    );
    for (const { data } of found) {
      const query = new URL(data.link ?? '').searchParams;
      assert.equal(query.get('approver'), data.approver);
      const { runId, evidence } = opened;
      assert.ok(evidence);
      const link = {
        runId,
        approval: 'review',
        evidence,
        approver: data.approver ?? '',
        expires: Number(query.get('expires')),
      } as const;
      checkDecisionLink(link, query.get('signature') ?? '', key, new Date('2026-01-07T23:59:59.000Z'));
      assert.throws(() =>
        checkDecisionLink(link, query.get('signature') ?? '', key, new Date('2026-01-08T00:00:00.000Z')),
      );
    }
  });

  it('of an event that asks nobody goes to all at once, without a signed link', () => {
    const { approvers: _, ...rest } = opened;
    const found = bodies({ ...notifier, perApprover: true }, { ...rest, event: 'approval.decided' });
    assert.equal(found.length, 1);
    assert.ok(!JSON.stringify(found).includes('signature'));
  });

  it('has an id of its own by event, notifier and approver, and the same one every time', () => {
    const ids = (one: Notifier, event: NotificationEvent, unique = 'x'): readonly string[] =>
      messagesOf(one, event, unique, links).map(({ id }) => id);
    assert.deepEqual(ids(notifier, opened), ids(notifier, opened));
    const all = [
      ...ids(notifier, opened),
      ...ids({ ...notifier, name: 'other' }, opened),
      ...ids({ ...notifier, perApprover: true }, opened),
      ...ids(notifier, { ...opened, event: 'approval.reminder' }),
      ...ids(notifier, opened, 'y'),
    ];
    assert.equal(new Set(all).size, all.length);
  });

  it('is sent only of the events that the notifier is for', () => {
    assert.equal(bodies({ ...notifier, events: ['run.ended'] }, opened).length, 0);
    assert.equal(bodies({ ...notifier, events: ['approval.opened'] }, opened)[0]?.type, 'approval.opened');
  });

  it('says nothing of a console that nobody named', () => {
    assert.equal(bodies(notifier, opened, {})[0]?.data.link, undefined);
  });
});
