/** What goes in and out of a run while it lives: its input, its view, and the decision a person sends. Types and names only. */
import { defineSearchAttributeKey } from '@temporalio/common';
import { defineQuery, defineUpdate } from '@temporalio/workflow';
import type { ApprovalRecord, ResolutionRecord, RunFacts, SettingChange } from '../activities/contract/evidence.ts';
import type { CandidateSource } from '../activities/contract/selection.ts';
import type { DataFileSource } from '../activities/contract/data.ts';
import type { Deployment } from '../activities/contract/deployment.ts';
import type { GatesVerdict } from '../activities/contract/validation.ts';
import type { ReopenedTerms } from '../activities/contract/review.ts';
import type { ErrorRecord } from '../artifacts/errors.ts';
import type { ArtifactRef, Digest } from '../artifacts/reference.ts';
import type { FilledSeat } from '../artifacts/seats.ts';
import type { Delegation, ExcludedPerson } from '../artifacts/votes.ts';
import type { ApprovalName, Pipeline } from '../pipelines/definition.ts';

export interface Approver {
  /** `*` with `rolesFrom`: whoever the identity provider gives a role. */
  readonly name: string;
  readonly roles: readonly string[];
  /** The roles are those that the identity provider says at the vote. */
  readonly rolesFrom?: 'oidc';
  /** May break the glass: approve alone, with a reason, marked for ever. No role brings that along. */
  readonly breakGlass?: boolean;
}

/** Whose work a run is about, from the last commit of the file. */
export interface Author {
  readonly of: 'definition-author' | 'policy-editor';
  /** As git has the name; null: the file is in no repository. */
  readonly person: string | null;
  /** The approvers who are this person. */
  readonly approvers: readonly string[];
}

/** Everything a run needs, local files already snapshotted: the same input starts the same run anywhere. */
export interface RunInput {
  readonly pipeline: Pipeline;
  /** The checked definition as an artifact: what lineage points to. */
  readonly definition: ArtifactRef;
  readonly dataFiles: readonly DataFileSource[];
  readonly candidates: readonly CandidateSource[];
  /** The organisation's licence policy, where there is one. */
  readonly policy?: ArtifactRef;
  /** What people have written for the dossier, where there is a file. */
  readonly dossier?: ArtifactRef;
  /** The communication guidelines of a run that generates text. */
  readonly guidelines?: ArtifactRef;
  /** The definition's own table of what is done to test pictures, where it names one. */
  readonly corruptions?: ArtifactRef;
  readonly startedBy: string;
  readonly trigger: RunFacts['run']['trigger'];
  /** Who may decide, as configured when the run began: a vote is checked against this, not against the voter's word. */
  readonly approvers: readonly Approver[];
  /** Who wrote the definition and edited the policy last, as far as that is known: they are left out by default. */
  readonly authors?: readonly Author[];
  /** false computes every step anew. */
  readonly reuse: boolean;
  /** A worker silent for this long is taken for dead and its step goes to another. */
  readonly heartbeatSeconds: number;
  /** What a failed step does: `park` (also when missing) waits for an operator's `resolve`; `fail` ends the run, for CI. */
  readonly onFailure?: OnFailure;
  /** Notifiers are configured: without, nothing is scheduled to tell anybody anything. */
  readonly notify?: boolean;
  /** Of a run that drift started: what operators changed in the run whose model drifted. It holds from the beginning. */
  readonly changes?: readonly SettingChange[];
  /** Of a run that changed terms started: what its review is about. */
  readonly reopened?: ReopenedTerms;
}

export type OnFailure = 'park' | 'fail';

export type StepState =
  | 'pending'
  | 'running'
  | 'waiting'
  | 'parked'
  | 'done'
  | 'reused'
  | 'dropped'
  | 'failed'
  | 'skipped';

export interface StepView {
  readonly id: string;
  readonly title: string;
  readonly stage: string;
  readonly needs: readonly string[];
  readonly state: StepState;
  readonly key?: Digest;
  readonly computedBy?: string;
  readonly attempt?: number;
  readonly startedAt?: string;
  readonly finishedAt?: string;
  readonly error?: ErrorRecord;
  /** While parked: what an operator can do about it. */
  readonly actions?: readonly ResolutionAction[];
  /** While parked: it needs nobody yet, since another candidate may still win; as soon as one may, it drops out by itself. */
  readonly standsBy?: true;
  readonly resolutions?: readonly ResolutionRecord[];
}

export interface ApprovalView {
  readonly approval: ApprovalName;
  readonly state: 'not-open' | 'open' | 'approved' | 'rejected' | 'changes-requested' | 'expired';
  readonly seats: readonly FilledSeat[];
  /** Who can fill no seat, and why. */
  readonly excluded: readonly ExcludedPerson[];
  /** Whose holders may fill any open seat from `escalatesAt` on. */
  readonly escalateTo: readonly string[];
  readonly evidence?: ArtifactRef;
  readonly openedAt?: string;
  readonly escalatesAt?: string;
  readonly deadline?: string;
  /** Every vote, also those that are void. */
  readonly votes: readonly ApprovalRecord[];
  /** The vote that closed it. */
  readonly record?: ApprovalRecord;
}

/** What stands in a waiting run's memo, under `OPEN_APPROVAL`: enough to list it without a worker. */
export type OpenedApproval = Required<
  Pick<
    ApprovalView,
    'approval' | 'state' | 'seats' | 'excluded' | 'escalateTo' | 'evidence' | 'openedAt' | 'escalatesAt' | 'deadline'
  >
>;
export const OPEN_APPROVAL = 'openApproval';

export type RunState =
  | 'running'
  | 'waiting-for-approval'
  | 'parked'
  | 'deployed'
  | 'rejected'
  | 'gates-failed'
  | 'failed'
  | 'cancelled';

export interface RunView {
  readonly runId: string;
  readonly pipeline: string;
  readonly startedBy: string;
  readonly startedAt: string;
  readonly trigger: RunInput['trigger'];
  readonly state: RunState;
  readonly steps: readonly StepView[];
  readonly approvals: readonly ApprovalView[];
  readonly gates?: GatesVerdict;
  readonly deployment?: Deployment;
  readonly report?: ArtifactRef;
}

/** What a run returns. */
export interface RunOutcome {
  readonly runId: string;
  readonly state: Extract<RunState, 'deployed' | 'rejected' | 'gates-failed'>;
  readonly reason: string;
  readonly report: ArtifactRef;
  readonly reportHtml: ArtifactRef;
  readonly deployment: Deployment | null;
}

export interface Decision {
  readonly approval: ApprovalName;
  readonly decision: ApprovalRecord['decision'];
  readonly approver: string;
  readonly comment: string;
  /** To fill the seat of its `from`. */
  readonly delegation?: Delegation;
  /** To approve at once, for whoever may. */
  readonly breakGlass?: true;
  /** The evidence the approver looked at; another digest than the open one is refused. */
  readonly evidenceDigest: Digest;
  /** The roles that the identity provider said, of who signed in with it. The statement must say the same. */
  readonly roles?: readonly string[];
  /** The vote as a signed statement: deployment and the model server hold the record to it. */
  readonly statement?: Digest;
}

export type ResolutionAction = ResolutionRecord['action'];
/** What an operator decides about a parked step; `error` is filled in by the run. */
export type Resolution = Omit<ResolutionRecord, 'at'>;

export const progressQuery = defineQuery<RunView>('progress');
export const decideUpdate = defineUpdate<ApprovalRecord, [Decision]>('decide');

/** Resolves a parked step; refused with the reason (`ResolutionRefused`) and without a trace in the history. */
export const resolveUpdate = defineUpdate<StepView, [Resolution]>('resolve');

export const PIPELINE_ATTRIBUTE = defineSearchAttributeKey('EspalierPipeline', 'KEYWORD');
export const STATE_ATTRIBUTE = defineSearchAttributeKey('EspalierState', 'KEYWORD');

/** Task queues: scaling out is more workers on the same queues. */
export const TASK_QUEUES = {
  orchestration: 'espalier',
  cpu: 'espalier-cpu',
  gpu: 'espalier-gpu',
  deploy: 'espalier-deploy',
  /** Watches over workers on clusters: long, and idle. */
  provision: 'espalier-provision',
} as const;

/**
 * The queue of one training's own worker: a DNS label, since the worker's job is named after it. `execution`: Temporal's
 * run id. `round`, from 1, counts how often the step was begun: what an earlier one left behind must not be taken for ours.
 */
export function ownQueue(execution: string, label: string, round: number): string {
  return `${TASK_QUEUES.gpu}-${execution}-${label}-${round}`;
}
