import assert from 'node:assert/strict';
import { digestJson } from '../../artifacts/digest.ts';
import { refusal, type Electorate } from '../../workflows/approvals.ts';
import type { ApprovalView, Decision } from '../../workflows/messages.ts';
import { ref, STATEMENT } from '../support/workflow.ts';

const evidence = ref('evidence');
const open: ApprovalView = { approval: 'review', state: 'open', roles: ['legal'], evidence };
const vote: Decision = {
  approval: 'review',
  decision: 'approve',
  approver: 'lena',
  comment: '',
  evidenceDigest: evidence.digest,
  statement: STATEMENT,
};
const electorate: Electorate = {
  startedBy: 'sam',
  approvers: [
    { name: 'lena', roles: ['legal'] },
    { name: 'omar', roles: ['product-owner'] },
    { name: 'sam', roles: ['legal'] },
    { name: 'ida', roles: [], rolesFrom: 'oidc' },
  ],
};

describe('a vote', () => {
  it('counts when an eligible person decides on the open evidence', () => {
    assert.equal(refusal(vote, open, electorate), undefined);
  });

  const refused: [string, Partial<Decision>, Partial<ApprovalView>, RegExp][] = [
    ['by somebody unknown', { approver: 'mallory' }, {}, /'mallory' is not among the approvers/],
    ['by a wrong role', { approver: 'omar' }, {}, /holds product-owner; approval 'review' needs legal/],
    ["by the run's starter", { approver: 'sam' }, {}, /started this run/],
    ['on stale evidence', { evidenceDigest: digestJson('older') }, {}, /evidence is stale/],
    ['on an approval that is not open yet', {}, { state: 'not-open' }, /not open yet/],
    ['a second time', {}, { state: 'approved' }, /closed: approved/],
    ['after the deadline', {}, { state: 'expired' }, /closed: expired/],
    ['to reject without a reason', { decision: 'reject', comment: '  ' }, {}, /needs a comment/],
    ['that is neither yes nor no', { decision: 'maybe' as 'approve' }, {}, /'approve' or 'reject'/],
    ['without its signed statement', { statement: 'none' as 'sha256:0' }, {}, /with its signed statement/],
    ['with an endless comment', { comment: 'x'.repeat(4001) }, {}, /at most 4000 characters/],
  ];
  for (const [what, decision, desk, reason] of refused) {
    it(`${what} is refused with the reason`, () => {
      assert.match(refusal({ ...vote, ...decision }, { ...open, ...desk }, electorate) ?? 'accepted', reason);
    });
  }

  it('takes the roles of the identity provider only for whom the run’s own list says so', () => {
    const anybody: Electorate = {
      ...electorate,
      approvers: [...electorate.approvers, { name: '*', roles: [], rolesFrom: 'oidc' }],
    };
    const reason = (change: object, who = electorate) => refusal({ ...vote, ...change }, open, who) ?? 'counts';
    assert.equal(reason({ approver: 'ida', roles: ['legal'] }), 'counts');
    assert.match(reason({ approver: 'ida', roles: ['cook'] }), /'ida' holds cook; .* needs legal/);
    assert.match(reason({ approver: 'ida' }), /come from the identity provider/);
    assert.match(
      reason({ approver: 'omar', roles: ['legal'] }),
      /holds product-owner/,
      'the list gives omar his roles',
    );
    assert.match(reason({ approver: 'nora', roles: ['legal'] }), /not among the approvers/);
    assert.equal(reason({ approver: 'nora', roles: ['legal'] }, anybody), 'counts');
    assert.match(reason({ approver: 'omar', roles: ['legal'] }, anybody), /holds product-owner/);
    assert.match(reason({ approver: 'sam', roles: ['legal'] }, anybody), /started this run/);
    assert.match(reason({ approver: '*' }, anybody), /come from the identity provider/);
    assert.match(reason({ approver: 'nora', roles: 'legal' }, anybody), /holds no role/);
    const nobody = { ...anybody, startedBy: 'nora' };
    assert.match(reason({ approver: 'nora', roles: ['legal'] }, nobody), /started this run/);
  });

  it('on an approval that does not exist is refused', () => {
    assert.match(refusal(vote, undefined, electorate) ?? 'accepted', /there is no approval/);
  });
});
