/** Decisions: what waits for one, and handing one in. */
import { readFile } from 'node:fs/promises';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { z } from 'zod';
import type { ApprovalRecord } from '../activities/contract/evidence.ts';
import { digestBytes } from '../artifacts/digest.ts';
import { EspalierError } from '../artifacts/errors.ts';
import { hexOf } from '../artifacts/reference.ts';
import {
  OPEN_APPROVAL,
  STATE_ATTRIBUTE,
  type ApprovalView,
  type Approver,
  type Decision,
  type OpenedApproval,
} from '../workflows/messages.ts';
import { asRunError } from './run-errors.ts';
import { showRun } from './runs.ts';
import { sendUpdate, UpdateRefused } from './updates.ts';

interface OfRun {
  readonly runId: string;
  readonly pipeline: string;
  readonly startedBy: string;
}
export type OpenApproval = ApprovalView & OfRun;
/** As lists have it: who fills which seat, without the votes. */
export type ListedApproval = OpenedApproval & OfRun;

/** Waiting runs, as their own memos tell them: no run is asked, so no worker need be there. */
const WAITING = `WorkflowType = 'runPipeline' AND ExecutionStatus = 'Running' AND ${STATE_ATTRIBUTE.name} = 'waiting-for-approval'`;
/** The most that a server gives at once by default. */
const MAX_PAGE = 1000;

export interface ApprovalsPage {
  readonly approvals: readonly ListedApproval[];
  /** The `cursor` of what follows; null: nothing does. */
  readonly next: string | null;
}

/** As many as somebody reads. */
export const APPROVALS_AT_ONCE = 100;

export interface ApprovalsList {
  /** Of the newest runs, the longest open first. */
  readonly approvals: readonly ListedApproval[];
  /** How many wait altogether. */
  readonly total: number;
}

/** What waits for a person: at most `limit` of it, and how much there is. */
export async function listApprovals(client: Client, limit = APPROVALS_AT_ONCE): Promise<ApprovalsList> {
  const approvals: ListedApproval[] = [];
  let cursor: string | undefined;
  do {
    const page = await pageOfApprovals(client, { limit: Math.min(MAX_PAGE, limit - approvals.length), cursor });
    approvals.push(...page.approvals);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined && approvals.length < limit);
  approvals.sort((a, b) => (a.openedAt < b.openedAt ? -1 : 1));
  const counted = cursor === undefined ? 0 : (await client.workflow.count(WAITING)).count;
  return { approvals, total: Math.max(approvals.length, counted) };
}

/**
 * At most `limit` (up to 1000) of what waits for a person, in the server's order: by the start of the run, the newest first.
 * @throws EspalierError BadRequest for a cursor that is none
 */
export async function pageOfApprovals(
  client: Client,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<ApprovalsPage> {
  try {
    const { executions, nextPageToken } = await client.workflowService.listWorkflowExecutions({
      namespace: client.options.namespace,
      query: WAITING,
      pageSize: Math.min(limit, MAX_PAGE),
      ...(cursor === undefined ? {} : { nextPageToken: tokenOf(cursor) }),
    });
    const more = nextPageToken != null && nextPageToken.length > 0;
    return {
      approvals: (executions ?? []).flatMap(({ execution, memo }) =>
        openApprovalOf(execution?.workflowId, memo?.fields),
      ),
      next: more ? cursorOf(nextPageToken) : null,
    };
  } catch (error) {
    throw error instanceof EspalierError ? error : asRunError(client, error, 'list');
  }
}

/** The server's token, with a check of our own: of a token that is none it says only that something went wrong. */
function cursorOf(token: Uint8Array): string {
  return `${Buffer.from(token).toString('base64url')}.${hexOf(digestBytes(token)).slice(0, 16)}`;
}

function tokenOf(cursor: string): Uint8Array {
  const token = Buffer.from(cursor.split('.')[0] ?? '', 'base64url');
  if (cursorOf(token) === cursor) return token;
  throw new EspalierError('BadRequest', 'this cursor is none', {
    where: 'cursor',
    fix: 'give the one in the header `Link` of an earlier answer as it is, or leave it out to begin',
  });
}

type Fields = Readonly<Record<string, Parameters<typeof defaultPayloadConverter.fromPayload>[0]>> | null | undefined;

/** None: it was decided on in between. */
function openApprovalOf(runId: string | null | undefined, fields: Fields): readonly ListedApproval[] {
  const [open, pipeline, startedBy] = [OPEN_APPROVAL, 'pipeline', 'startedBy'].map((name) => {
    const payload = fields?.[name];
    return payload === undefined ? undefined : defaultPayloadConverter.fromPayload(payload);
  });
  if (open == null || !runId) return [];
  return [{ ...(open as OpenedApproval), runId, pipeline: String(pipeline), startedBy: String(startedBy) }];
}

/**
 * Hands in a decision. The run's validator has the last word.
 * @throws EspalierError ApprovalRefused with the reason (wrong role, own run, stale evidence, closed …);
 *   TemporalUnavailable when no worker answers
 */
export async function decide(client: Client, runId: string, decision: Decision): Promise<ApprovalRecord> {
  try {
    return await sendUpdate<ApprovalRecord, Decision>(client, runId, 'decide', decision);
  } catch (error) {
    if (error instanceof UpdateRefused) {
      throw new EspalierError('ApprovalRefused', error.message, {
        where: `${runId} ${decision.approval}`,
        fix: `\`espalier approvals show ${runId}\` shows who may decide on what`,
      });
    }
    if (error instanceof WorkflowNotFoundError) throw await ended(client, runId, decision.approval);
    throw asRunError(client, error, runId);
  }
}

/** A run that has ended takes no more votes; it still says who decided. Throws NotFound when there is no such run. */
async function ended(client: Client, runId: string, approval: Decision['approval']): Promise<EspalierError> {
  const { approvals, state } = await showRun(client, runId);
  const desk = approvals.find((one) => one.approval === approval);
  const by = desk?.record === undefined ? '' : ` by ${desk.record.approver} at ${desk.record.at}`;
  return new EspalierError('ApprovalRefused', `approval '${approval}' is closed: ${desk?.state ?? 'unknown'}${by}`, {
    where: `${runId} ${approval}`,
    fix: `the run has ended (${state}); a new decision needs a new run`,
  });
}

const Name = z.string().min(1);
const Listed = z.strictObject({
  name: Name.refine((name) => name !== '*', "'*' needs rolesFrom"),
  roles: z.array(Name),
  emails: z.array(Name).default([]),
  breakGlass: z.boolean().default(false),
});
/** By the identity provider's groups: this person, or everybody (`*`). */
const ByGroups = z
  .strictObject({ name: Name, rolesFrom: z.literal('oidc') })
  .transform((one) => ({ ...one, roles: [], emails: [], breakGlass: false }));
const Approvers = z
  .array(z.union([Listed, ByGroups]))
  .min(1)
  .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, 'a name is there twice')
  .refine(
    (all) => all.every((one) => one.roles.length > 0 || one.breakGlass || 'rolesFrom' in one),
    'somebody has neither a role nor breakGlass',
  );

/** An approver with what finds them in a repository's history; no run keeps that. */
export interface KnownApprover extends Approver {
  readonly emails: readonly string[];
}

/** Who may approve, from a JSON file `[{"name": "lena", "roles": ["legal"]}, {"name": "*", "rolesFrom": "oidc"}]`. */
export async function readApprovers(path: string): Promise<KnownApprover[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    throw new EspalierError('NotFound', `the approvers file ${path} cannot be read`, {
      where: 'ESPALIER_APPROVERS',
      fix: 'write a JSON list of {"name", "roles"} there, or let ESPALIER_APPROVERS point to one',
    });
  }
  try {
    return Approvers.parse(JSON.parse(text));
  } catch (error) {
    const detail = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new EspalierError('BadConfig', `the approvers file ${path} is not valid: ${detail}`, {
      where: path,
      fix: 'it holds a JSON list like [{"name": "lena", "roles": ["legal"]}, {"name": "*", "rolesFrom": "oidc"}]',
    });
  }
}
