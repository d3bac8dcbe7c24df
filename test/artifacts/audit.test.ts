import assert from 'node:assert/strict';
import { AuditLog } from '../../artifacts/audit.ts';
import type { AuditEvent } from '../../artifacts/audit-events.ts';
import { summariseEvent } from '../../artifacts/audit-events.ts';
import { sealed, type AuditEntry } from '../../artifacts/audit-entry.ts';
import { digestBytes } from '../../artifacts/digest.ts';
import type { Digest } from '../../artifacts/reference.ts';
import { createToken, revokeToken } from '../../client/tokens.ts';
import { withStore, type TestStore } from '../support/store.ts';

const event = (seq: number): AuditEvent => ({ action: 'pointer.lost', key: 'registry/m', seq });
async function allOf(log: AuditLog): Promise<AuditEntry[]> {
  const found: AuditEntry[] = [];
  for await (const entry of log.entries()) found.push(entry);
  return found;
}
const keyOf = (seq: number): string => `audit/${String(seq).padStart(12, '0')}`;

describe('the audit log', () => {
  it('holds every change below registry/, and marks the ones that lost', async () => {
    const { pointers, audit, objects } = await withStore();
    await pointers.create('jobs/a', {});
    assert.deepEqual(await objects.list('audit/'), []);
    await pointers.create('registry/m/channels/production', { revision: 1 });
    const read = await pointers.read('registry/m/channels/production');
    await pointers.replace('registry/m/channels/production', { revision: 2 }, read?.version);
    await pointers.replace('registry/m/channels/production', { revision: 9 }, read?.version);
    const events = (await allOf(audit)).map((entry) => entry.event);
    assert.deepEqual(
      events.map(({ action }) => action),
      ['pointer.replace', 'pointer.replace', 'pointer.replace', 'pointer.lost'],
    );
    assert.equal(events[3]?.action === 'pointer.lost' && events[3].seq, 3);
    const { ok, entries, problem } = await audit.verify();
    assert.deepEqual({ ok, entries, problem }, { ok: true, entries: 4, problem: null });
  });

  it('holds every token made and revoked, by whom, and never its secret or a hash of it', async () => {
    const { pointers, audit, objects } = await withStore();
    const facts = {
      user: 'lena',
      scopes: ['runs:read'],
      createdBy: 'root',
      expiresAt: '2099-01-01T00:00:00Z',
    } as const;
    const { token, text } = await createToken(pointers, facts);
    await revokeToken(pointers, token.id, 'olga');
    await revokeToken(pointers, token.id, 'olga');
    const entries = await allOf(audit);
    assert.deepEqual(
      entries.map(({ event: one }) => summariseEvent(one)),
      [`token ${token.id} for lena (runs:read), by root`, `token ${token.id} of lena, by olga`],
    );
    const stored = String((await objects.getBytes(`tokens/${token.id}`))?.bytes);
    const { secretSha256 } = JSON.parse(stored) as { secretSha256: string };
    const log = JSON.stringify(entries);
    // The secret is base64url: it may hold an underscore itself.
    const secret = text.split('_').slice(2).join('_');
    assert.ok(secret.length >= 32 && !log.includes(secretSha256) && !log.includes(secret));
  });

  it('never forks, however many append at once', async () => {
    const { objects } = await withStore();
    const logs = Array.from({ length: 8 }, () => new AuditLog(objects));
    const appended = await Promise.all(logs.flatMap((log) => [log.append(event(0)), log.append(event(1))]));
    const sequence = appended.map((entry) => entry.seq).toSorted((a, b) => a - b);
    assert.deepEqual(
      sequence,
      Array.from({ length: 16 }, (_, i) => i + 1),
    );
    assert.deepEqual((await new AuditLog(objects).verify()).entries, 16);
  });

  it('is read in its order over many pages', async () => {
    const { objects, audit } = await withStore();
    // Written at once: a log of this length, appended entry by entry, would take the test's time.
    let previous: Digest | null = null;
    const chain: Buffer[] = [];
    for (let seq = 1; seq <= 520; seq++) {
      const { bytes } = sealed({
        version: 1,
        seq,
        at: '2026-01-01T00:00:00Z',
        id: `${seq}`,
        previous,
        event: event(seq),
      });
      previous = digestBytes(bytes);
      chain.push(bytes);
    }
    await Promise.all(chain.map((bytes, index) => objects.putBytes(keyOf(index + 1), bytes)));
    assert.deepEqual(await audit.verify(), { ok: true, entries: 520, head: previous, problem: null });
    const read = await allOf(audit);
    assert.deepEqual([read.length, read[0]?.seq, read.at(-1)?.seq], [520, 1, 520]);
  });

  describe('shows', () => {
    let test: TestStore;
    let entries: Buffer[];
    let head: Digest;
    beforeEach(async () => {
      test = await withStore();
      for (let n = 1; n <= 5; n++) await test.audit.append(event(n));
      const read = async (seq: number) => (await test.objects.getBytes(keyOf(seq)))?.bytes ?? Buffer.alloc(0);
      entries = await Promise.all([1, 2, 3, 4, 5].map(read));
      head = digestBytes(entries[4] ?? '');
    });
    const put = (seq: number, bytes: string | Buffer) => test.objects.putBytes(keyOf(seq), Buffer.from(bytes));
    const text = (seq: number) => String(entries[seq - 1]);
    /** As who knows the format would: the entry's own digest is made anew. */
    const resealed = (seq: number, change: Partial<AuditEntry>): Buffer => {
      const { digest: _, ...content } = { ...(JSON.parse(text(seq)) as AuditEntry), ...change };
      return sealed(content).bytes;
    };

    const edits: readonly (readonly [string, () => Promise<unknown>, number, RegExp])[] = [
      ['an edited entry', () => put(2, text(2).replace('"seq":2}', '"seq":7}')), 1, /0+2 was changed/],
      ['an entry edited with its own digest', () => put(2, resealed(2, { event: event(7) })), 2, /0+3 follows/],
      ['an edit of the last entry', () => put(5, text(5).replace('registry/m', 'registry/n')), 4, /0+5 was changed/],
      ['another time in an entry', () => put(3, text(3).replace(/"at":"20/, '"at":"19')), 2, /0+3 was changed/],
      ['white space in an entry', () => put(5, ` ${text(5)}`), 4, /0+5 was changed/],
      ['a key twice in an entry', () => put(5, text(5).replace('{', '{"seq":5,')), 4, /0+5 was changed/],
      ['a removed entry', () => test.objects.delete(keyOf(3)), 2, /0+3 is missing: .*0+4 follows/],
      ['a removed first entry', () => test.objects.delete(keyOf(1)), 0, /0+1 is missing/],
      [
        'two entries that changed places',
        () => Promise.all([put(2, text(3)), put(3, text(2))]),
        1,
        /0+2 says it is entry 3/,
      ],
      [
        'two entries that changed places and numbers',
        () => Promise.all([put(2, resealed(3, { seq: 2 })), put(3, resealed(2, { seq: 3 }))]),
        1,
        /0+2 follows/,
      ],
      ['an entry put twice', () => put(3, text(2)), 2, /0+3 says it is entry 2/],
      ['one that is no JSON', () => put(4, 'oops'), 3, /0+4 is not JSON/],
      ['one that is null', () => put(4, 'null'), 3, /0+4 says it is entry undefined/],
      ['an empty one', () => put(4, ''), 3, /0+4 is not JSON/],
      [
        'a stranger between them',
        () => test.objects.putBytes('audit/000000000002x', Buffer.from('{}')),
        2,
        /0+3 is missing/,
      ],
      [
        'a stranger behind them',
        () => test.objects.putBytes('audit/zzz', Buffer.from('{}')),
        5,
        /0+6 is missing: audit\/zzz/,
      ],
    ];
    for (const [what, tamper, good, problem] of edits) {
      it(what, async () => {
        await tamper();
        const verdict = await test.audit.verify();
        assert.deepEqual([verdict.ok, verdict.entries], [false, good]);
        assert.match(verdict.problem ?? '', problem);
        assert.equal((await test.audit.verify(head)).ok, false);
      });
    }

    it('a cut-off end, and a log written anew, to who kept the head elsewhere', async () => {
      assert.equal((await test.audit.verify(head)).ok, true);
      await test.audit.append(event(6));
      assert.equal((await test.audit.verify(head)).ok, true, 'a log that grew still holds the head');
      await Promise.all([5, 6].map((seq) => test.objects.delete(keyOf(seq))));
      assert.equal((await test.audit.verify()).ok, true, 'what is left is whole in itself');
      const cut = await test.audit.verify(head);
      assert.deepEqual([cut.ok, cut.entries], [false, 4]);
      assert.match(cut.problem ?? '', /no entry is sha256:\w{64}: the log was cut off or written anew/);
      const fresh = new AuditLog(test.objects);
      await fresh.append(event(99));
      assert.equal((await fresh.verify()).ok, true);
      assert.equal((await fresh.verify(head)).ok, false);
      await Promise.all([1, 2, 3, 4, 5].map((seq) => test.objects.delete(keyOf(seq))));
      assert.deepEqual(await test.audit.verify(), { ok: true, entries: 0, head: null, problem: null });
      assert.equal((await test.audit.verify(head)).ok, false, 'nor is nothing at all the log that it was');
    });
  });
});
