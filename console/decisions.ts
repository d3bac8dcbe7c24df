/** An approval as a person meets it, and a vote on it: the same for the API and for a signed link. */
import type { Client } from '@temporalio/client';
import type { ApprovalRecord, RunFacts } from '../activities/contract/evidence.ts';
import { EspalierError } from '../artifacts/errors.ts';
import { earlierVote, type Delegation } from '../artifacts/votes.ts';
import type { OpenApproval } from '../client/approvals.ts';
import type { Caller } from '../client/caller.ts';
import { delegationFor, delegatorsOf } from '../client/delegations.ts';
import { castSignedVote, type Ballot, type VotingServices } from '../client/votes.ts';
import { ENDED, showRun } from '../client/runs.ts';
import type { ApprovalName } from '../pipelines/definition.ts';
import { ProblemError } from './problems.ts';
import type { Services } from './services.ts';

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

/** How somebody wants their vote to count, when not as their own. */
export interface Manner {
  /** Who has delegated their seat to the voter. */
  readonly onBehalfOf?: string | undefined;
  readonly breakGlass?: true | undefined;
}

/** @throws EspalierError ApprovalRefused when nothing was delegated; NotFound when there is no such run */
export async function mannerOf(
  { client, pointers }: Pick<Services, 'client' | 'pointers'>,
  { run, approval }: { readonly run: string; readonly approval: ApprovalName },
  { onBehalfOf, breakGlass }: Manner,
  voter: string,
): Promise<Pick<Ballot, 'delegation' | 'breakGlass'>> {
  const glass = breakGlass === undefined ? {} : { breakGlass };
  if (onBehalfOf === undefined) return glass;
  const { seats } = await showApproval(client, run, approval);
  return { ...glass, delegation: await delegationFor(pointers, seats, { from: onBehalfOf, to: voter }) };
}

/** What a page offers this person beside their own vote. The run has the last word. */
export async function waysToVote(
  { pointers }: Pick<Services, 'pointers'>,
  { seats }: ShownApproval,
  { electorate }: Pick<RunFacts, 'electorate'>,
  voter: string,
): Promise<{ readonly delegations: readonly Delegation[]; readonly mayBreakGlass: boolean }> {
  return {
    delegations: await delegatorsOf(pointers, seats, voter),
    mayBreakGlass: electorate.breakGlass.includes(voter),
  };
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
