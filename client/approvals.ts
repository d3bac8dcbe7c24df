/** Decisions: what waits for one, and handing one in. */
import { readFile } from 'node:fs/promises';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { z } from 'zod';
import type { ApprovalRecord } from '../activities/contract.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { ApprovalView, Approver, Decision } from '../workflows/messages.ts';
import { asRunError, listRuns, showRun } from './runs.ts';
import { sendUpdate, UpdateRefused } from './updates.ts';

export interface OpenApproval extends ApprovalView {
  readonly runId: string;
  readonly pipeline: string;
  readonly startedBy: string;
}

/** Everything that waits for a person, oldest first. */
export async function listApprovals(client: Client): Promise<OpenApproval[]> {
  const waiting = (await listRuns(client, { limit: 1000 })).filter(({ state }) => state === 'waiting-for-approval');
  const views = await Promise.all(waiting.map(({ runId }) => showRun(client, runId)));
  return views
    .flatMap(({ runId, pipeline, startedBy, approvals }) =>
      approvals
        .filter(({ state }) => state === 'open')
        .map((approval) => ({ ...approval, runId, pipeline, startedBy })),
    )
    .sort((a, b) => (a.openedAt ?? '').localeCompare(b.openedAt ?? ''));
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
    throw asRunError(error, runId);
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
  roles: z.array(Name).min(1),
});
/** By the identity provider's groups: this person, or everybody (`*`). */
const ByGroups = z
  .strictObject({ name: Name, rolesFrom: z.literal('oidc') })
  .transform((one) => ({ ...one, roles: [] }));
const Approvers = z
  .array(z.union([Listed, ByGroups]))
  .min(1)
  .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, 'a name is there twice');

/** Who may approve, from a JSON file `[{"name": "lena", "roles": ["legal"]}, {"name": "*", "rolesFrom": "oidc"}]`. */
export async function readApprovers(path: string): Promise<Approver[]> {
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
