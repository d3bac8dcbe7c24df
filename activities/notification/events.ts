/** What people are told of, as plain data: a workflow says it, notifiers carry it. */
import type { Digest } from '../../artifacts/reference.ts';

export const NOTIFICATION_EVENTS = [
  'approval.opened',
  'approval.reminder',
  'approval.escalated',
  'approval.voted',
  'approval.decided',
  'approval.expired',
  'approval.changes-requested',
  'run.parked',
  'run.no-machine',
  'candidates.left-out',
  'run.ended',
  'terms.changed',
] as const;
export type NotificationName = (typeof NOTIFICATION_EVENTS)[number];

/** Small, without secrets, and of people only the names that approve. Times are ISO 8601. */
export interface NotificationEvent {
  readonly event: NotificationName;
  readonly runId: string;
  readonly pipeline: string;
  /** When it happened, by the workflow's clock. */
  readonly at: string;
  readonly approval?: 'review' | 'release';
  /** What the approval is bound to. */
  readonly evidence?: Digest;
  readonly deadline?: string;
  readonly roles?: readonly string[];
  /** Whom it asks: those who may decide and have not. A notifier that writes to each approver writes to these. */
  readonly approvers?: readonly string[];
  readonly by?: string;
  readonly decision?: string;
  readonly comment?: string;
  /** How the run, or the approval, stands. */
  readonly state?: string;
  readonly step?: string;
  /** One sentence. */
  readonly reason?: string;
  readonly model?: string;
}

/** What became of one message: at most one a notifier, or one an approver. */
export interface NotificationSummary {
  readonly delivered: number;
  readonly undelivered: number;
}
