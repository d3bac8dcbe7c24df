import assert from 'node:assert/strict';
import { digestJson } from '../../artifacts/digest.ts';
import { refusal } from '../../workflows/approvals.ts';
import type { ApprovalView, Decision } from '../../workflows/messages.ts';
import { ref } from '../support/workflow.ts';

const evidence = ref('evidence');
const open: ApprovalView = { approval: 'review', state: 'open', roles: ['legal'], evidence };
const vote: Decision = {
  approval: 'review',
  decision: 'approve',
  approver: 'lena',
  comment: '',
  evidenceDigest: evidence.digest,
};
const electorate = {
  startedBy: 'sam',
  approvers: [
    { name: 'lena', roles: ['legal'] },
    { name: 'omar', roles: ['product-owner'] },
    { name: 'sam', roles: ['legal'] },
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
    ['with an endless comment', { comment: 'x'.repeat(4001) }, {}, /at most 4000 characters/],
  ];
  for (const [what, decision, desk, reason] of refused) {
    it(`${what} is refused with the reason`, () => {
      assert.match(refusal({ ...vote, ...decision }, { ...open, ...desk }, electorate) ?? 'accepted', reason);
    });
  }

  it('on an approval that does not exist is refused', () => {
    assert.match(refusal(vote, undefined, electorate) ?? 'accepted', /there is no approval/);
  });
});
