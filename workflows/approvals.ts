/** The approval desk: what is open, who may decide, and why a vote is refused. The rules are pure; the desk only waits. */
import { ApplicationFailure, condition, sleep } from '@temporalio/workflow';
import type { ApprovalRecord } from '../activities/contract.ts';
import { isDigest, type ArtifactRef } from '../artifacts/reference.ts';
import type { ApprovalName, Pipeline } from '../pipelines/definition.ts';
import { durationSeconds } from '../pipelines/duration.ts';
import type { ApprovalView, Approver, Decision, OpenedApproval } from './messages.ts';

type Open = { -readonly [K in keyof ApprovalView]: ApprovalView[K] };

const ANYBODY = '*';

/** Longest comment kept in the history; a longer text belongs into a document the comment names. */
const MAX_COMMENT = 4000;

export interface Electorate {
  readonly startedBy: string;
  readonly approvers: readonly Approver[];
}

/** Why this vote does not count; undefined when it does. */
export function refusal(
  decision: Decision,
  open: ApprovalView | undefined,
  electorate: Electorate,
): string | undefined {
  if (open === undefined) return `there is no approval '${decision.approval}'; there are review and release`;
  if (open.state === 'not-open') return `approval '${open.approval}' is not open yet`;
  if (open.state !== 'open') {
    const by = open.record === undefined ? '' : ` by ${open.record.approver} at ${open.record.at}`;
    return `approval '${open.approval}' is closed: ${open.state}${by}`;
  }
  const approver = approverOf(decision, electorate);
  if (approver === undefined) return `'${decision.approver}' is not among the approvers of this run`;
  if (approver.rolesFrom !== undefined && decision.roles === undefined) {
    return `the roles of '${approver.name}' come from the identity provider: sign in to the console to vote`;
  }
  if (approver.name === electorate.startedBy) return `'${approver.name}' started this run and cannot approve it`;
  if (!approver.roles.some((role) => open.roles.includes(role))) {
    return `'${approver.name}' holds ${approver.roles.join(', ') || 'no role'}; approval '${open.approval}' needs ${open.roles.join(' or ')}`;
  }
  if (decision.evidenceDigest !== open.evidence?.digest) {
    return `the evidence is stale: the vote is on ${decision.evidenceDigest}, open is ${open.evidence?.digest ?? 'none'}; look at it again`;
  }
  if (decision.decision !== 'approve' && decision.decision !== 'reject') return `a decision is 'approve' or 'reject'`;
  if (typeof decision.comment !== 'string' || decision.comment.length > MAX_COMMENT) {
    return `a comment has at most ${MAX_COMMENT} characters`;
  }
  if (decision.decision === 'reject' && decision.comment.trim() === '')
    return 'a rejection needs a comment that says why';
  if (!isDigest(decision.statement)) return 'a vote is handed in with its signed statement';
  return undefined;
}

/**
 * The voter as the run's own list has them. The identity provider's roles count only where the list says so: an entry by
 * name comes before the one for everybody.
 */
function approverOf({ approver, roles }: Decision, { approvers }: Electorate): Approver | undefined {
  const found =
    approvers.find(({ name }) => name === approver) ??
    approvers.find(({ name, rolesFrom }) => name === ANYBODY && rolesFrom !== undefined);
  if (found?.rolesFrom === undefined) return found;
  return {
    ...found,
    name: approver,
    roles: Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : [],
  };
}

export class ApprovalDesk {
  private readonly desks: ReadonlyMap<ApprovalName, Open>;
  private readonly timeouts: Readonly<Record<ApprovalName, string>>;
  private readonly electorate: Electorate;

  constructor(rules: Pipeline['approvals'], electorate: Electorate) {
    this.electorate = electorate;
    this.timeouts = { review: rules.review.timeout, release: rules.release.timeout };
    this.desks = new Map(
      (['review', 'release'] as const).map((approval) => [
        approval,
        { approval, state: 'not-open', roles: rules[approval].roles },
      ]),
    );
  }

  /** The Update's validator: synchronous and read-only; a refused vote leaves no history event. */
  validate(decision: Decision): void {
    const reason = refusal(decision, this.desks.get(decision.approval), this.electorate);
    if (reason !== undefined) throw ApplicationFailure.nonRetryable(reason, 'ApprovalRefused');
  }

  decide(decision: Decision): ApprovalRecord {
    const desk = this.desk(decision.approval);
    const approver = approverOf(decision, this.electorate);
    const record: ApprovalRecord = {
      approval: decision.approval,
      decision: decision.decision,
      approver: decision.approver,
      roles: (approver?.roles ?? []).filter((role) => desk.roles.includes(role)),
      comment: decision.comment,
      evidenceDigest: decision.evidenceDigest,
      at: new Date().toISOString(),
      ...(decision.statement === undefined ? {} : { statement: decision.statement }),
    };
    desk.record = record;
    desk.state = decision.decision === 'approve' ? 'approved' : 'rejected';
    return record;
  }

  /** How the approval stands once `wait`, called in this very workflow task, has opened it: for the lists. */
  opening(approval: ApprovalName, evidence: ArtifactRef): OpenedApproval {
    const { roles } = this.desk(approval);
    const [now, milliseconds] = [Date.now(), durationSeconds(this.timeouts[approval]) * 1000];
    const [openedAt, deadline] = [new Date(now).toISOString(), new Date(now + milliseconds).toISOString()];
    return { approval, state: 'open', roles, evidence, openedAt, deadline };
  }

  /** Opens the approval on this evidence and waits: for one decision, or for the deadline, which rejects and never approves. */
  async wait(approval: ApprovalName, evidence: ArtifactRef): Promise<'approved' | 'rejected' | 'expired'> {
    const desk = this.desk(approval);
    const milliseconds = durationSeconds(this.timeouts[approval]) * 1000;
    desk.evidence = evidence;
    desk.openedAt = new Date().toISOString();
    desk.deadline = new Date(Date.now() + milliseconds).toISOString();
    // The desk opens one workflow task after its timer and attributes were written. A vote that shares a task with other
    // events is handled after them when it arrives and before them on replay: between opening and vote there must be no
    // command, or the replay finds them in another order and the run hangs.
    const open = async (): Promise<void> => {
      await sleep(1);
      if (desk.record === undefined) desk.state = 'open';
    };
    await Promise.all([condition(() => desk.record !== undefined, milliseconds), open()]);
    if (desk.record === undefined) desk.state = 'expired';
    return desk.record === undefined ? 'expired' : desk.record.decision === 'approve' ? 'approved' : 'rejected';
  }

  view(): readonly ApprovalView[] {
    return [...this.desks.values()].map((desk) => ({ ...desk }));
  }

  records(): readonly ApprovalRecord[] {
    return [...this.desks.values()].flatMap(({ record }) => (record === undefined ? [] : [record]));
  }

  private desk(approval: ApprovalName): Open {
    const desk = this.desks.get(approval);
    if (desk === undefined) throw new Error(`no approval ${approval}`);
    return desk;
  }
}
