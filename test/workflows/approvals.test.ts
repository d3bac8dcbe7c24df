import assert from 'node:assert/strict';
import { digestJson } from '../../artifacts/digest.ts';
import { electorateOf, type ApprovalRule, type Electorate } from '../../artifacts/votes.ts';
import type { ApprovalView, Decision } from '../../workflows/messages.ts';
import { recordOf, refusal } from '../../workflows/votes.ts';
import { ref, STATEMENT } from '../support/workflow.ts';

const evidence = ref('evidence');
const rule: ApprovalRule = {
  seats: [
    { role: 'legal', count: 1 },
    { role: 'risk', count: 1 },
  ],
  escalateTo: ['head'],
  liftedExclusions: [],
};
const at = (hour: number): string => `2026-01-01T${String(hour).padStart(2, '0')}:00:00.000Z`;
const open: ApprovalView = {
  approval: 'review',
  state: 'open',
  seats: [
    { role: 'legal', by: null },
    { role: 'risk', by: null },
  ],
  excluded: [],
  escalateTo: ['head'],
  votes: [],
  openedAt: at(0),
  deadline: at(20),
  evidence,
};
const vote: Decision = {
  approval: 'review',
  decision: 'approve',
  approver: 'lena',
  comment: '',
  evidenceDigest: evidence.digest,
  statement: STATEMENT,
};
const electorate = electorateOf({
  startedBy: 'sam',
  approvers: [
    { name: 'lena', roles: ['legal'] },
    { name: 'lou', roles: ['legal'] },
    { name: 'omar', roles: ['product-owner'] },
    { name: 'sam', roles: ['legal'] },
    { name: 'ida', roles: [], rolesFrom: 'oidc' },
    { name: 'ada', roles: ['legal'] },
    { name: 'pia', roles: ['risk'] },
    { name: 'rita', roles: ['risk'] },
    { name: 'hana', roles: ['head'] },
    { name: 'bruno', roles: [], breakGlass: true },
  ],
  authors: [
    { of: 'definition-author', approvers: ['ada'] },
    { of: 'policy-editor', approvers: ['pia'] },
  ],
});
const delegation = { id: '1', from: 'lena', to: 'omar', role: 'legal', startsAt: at(2), endsAt: at(8) };
const refused = (decision: Partial<Decision>, desk: Partial<ApprovalView> = {}, hour = 3): string =>
  refusal({ ...vote, ...decision }, { ...open, ...desk }, rule, electorate, at(hour)) ?? 'accepted';
const voted = (decision: Partial<Decision>, hour = 3) =>
  recordOf({ ...vote, ...decision }, open, rule, electorate, at(hour));

describe('a vote', () => {
  it('counts when an eligible person decides on the open evidence', () => {
    assert.equal(refused({}), 'accepted');
  });

  const cases: [string, Partial<Decision>, Partial<ApprovalView>, RegExp][] = [
    ['by somebody unknown', { approver: 'mallory' }, {}, /'mallory' is not among the approvers/],
    ['by a wrong role', { approver: 'omar' }, {}, /holds product-owner; the approval needs legal, risk/],
    ["by the run's starter", { approver: 'sam' }, {}, /started this run/],
    ["by the definition's author", { approver: 'ada' }, {}, /author of the run's definition/],
    ["by the policy's last editor", { approver: 'pia' }, {}, /edited the licence policy last/],
    ['on stale evidence', { evidenceDigest: digestJson('older') }, {}, /evidence is stale/],
    ['on an approval that is not open yet', {}, { state: 'not-open' }, /not open yet/],
    ['on an approval that is closed', {}, { state: 'approved' }, /closed: approved/],
    ['after the deadline', {}, { state: 'expired' }, /closed: expired/],
    ['at a deadline whose timer comes late', {}, { deadline: at(2) }, /outside the time to decide/],
    ['to reject without a reason', { decision: 'reject', comment: '  ' }, {}, /needs a comment/],
    ['for changes without a reason', { decision: 'request-changes' }, {}, /request for changes needs a comment/],
    ['that is neither yes nor no', { decision: 'maybe' as 'approve' }, {}, /'approve', 'reject' or/],
    ['without its signed statement', { statement: 'none' as 'sha256:0' }, {}, /with its signed statement/],
    ['with an endless comment', { comment: 'x'.repeat(4001) }, {}, /at most 4000 characters/],
    ['a second time', { decision: 'reject', comment: 'no' }, { votes: [voted({})] }, /'lena' has already voted/],
    ['for a seat that is filled', {}, { votes: [voted({ approver: 'omar', delegation })] }, /seat of 'lena' is taken/],
    ['by who may decide only later', { approver: 'hana' }, {}, /holds head; the approval needs/],
    ['to break the glass without the right', { breakGlass: true, comment: 'now' }, {}, /may not break the glass/],
    ['to break the glass without a reason', { approver: 'bruno', breakGlass: true }, {}, /comment that says why/],
    [
      'by a delegation to somebody else',
      { approver: 'rita', delegation },
      {},
      /delegation of 'lena' is to 'omar', not to 'rita'/,
    ],
    [
      'by a delegation of a role that the delegator lacks',
      { approver: 'omar', delegation: { ...delegation, role: 'risk' } },
      {},
      /'lena' votes as risk and holds legal/,
    ],
    [
      'by a delegation of who is left out',
      { approver: 'omar', delegation: { ...delegation, from: 'ada' } },
      {},
      /author of the run's definition/,
    ],
    [
      'of a delegate who started the run',
      { approver: 'sam', delegation: { ...delegation, to: 'sam' } },
      {},
      /started this run/,
    ],
    [
      'of a delegate for a second person',
      { approver: 'omar', delegation: { ...delegation, from: 'rita', role: 'risk' } },
      { votes: [voted({ approver: 'omar', delegation })] },
      /'omar' has already voted/,
    ],
  ];
  for (const [what, decision, desk, reason] of cases) {
    it(`${what} is refused with the reason`, () => {
      assert.match(refused(decision, desk), reason);
    });
  }

  it('takes the roles of the identity provider only for whom the run’s own list says so', () => {
    const anybody = {
      ...electorate,
      approvers: [...electorate.approvers, { name: '*', roles: [], rolesFrom: 'oidc' as const }],
      excluded: [...electorate.excluded, { name: 'nobody', because: 'run-starter' as const }],
    };
    const reason = (change: object, who: Electorate = electorate) =>
      refusal({ ...vote, ...change }, open, rule, who, at(3)) ?? 'counts';
    assert.equal(reason({ approver: 'ida', roles: ['legal'] }), 'counts');
    assert.match(reason({ approver: 'ida', roles: ['cook'] }), /'ida' holds no role; .* needs legal/);
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
    assert.match(reason({ approver: 'nobody', roles: ['legal'] }, anybody), /started this run/);
  });

  it('on an approval that does not exist is refused', () => {
    assert.match(refusal(vote, undefined, rule, electorate, at(3)) ?? 'accepted', /there is no approval/);
  });

  it('by delegation counts from its start to its end, in the seat of the delegator', () => {
    const byDelegation = { approver: 'omar', delegation };
    assert.match(refused(byDelegation, {}, 1), /not in force: it holds from/);
    assert.equal(refused(byDelegation, {}, 2), 'accepted');
    assert.match(refused(byDelegation, {}, 8), /not in force/);
    assert.match(refused({}, { votes: [voted(byDelegation)] }), /seat of 'lena' is taken: 'omar' decided 'approve'/);
  });

  it('by delegation of who has their roles from the identity provider counts where that said so when they delegated', () => {
    const given = { ...delegation, from: 'ida' };
    const by = (change: object) => refused({ approver: 'omar', delegation: { ...given, ...change } });
    assert.match(by({}), /'ida' votes as legal and holds no role/);
    assert.equal(by({ roleFrom: 'oidc' }), 'accepted');
    assert.match(by({ roleFrom: 'oidc', role: 'cook' }), /the approval needs legal, risk/);
    // For somebody whom the run's own list gives their roles, the word of a provider is worth nothing.
    assert.match(by({ roleFrom: 'oidc', from: 'rita', role: 'legal' }), /'rita' votes as legal and holds risk/);
    assert.match(by({ roleFrom: 'oidc', from: 'nora' }), /'nora' is not among the approvers/);
  });

  it('of whom the approval was escalated to counts from half time on, for any seat', () => {
    assert.match(refused({ approver: 'hana' }, {}, 9), /holds head/);
    assert.equal(refused({ approver: 'hana' }, {}, 10), 'accepted');
    assert.equal(voted({ approver: 'hana' }, 10).escalated, true);
  });

  it('that could fill no seat any more is told which one is open', () => {
    assert.match(
      refused({ approver: 'lou' }, { votes: [voted({})] }),
      /every seat that 'lou' could fill \(legal\) is filled; open is risk/,
    );
    assert.equal(refused({ approver: 'lou', decision: 'reject', comment: 'no' }, { votes: [voted({})] }), 'accepted');
  });

  it('that is void hinders nobody', () => {
    const voided = { at: at(4), reason: 'changes were requested' };
    assert.equal(refused({}, { votes: [{ ...voted({}), voided }] }, 5), 'accepted');
  });
});
