/** What the API answers, as its OpenAPI document tells it. The server sends our types as they are; a test holds them to this. */
import { STATUS_CODES } from 'node:http';
import { z } from 'zod';
import type { ApprovalRecord, ResolutionRecord } from '../activities/contract/evidence.ts';
import { ERROR_KINDS, type ErrorKind } from '../artifacts/errors.ts';
import type { Digest as DigestText } from '../artifacts/reference.ts';
import type { RunSummary } from '../client/runs.ts';
import type { ApprovalName } from '../pipelines/definition.ts';
import type { RunState, StepState } from '../workflows/messages.ts';

const list = <Item extends z.ZodType>(item: Item) => z.array(item).readonly();
const time = z.string().describe('UTC, ISO 8601.');
/** A document of its own: its form is told in words, and may grow. */
const document = (description: string) => z.unknown().describe(description);

export const Digest = z.templateLiteral([
  'sha256:',
  z.string().regex(/^[0-9a-f]{64}$/),
]) satisfies z.ZodType<DigestText>;
const kinds = Object.keys(ERROR_KINDS) as [ErrorKind, ...ErrorKind[]];
const Kind = z.enum(kinds);
export const Approval = z.enum(['review', 'release']) satisfies z.ZodType<ApprovalName>;
export const Vote = z.enum(['approve', 'reject', 'request-changes']);
export const Action = z.enum(['retry', 'skip', 'abort']);

const Artifact = z
  .object({ digest: Digest, mediaType: z.string(), size: z.int(), name: z.string() })
  .meta({ id: 'Artifact', description: 'Content in the store; its digest is its identity.' });

const Mistake = z.object({ path: z.string(), message: z.string(), fix: z.string().optional() });

const StepError = z
  .object({
    kind: Kind,
    message: z.string(),
    where: z.string().optional(),
    fix: z.string().optional(),
    retryable: z.boolean(),
  })
  .meta({ id: 'StepError' });

const states: readonly RunState[] = [
  'running',
  'waiting-for-approval',
  'parked',
  'deployed',
  'rejected',
  'gates-failed',
  'failed',
  'cancelled',
];
const State = z.enum(states);

export const Summary = z
  .object({
    runId: z.string(),
    pipeline: z.string(),
    state: State,
    startedBy: z.string(),
    trigger: z.string(),
    startedAt: time,
    endedAt: time.nullable(),
  })
  .meta({ id: 'RunSummary' }) satisfies z.ZodType<RunSummary>;

const delegationFields = {
  id: z.string(),
  from: z.string(),
  to: z.string(),
  role: z.string(),
  startsAt: time,
  endsAt: time,
  roleFrom: z.literal('oidc').optional().describe('The identity provider said that `from` holds the role.'),
};
const Delegation = z.object(delegationFields).meta({ id: 'Delegation', description: 'Who lets whom fill their seat.' });
export { Delegation };
export const RevokedDelegation = z
  .object({ ...delegationFields, revoked: z.object({ at: time, by: z.string(), reason: z.string() }).optional() })
  .meta({ id: 'RevokedDelegation' });

const Decided = z
  .object({
    approval: Approval,
    decision: Vote,
    approver: z.string(),
    roles: list(z.string()),
    comment: z.string(),
    evidenceDigest: Digest,
    at: time,
    statement: Digest.optional().describe('The vote as it was signed: an in-toto statement in a DSSE envelope.'),
    openedAt: time,
    deadline: time,
    delegation: Delegation.optional(),
    escalated: z.literal(true).optional().describe('It counts by a role that the approval was escalated to.'),
    breakGlass: z.literal(true).optional().describe('It filled every seat alone.'),
    voided: z.object({ at: time, reason: z.string() }).optional().describe('It counts no longer.'),
  })
  .meta({ id: 'Decision', description: 'A vote as it is kept.' }) satisfies z.ZodType<ApprovalRecord>;
export { Decided as Decision };

const Resolution = z
  .object({
    step: z.string(),
    action: Action,
    settings: z.record(z.string(), z.unknown()).optional(),
    by: z.string(),
    comment: z.string(),
    error: z.string().optional(),
    at: time,
  })
  .meta({
    id: 'Resolution',
    description: 'What an operator decided about a parked step.',
  }) satisfies z.ZodType<ResolutionRecord>;

const stepStates: readonly StepState[] = [
  'pending',
  'running',
  'waiting',
  'parked',
  'done',
  'reused',
  'dropped',
  'failed',
  'skipped',
];

export const Step = z
  .object({
    id: z.string(),
    title: z.string(),
    stage: z.string(),
    needs: list(z.string()),
    state: z.enum(stepStates),
    key: Digest.optional(),
    computedBy: z.string().optional(),
    attempt: z.int().optional(),
    startedAt: time.optional(),
    finishedAt: time.optional(),
    error: StepError.optional(),
    actions: list(Action).optional(),
    standsBy: z
      .literal(true)
      .optional()
      .describe('A parked step that needs nobody yet: it drops out by itself as soon as another candidate may win.'),
    resolutions: list(Resolution).optional(),
  })
  .meta({ id: 'Step' });

const approvalFields = {
  approval: Approval,
  state: z.enum(['not-open', 'open', 'approved', 'rejected', 'changes-requested', 'expired']),
  seats: list(z.object({ role: z.string(), by: z.string().nullable() })).describe('Each seat, and who fills it.'),
  excluded: list(
    z.object({ name: z.string(), because: z.enum(['run-starter', 'definition-author', 'policy-editor']) }),
  ),
  escalateTo: list(z.string()),
  votes: list(Decided).describe('Every vote, also those that are void.'),
  evidence: Artifact.optional(),
  openedAt: time.optional(),
  escalatesAt: time.optional(),
  deadline: time.optional(),
  record: Decided.optional(),
};
const ofRun = { runId: z.string(), pipeline: z.string(), startedBy: z.string() };
const { votes: _, record: __, ...listedFields } = approvalFields;
export const OpenApproval = z.object({ ...listedFields, ...ofRun }).meta({ id: 'OpenApproval' });
export const ShownApproval = z
  .object({
    ...approvalFields,
    ...ofRun,
    closed: z.boolean().describe('Nobody can decide any more.'),
    evidenceFiles: list(z.object({ path: z.string(), digest: Digest, size: z.int(), mode: z.enum(['644', '755']) })),
  })
  .meta({ id: 'Approval', description: 'An approval, and the files of its evidence.' });

const Progress = z
  .object({
    phase: z.string(),
    done: z.number().optional(),
    total: z.number().optional(),
    etaSeconds: z.number().optional(),
    note: z.string().optional(),
    attempt: z.int(),
    epoch: z.number().optional(),
    loss: z.number().optional(),
    learningRate: z.number().optional(),
    samplesPerSecond: z.number().optional(),
    gpuMemoryMb: z.number().optional(),
    gpuUtilisation: z.number().optional().describe('0 to 1.'),
    lastCheckpointStep: z.int().optional(),
    lastCheckpointAt: time.optional(),
  })
  .meta({ id: 'Progress', description: 'How far a running step is, from its last heartbeat.' });

export const Run = z
  .object({
    runId: z.string(),
    pipeline: z.string(),
    startedBy: z.string(),
    startedAt: time,
    trigger: z.string(),
    state: State,
    steps: list(Step),
    approvals: list(z.object(approvalFields)),
    gates: document('The verdict of the gates: `verdict`, and `gates` with measure, threshold and reason.').optional(),
    deployment: document('What was deployed: model, channel, bundle, release, revision.').optional(),
    report: Artifact.optional(),
    progress: z.record(z.string(), Progress).describe('By the id of the running step.'),
    replayFailure: StepError.optional().describe(
      'No worker could go on with the run: why, and the ways out. The rest is what its history alone tells.',
    ),
  })
  .meta({ id: 'Run' });

export const Started = z.object({
  runId: z.string(),
  pipeline: z.string(),
  inputs: Digest.describe('Of what decides the result: the same again means the same steps.'),
});

export const Cancelled = z.object({ runId: z.string(), cancelled: z.literal(true) });

export const Explained = z
  .object({
    runId: z.string(),
    step: z.string(),
    state: z.enum(stepStates),
    key: Digest.nullable(),
    verdict: z.enum(['open', 'not-reusable', 'reused', 'computed']),
    reason: z.string(),
    computedBy: z.string().nullable(),
    computedAt: time.nullable(),
    comparedWith: z.object({ runId: z.string(), step: z.string() }).nullable(),
    differences: list(
      z.object({
        path: z.string(),
        from: z.unknown().optional(),
        to: z.unknown().optional(),
        origin: z.string().optional(),
      }),
    ),
  })
  .meta({ id: 'Explanation' });

const modelFields = {
  version: z.literal(1),
  model: z.string(),
  channel: z.string(),
  bundle: Artifact,
  release: Artifact,
  revision: z.int(),
  updatedAt: time,
  undid: Artifact.optional(),
  drift: document('The last drift report; null before the first.'),
  termsCheck: document('The last check of its terms; null before the first.'),
  reviewReopened: z
    .string()
    .nullable()
    .describe('What has changed since its release was approved, and where to decide; null while that decision stands.'),
  brokenGlass: list(z.object({ approval: z.string(), approver: z.string(), comment: z.string(), at: time }))
    .nullable()
    .describe('Who approved the release alone, and why; empty where nobody did, null where its record cannot be read.'),
};
export const Model = z.object(modelFields).meta({ id: 'Model', description: 'What a channel serves.' });
export const ShownModel = z
  .object({
    ...modelFields,
    releaseRecord: document('Why it may be served: run, evidence, approvals.'),
    terms: document(
      'What its licences ask: words to show (`builtWith`), use restrictions, and each duty with the file that does it or the person it is left to.',
    ),
    facts: document('The facts that the release was approved on, as in facts.json: the whole lineage.'),
  })
  .meta({ id: 'ModelDetail' });

export const Link = z.object({ url: z.string(), expiresAt: time });

export const ProblemAnswer = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    kind: Kind,
    where: z.string().optional(),
    fix: z.string().optional(),
    mistakes: list(Mistake).optional(),
    decision: Decided.nullable().optional(),
    instance: z.string().optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' });

/** What every route that takes a token can answer with. */
const ALWAYS = [401, 403, 429, 500, 503] as const;

/** The errors of a route, for its document: those of every route, and its own. */
export function problems<Status extends number>(...own: readonly Status[]) {
  const content = { 'application/problem+json': { schema: ProblemAnswer } };
  const answers = [...own, ...ALWAYS].map((status) => [status, { description: `${STATUS_CODES[status]}`, content }]);
  return Object.fromEntries(answers) as Record<
    Status | (typeof ALWAYS)[number],
    { description: string; content: typeof content }
  >;
}
