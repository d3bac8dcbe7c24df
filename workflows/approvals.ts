/** The approval desk: what is open, what has been decided, and when it is too late. The rules are in votes.ts; the desk waits. */
import { ApplicationFailure, condition, workflowInfo } from '@temporalio/workflow';
import type { ApprovalRecord } from '../activities/contract/evidence.ts';
import type { ArtifactRef } from '../artifacts/reference.ts';
import { halfTime, tally, type Electorate } from '../artifacts/votes.ts';
import type { ApprovalName, Pipeline } from '../pipelines/definition.ts';
import { durationSeconds } from '../pipelines/duration.ts';
import type { ApprovalView, Decision, OpenedApproval } from './messages.ts';
import { current, recordOf, refusal } from './votes.ts';

type Open = { -readonly [K in keyof ApprovalView]: ApprovalView[K] };
type Ended = 'approved' | 'rejected' | 'changes-requested' | 'expired';
/** What happens to an approval, for whoever is to hear of it. */
export type ApprovalEvent = 'opened' | 'reminded' | 'escalated' | 'voted' | 'decided' | 'expired';

/** Shares of the time to decide at which people hear that it still waits. */
const MILESTONES = [
  { share: 0.25, event: 'reminded' },
  { share: 0.5, event: 'escalated' },
  { share: 0.75, event: 'reminded' },
  { share: 1, event: 'expired' },
] as const;

export class ApprovalDesk {
  private readonly desks: ReadonlyMap<ApprovalName, Open>;
  private readonly rules: Pipeline['approvals'];
  private readonly electorate: Electorate;
  private readonly onEvent: (event: ApprovalEvent, approval: ApprovalView) => void;
  /** Length of the history when the desk last emitted commands. */
  private movedAt = -1;

  /** `onEvent` may emit commands; it is called where that is safe. */
  constructor(
    rules: Pipeline['approvals'],
    electorate: Electorate,
    onEvent: (event: ApprovalEvent, approval: ApprovalView) => void = () => undefined,
  ) {
    this.electorate = electorate;
    this.rules = rules;
    this.onEvent = onEvent;
    this.desks = new Map(
      (['review', 'release'] as const).map((approval) => {
        const { escalateTo, liftedExclusions } = rules[approval];
        const excluded = electorate.excluded.filter(({ because }) => !liftedExclusions.includes(because));
        const { seats } = tally([], rules[approval], electorate);
        return [approval, { approval, state: 'not-open', seats, excluded, escalateTo, votes: [] }];
      }),
    );
  }

  /** The Update's validator: synchronous and read-only; a refused vote leaves no history event. */
  validate(decision: Decision): void {
    const desk = this.desks.get(decision.approval);
    const rule = this.rules[decision.approval];
    const reason = refusal(decision, desk, rule, this.electorate, new Date().toISOString());
    if (reason !== undefined) throw ApplicationFailure.nonRetryable(reason, 'ApprovalRefused');
    // A vote that shares a workflow task with other events is handled after them when it arrives and before them on
    // replay. A task that has emitted commands before the vote would emit them in another order then, and the run would
    // hang: such a vote is sent again, and comes with a later task.
    if (this.movedAt === workflowInfo().historyLength) {
      throw ApplicationFailure.nonRetryable('the run is just moving on; send it again in a moment', 'ApprovalTooEarly');
    }
  }

  decide(decision: Decision): ApprovalRecord {
    const desk = this.desk(decision.approval);
    const rule = this.rules[decision.approval];
    const record = recordOf(decision, desk, rule, this.electorate, new Date().toISOString());
    desk.votes = [...desk.votes, record];
    const { seats, verdict } = tally(current(desk), rule, this.electorate);
    desk.seats = seats;
    if (verdict === 'open') {
      this.tell('voted', desk);
      return record;
    }
    desk.state = verdict;
    desk.record = record;
    return record;
  }

  /** How the approval stands once `wait`, called in this very workflow task, has opened it: for the lists. */
  opening(approval: ApprovalName, evidence: ArtifactRef): OpenedApproval {
    const { seats, excluded, escalateTo } = this.desk(approval);
    return { approval, state: 'open', seats, excluded, escalateTo, evidence, ...this.times(approval, Date.now()) };
  }

  /**
   * Opens the approval on this evidence and waits: until the votes decide, or for the deadline, which rejects and never
   * approves.
   */
  async wait(approval: ApprovalName, evidence: ArtifactRef): Promise<Ended> {
    const desk = this.desk(approval);
    const opened = Date.now();
    Object.assign(desk, { evidence, ...this.times(approval, opened), state: 'open' });
    const milliseconds = durationSeconds(this.rules[approval].timeout) * 1000;
    this.tell('opened', desk);
    for (const { share, event } of MILESTONES) {
      const left = Math.max(1, opened + Math.ceil(share * milliseconds) - Date.now());
      if (await condition(() => desk.state !== 'open', left)) break;
      if (event === 'expired') desk.state = 'expired';
      this.tell(event, desk);
    }
    if (desk.state !== 'expired') this.tell('decided', desk);
    if (desk.state === 'open' || desk.state === 'not-open') throw new Error(`approval ${approval} ended open`);
    return desk.state;
  }

  /** Voids every vote on the evidence before: new evidence is about to be gathered, and tells of them. */
  reopen(approval: ApprovalName): void {
    const desk = this.desk(approval);
    const voided = { at: new Date().toISOString(), reason: 'changes were requested' };
    desk.votes = desk.votes.map((vote) => (vote.voided === undefined ? { ...vote, voided } : vote));
    desk.seats = tally([], this.rules[approval], this.electorate).seats;
    desk.state = 'not-open';
    delete desk.record;
  }

  private times(approval: ApprovalName, opened: number): Pick<OpenedApproval, 'openedAt' | 'escalatesAt' | 'deadline'> {
    const milliseconds = durationSeconds(this.rules[approval].timeout) * 1000;
    const [openedAt, deadline] = [opened, opened + milliseconds].map((at) => new Date(at).toISOString()) as [
      string,
      string,
    ];
    return { openedAt, escalatesAt: halfTime(openedAt, deadline), deadline };
  }

  private tell(event: ApprovalEvent, desk: Open): void {
    this.movedAt = workflowInfo().historyLength;
    this.onEvent(event, { ...desk });
  }

  view(): readonly ApprovalView[] {
    return [...this.desks.values()].map((desk) => ({ ...desk }));
  }

  records(): readonly ApprovalRecord[] {
    return [...this.desks.values()].flatMap(({ votes }) => votes);
  }

  private desk(approval: ApprovalName): Open {
    const desk = this.desks.get(approval);
    if (desk === undefined) throw new Error(`no approval ${approval}`);
    return desk;
  }
}
