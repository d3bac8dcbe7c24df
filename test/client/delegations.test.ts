import assert from 'node:assert/strict';
import { summariseEvent } from '../../artifacts/audit-events.ts';
import { delegate, delegationFor, delegatorsOf, listDelegations, revokeDelegation } from '../../client/delegations.ts';
import { espalier } from '../support/command.ts';
import { testFolder, withStore } from '../support/store.ts';

const HOUR_MS = 3_600_000;
const inHours = (hours: number): string => new Date(Date.now() + hours * HOUR_MS).toISOString();
const open = [{ role: 'legal', by: null }];

describe('a delegation', () => {
  it('is found by its delegate from its start to its end, for a seat that is open', async () => {
    const { pointers } = await withStore();
    const people = { from: 'lena', to: 'rita' };
    const refused = { kind: 'ApprovalRefused' };
    await assert.rejects(delegationFor(pointers, open, people), { ...refused, message: /there is none/ });
    await delegate(pointers, { ...people, role: 'legal', startsAt: inHours(1), endsAt: inHours(2) });
    await assert.rejects(delegationFor(pointers, open, people), { ...refused, message: /the next one starts/ });
    await delegate(pointers, { ...people, role: 'risk', startsAt: inHours(-2), endsAt: inHours(1) });
    const made = await delegate(pointers, { ...people, role: 'legal', startsAt: inHours(-1), endsAt: inHours(3) });
    assert.deepEqual(await delegationFor(pointers, open, people), made);
    await assert.rejects(delegationFor(pointers, open, { from: 'rita', to: 'lena' }), refused);
    assert.equal((await listDelegations(pointers)).length, 3);
    assert.deepEqual(await listDelegations(pointers, new Date(Date.now() + 4 * HOUR_MS)), []);
  });

  it('can be revoked by who gave it, once: it is found no more, and the audit log says so', async () => {
    const { pointers, audit } = await withStore();
    const people = { from: 'lena', to: 'rita' };
    const given = await delegate(pointers, { ...people, role: 'legal', startsAt: inHours(-1), endsAt: inHours(2) });
    assert.deepEqual(await delegatorsOf(pointers, open, 'rita'), [given]);
    assert.deepEqual(await delegatorsOf(pointers, [{ role: 'legal', by: 'lou' }], 'rita'), [], 'no seat is open');
    for (const by of ['rita', 'mallory']) {
      await assert.rejects(revokeDelegation(pointers, given.id, { by }), { kind: 'Forbidden' });
    }
    const asked = [1, 2, 3].map(() => revokeDelegation(pointers, given.id, { by: 'lena', reason: 'back at work' }));
    const answers = await Promise.allSettled(asked);
    assert.equal(answers.filter(({ status }) => status === 'fulfilled').length, 1, 'of three at once');
    await assert.rejects(delegationFor(pointers, open, people), { kind: 'ApprovalRefused', message: /there is none/ });
    assert.deepEqual([await listDelegations(pointers), await delegatorsOf(pointers, open, 'rita')], [[], []]);
    await assert.rejects(revokeDelegation(pointers, given.id, { by: 'lena' }), {
      kind: 'Conflict',
      message: /was revoked at/,
    });
    for (const id of ['0'.repeat(16), '', '../registry/x', 'x']) {
      await assert.rejects(revokeDelegation(pointers, id, { by: 'lena' }), { kind: 'NotFound' });
    }
    const told: string[] = [];
    for await (const { event } of audit.entries()) told.push(summariseEvent(event));
    assert.ok(
      told.includes(`lena revoked ${given.id}, by which lena let rita fill their seat of legal: back at work`),
      told.join('\n'),
    );
    assert.deepEqual((await audit.verify()).ok, true);
  });

  it('can be revoked by an operator with the command', async () => {
    const { pointers, env } = await withStore();
    const given = await delegate(pointers, {
      from: 'lena',
      to: 'rita',
      role: 'legal',
      startsAt: inHours(-1),
      endsAt: inHours(2),
    });
    const run = (...args: string[]) =>
      espalier(['delegations', ...args], { ...process.env, ...env, ESPALIER_STATE: testFolder(), NO_COLOR: '1' });
    assert.match((await run('list')).stdout, new RegExp(`^${given.id}  lena  rita  legal`, 'm'));
    const { code, stderr } = await run('revoke', given.id, '-m', 'left the company');
    assert.deepEqual(
      [code, stderr.trim()],
      [0, `rita may fill no seat of lena by ${given.id} any more; votes that were cast stay`],
    );
    assert.deepEqual(await listDelegations(pointers), []);
    assert.equal((await run('revoke', given.id)).code, 4);
  }).timeout(60_000);

  it('is refused to oneself, backwards in time, and at no time', async () => {
    const { pointers } = await withStore();
    const asked = { from: 'lena', to: 'rita', role: 'legal', startsAt: inHours(0), endsAt: inHours(1) };
    for (const wrong of [{ to: 'lena' }, { endsAt: inHours(-1) }, { endsAt: 'next week' }, { startsAt: '' }]) {
      await assert.rejects(delegate(pointers, { ...asked, ...wrong }), { kind: 'BadRequest' });
    }
  });
});
