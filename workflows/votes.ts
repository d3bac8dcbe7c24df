/** Which decisions count at an open approval, and how they are kept. Pure rules on top of artifacts/votes.ts. */
import type { ApprovalRecord } from '../activities/contract/evidence.ts';
import { isDigest } from '../artifacts/reference.ts';
import {
  earlierVote,
  electorOf,
  exclusionOf,
  halfTime,
  rolesOf,
  tally,
  voteProblem,
  type ApprovalRule,
  type Electorate,
  type Vote,
} from '../artifacts/votes.ts';
import { openSeats, seatText } from '../artifacts/seats.ts';
import type { ApprovalView, Decision } from './messages.ts';

/** Longest comment kept in the history; a longer text belongs into a document the comment names. */
const MAX_COMMENT = 4000;
const NEEDS_COMMENT = { reject: 'a rejection', 'request-changes': 'a request for changes' } as const;

/** Why this vote does not count; undefined when it does. `at`: now. */
export function refusal(
  decision: Decision,
  open: ApprovalView | undefined,
  rule: ApprovalRule,
  electorate: Electorate,
  at: string,
): string | undefined {
  if (open === undefined) return `there is no approval '${decision.approval}'; there are review and release`;
  if (open.state === 'not-open') return `approval '${open.approval}' is not open yet`;
  if (open.state !== 'open') {
    const by = open.record === undefined ? '' : ` by ${open.record.approver} at ${open.record.at}`;
    return `approval '${open.approval}' is closed: ${open.state}${by}`;
  }
  return formProblem(decision, open) ?? voterProblem(decision, open, rule, electorate, at);
}

/** What is wrong with the decision itself, whoever sends it. */
function formProblem(decision: Decision, open: ApprovalView): string | undefined {
  const { comment } = decision;
  if (!['approve', 'reject', 'request-changes'].includes(decision.decision)) {
    return `a decision is 'approve', 'reject' or 'request-changes'`;
  }
  if (typeof comment !== 'string' || comment.length > MAX_COMMENT) {
    return `a comment has at most ${MAX_COMMENT} characters`;
  }
  if (decision.evidenceDigest !== open.evidence?.digest) {
    return `the evidence is stale: the vote is on ${decision.evidenceDigest}, open is ${open.evidence?.digest ?? 'none'}; look at it again`;
  }
  if (decision.decision !== 'approve' && comment.trim() === '') {
    return `${NEEDS_COMMENT[decision.decision]} needs a comment that says why`;
  }
  if (!isDigest(decision.statement)) return 'a vote is handed in with its signed statement';
  return undefined;
}

/** Why this person cannot decide so, now. */
function voterProblem(
  decision: Decision,
  open: ApprovalView,
  rule: ApprovalRule,
  electorate: Electorate,
  at: string,
): string | undefined {
  const excluded = exclusionOf(decision.approver, rule, electorate);
  if (excluded !== undefined) return excluded;
  const earlier = earlierVote(decision, open.votes);
  if (earlier !== undefined) return secondVote(decision, earlier);
  const elector = electorOf(decision.approver, electorate, rolesSaid(decision));
  const personal = decision.delegation === undefined && decision.breakGlass !== true;
  if (personal && elector?.rolesFrom !== undefined && decision.roles === undefined) {
    return `the roles of '${decision.approver}' come from the identity provider: sign in to the console to vote`;
  }
  const vote = recordOf(decision, open, rule, electorate, at);
  const problem = voteProblem(vote, rule, electorate);
  if (problem !== undefined) return problem;
  const before = openSeats(tally(current(open), rule, electorate).seats);
  const after = tally([...current(open), vote], rule, electorate);
  if (
    vote.decision !== 'approve' ||
    after.verdict === 'approved' ||
    seatText(openSeats(after.seats)) !== seatText(before)
  )
    return undefined;
  return `every seat that '${vote.approver}' could fill (${vote.roles.join(', ')}) is filled; open is ${seatText(before)}`;
}

function secondVote({ approver, delegation }: Decision, earlier: Vote): string {
  const said = `decided '${earlier.decision}' at ${earlier.at}`;
  if (earlier.approver === approver) return `'${approver}' has already voted: ${said}`;
  const seat = delegation === undefined ? approver : delegation.from;
  return `the seat of '${seat}' is taken: '${earlier.approver}' ${said}`;
}

/** The votes on the evidence that lies on the desk. */
export function current({ votes }: Pick<ApprovalView, 'votes'>): readonly ApprovalRecord[] {
  return votes.filter(({ voided }) => voided === undefined);
}

/** From outside: a list of words, or nothing. */
function rolesSaid({ roles }: Decision): readonly string[] {
  return Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : [];
}

/** A decision as it is kept. */
export function recordOf(
  decision: Decision,
  open: ApprovalView,
  rule: ApprovalRule,
  electorate: Electorate,
  at: string,
): ApprovalRecord {
  const { approval, approver, comment, evidenceDigest, delegation, breakGlass, statement } = decision;
  const { openedAt = at, deadline = at } = open;
  const own = rolesOf(approver, rule, electorate, at >= halfTime(openedAt, deadline), rolesSaid(decision));
  const roles = breakGlass === true || delegation !== undefined ? [] : own.roles;
  const escalated = breakGlass !== true && delegation === undefined && own.escalated;
  return {
    approval,
    decision: decision.decision,
    approver,
    roles,
    comment,
    evidenceDigest,
    at,
    openedAt,
    deadline,
    ...(delegation === undefined ? {} : { delegation }),
    ...(escalated ? { escalated } : {}),
    ...(breakGlass === true ? { breakGlass } : {}),
    ...(statement === undefined ? {} : { statement }),
  };
}
