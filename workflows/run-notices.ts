/** What of one run people are told: an approval that moves, a step that parks or that no machine takes, candidates that are lost, its end. */
import { upsertMemo } from '@temporalio/workflow';
import type { NotificationEvent } from '../activities/notification/events.ts';
import type { ErrorRecord } from '../artifacts/errors.ts';
import { openSeats } from '../artifacts/seats.ts';
import type { ApprovalEvent } from './approvals.ts';
import { OPEN_APPROVAL, type ApprovalView, type OpenedApproval } from './messages.ts';
import { Notices } from './notices.ts';
import type { Run } from './run.ts';

/** Of a message: the run itself has the whole text. */
const MAX_REASON = 1000;

/** What each event of the desk is called outside. */
const APPROVAL_NOTICES = {
  opened: 'approval.opened',
  reminded: 'approval.reminder',
  escalated: 'approval.escalated',
  voted: 'approval.voted',
  decided: 'approval.decided',
  'changes-requested': 'approval.changes-requested',
  expired: 'approval.expired',
} as const;

export class RunNotices {
  private readonly run: Run;
  private readonly notices = new Notices();
  /** Kinds of steps, such as `profile`, that people know nobody takes. */
  private readonly untaken = new Set<string>();

  constructor(run: Run) {
    this.run = run;
  }

  /** Tells people, where notifiers are configured. It never fails, and nothing waits for it. */
  tell(event: Omit<NotificationEvent, 'runId' | 'pipeline' | 'at'>): void {
    if (this.run.input.notify !== true) return;
    const { reason } = event;
    this.notices.add({
      ...event,
      ...(reason === undefined ? {} : { reason: reason.slice(0, MAX_REASON) }),
      runId: this.run.id,
      pipeline: this.run.pipeline.name,
      at: new Date().toISOString(),
    });
  }

  /** Ends when all has been handed over. */
  allTold(): Promise<void> {
    return this.notices.allTold();
  }

  tellApproval(
    event: ApprovalEvent,
    { approval, state, evidence, deadline, seats, record, ...desk }: ApprovalView,
  ): void {
    const open = openSeats(seats).map(({ role }) => role);
    const { openedAt, escalatesAt, excluded, escalateTo } = desk;
    // The lists show who sits where.
    if (event === 'voted' && evidence && openedAt && escalatesAt && deadline) {
      const now = { approval, state, seats, excluded, escalateTo, evidence, openedAt, escalatesAt, deadline };
      upsertMemo({ [OPEN_APPROVAL]: now satisfies OpenedApproval });
    }
    const roles = event === 'escalated' ? [...open, ...desk.escalateTo] : open;
    const silent = [...desk.excluded.map(({ name }) => name), ...desk.votes.map(({ approver }) => approver)];
    const asked = this.run.input.approvers.filter(
      ({ name, roles: held }) => held.some((role) => roles.includes(role)) && !silent.includes(name),
    );
    this.tell({
      event: APPROVAL_NOTICES[state === 'changes-requested' ? state : event],
      approval,
      state,
      roles,
      ...(state === 'open' ? { approvers: asked.map(({ name }) => name) } : {}),
      ...(evidence === undefined ? {} : { evidence: evidence.digest }),
      ...(deadline === undefined ? {} : { deadline }),
      ...(record === undefined
        ? {}
        : { by: record.approver, decision: record.decision, comment: record.comment.slice(0, MAX_REASON) }),
    });
  }

  /** Candidates that stood by for a fault of the surroundings until another one was enough. */
  tellLeftOut(candidates: readonly { readonly id: string; readonly error?: ErrorRecord }[]): void {
    const told = candidates.map(({ id, error }) =>
      error === undefined ? id : `${id} (${error.kind}: ${error.message})`,
    );
    this.tell({ event: 'candidates.left-out', state: 'running', reason: told.join('; ') });
  }

  /** Nobody of the class takes a step: once of all of its kind, which wait for the same machines. */
  tellNoMachine(step: string, { kind, message }: ErrorRecord): void {
    const [of = step] = step.split(':');
    if (this.untaken.has(of)) return;
    this.untaken.add(of);
    this.tell({ event: 'run.no-machine', state: 'running', step, reason: `${kind}: ${message}` });
  }

  tellParked(): void {
    const parked = this.run.engine.view().find(({ state, standsBy }) => state === 'parked' && standsBy !== true);
    if (parked === undefined) return;
    const { id: step, error } = parked;
    this.tell({
      event: 'run.parked',
      state: 'parked',
      step,
      ...(error === undefined ? {} : { reason: `${error.kind}: ${error.message}` }),
    });
  }
}
