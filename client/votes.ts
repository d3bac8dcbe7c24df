/** Handing in a vote: signed by who authenticated the voter, told to the audit log, and sent to the run. */
import type { Client } from '@temporalio/client';
import type { ApprovalRecord } from '../activities/contract/evidence.ts';
import type { AuditLog } from '../artifacts/audit.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { Signer } from '../artifacts/signing-keys.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { signVote } from '../artifacts/vote-statement.ts';
import type { Decision } from '../workflows/messages.ts';
import { decide } from './approvals.ts';
import type { Caller } from './caller.ts';

export interface VotingServices {
  readonly client: Client;
  readonly store: ArtifactStore;
  readonly audit: AuditLog;
  /** Signs what this process says of its voters; by a key that is trusted for votes. */
  readonly signer: Signer;
}

/** What a voter decides. Who they are is not theirs to say. */
export type Ballot = Omit<Decision, 'approver' | 'roles' | 'statement'>;

/**
 * Signs the vote and hands it in. The run's validator has the last word; deployment and the model server look at the
 * signature again.
 * @throws EspalierError ApprovalRefused with the reason; what the signer and the store throw
 */
export async function castSignedVote(
  { client, store, audit, signer }: VotingServices,
  run: string,
  ballot: Ballot,
  { user, authentication, roles }: Caller,
): Promise<ApprovalRecord> {
  const { approval, decision, comment, evidenceDigest, delegation = null, breakGlass = false } = ballot;
  const at = new Date().toISOString();
  const signed = await signVote(
    {
      run,
      approval,
      decision,
      approver: user,
      roles: roles ? [...roles] : null,
      comment,
      evidenceDigest,
      at,
      authentication,
      delegation: delegation === null ? null : { ...delegation },
      breakGlass,
    },
    signer,
  );
  const { digest: statement } = await store.putJson(signed, 'vote.sigstore.json');
  const told = { run, approval, decision, approver: user, evidence: evidenceDigest, statement };
  await audit.append({
    action: 'vote.cast',
    ...told,
    authentication: authentication.method,
    onBehalfOf: delegation?.from ?? null,
    breakGlass,
  });
  try {
    return await decide(client, run, {
      ...ballot,
      approver: user,
      ...(roles === undefined ? {} : { roles }),
      statement,
    });
  } catch (error) {
    if (error instanceof EspalierError && error.kind === 'ApprovalRefused') {
      await audit.append({ action: 'vote.refused', ...told, reason: error.message });
    }
    throw error;
  }
}
