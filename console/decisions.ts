/** An approval as a person meets it, and a vote on it: the same for the API and for a signed link. */
import type { Client } from '@temporalio/client';
import type { ApprovalRecord } from '../activities/contract/evidence.ts';
import { EspalierError } from '../artifacts/errors.ts';
import { earlierVote } from '../artifacts/votes.ts';
import type { OpenApproval } from '../client/approvals.ts';
import type { Caller } from '../client/caller.ts';
import { castSignedVote, type Ballot, type VotingServices } from '../client/votes.ts';
import { ENDED, showRun } from '../client/runs.ts';
import type { ApprovalName } from '../pipelines/definition.ts';
import { ProblemError } from './problems.ts';

export interface ShownApproval extends OpenApproval {
  /** Nobody can decide any more: somebody has, the deadline did, or the run is over. */
  readonly closed: boolean;
}

/** @throws EspalierError NotFound when there is no such run, or no such approval in it */
export async function showApproval(client: Client, runId: string, approval: ApprovalName): Promise<ShownApproval> {
  const { approvals, pipeline, startedBy, state } = await showRun(client, runId);
  const found = approvals.find((one) => one.approval === approval);
  if (found === undefined) throw new EspalierError('NotFound', `run ${runId} has no approval '${approval}'`);
  const decided = found.state !== 'open' && found.state !== 'not-open';
  return { ...found, runId, pipeline, startedBy, closed: decided || ENDED.has(state) };
}

/**
 * Signs a vote and hands it in. The run's validator has the last word.
 * @throws ProblemError Conflict with the decision that stands, when the approval is closed or this person has voted
 * @throws EspalierError ApprovalRefused with the reason
 */
export async function castVote(
  services: VotingServices,
  runId: string,
  vote: Ballot,
  caller: Caller,
): Promise<ApprovalRecord> {
  try {
    return await castSignedVote(services, runId, vote, caller);
  } catch (error) {
    if (!(error instanceof EspalierError) || error.kind !== 'ApprovalRefused') throw error;
    const { closed, record, votes } = await showApproval(services.client, runId, vote.approval);
    const own = earlierVote({ ...vote, approver: caller.user }, votes);
    if (!closed && own === undefined) throw error;
    const conflict = new EspalierError('Conflict', error.message, {
      where: `${runId} ${vote.approval}`,
      fix: 'the first decision stands; a new one needs a new run',
    });
    throw new ProblemError(conflict, { decision: own ?? record ?? null });
  }
}
