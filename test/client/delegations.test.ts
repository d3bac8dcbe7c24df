import assert from 'node:assert/strict';
import { delegate, delegationFor, listDelegations } from '../../client/delegations.ts';
import { withStore } from '../support/store.ts';

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

  it('is refused to oneself, backwards in time, and at no time', async () => {
    const { pointers } = await withStore();
    const asked = { from: 'lena', to: 'rita', role: 'legal', startsAt: inHours(0), endsAt: inHours(1) };
    for (const wrong of [{ to: 'lena' }, { endsAt: inHours(-1) }, { endsAt: 'next week' }, { startsAt: '' }]) {
      await assert.rejects(delegate(pointers, { ...asked, ...wrong }), { kind: 'BadRequest' });
    }
  });
});
