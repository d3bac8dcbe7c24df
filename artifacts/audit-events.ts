/** What the audit log tells. One line a kind in `SUMMARIES`; no secret is ever part of an event. */
import type { Delegation } from './votes.ts';
import type { Digest } from './reference.ts';

interface Change {
  readonly key: string;
  readonly value: Digest;
  /** The version that it replaces; null where it is the first. */
  readonly version: string | null;
}

interface Voting {
  readonly run: string;
  readonly approval: string;
  readonly decision: string;
  readonly approver: string;
  readonly evidence: Digest;
  /** The signed statement. */
  readonly statement: Digest;
}

export type AuditEvent =
  /** A channel's pointer is about to move: a release, its rollback, or a channel taken out of service. */
  | ({ readonly action: 'pointer.replace' } & Change)
  /** It did not: somebody else was first. `seq` is the entry that announced it. */
  | { readonly action: 'pointer.lost'; readonly key: string; readonly seq: number }
  | ({
      readonly action: 'token.create';
      readonly id: string;
      readonly user: string;
      readonly scopes: readonly string[];
      readonly expiresAt: string;
      readonly by: string;
    } & Change)
  | ({ readonly action: 'token.revoke'; readonly id: string; readonly user: string; readonly by: string } & Change)
  /** A vote is about to be handed in: also a request for changes, and one by delegation or break-glass. */
  | ({
      readonly action: 'vote.cast';
      readonly authentication: string;
      readonly onBehalfOf: string | null;
      readonly breakGlass: boolean;
    } & Voting)
  /** The run did not count it. */
  | ({ readonly action: 'vote.refused'; readonly reason: string } & Voting)
  | ({ readonly action: 'delegation' } & Delegation & Change)
  | ({ readonly action: 'delegation.revoke'; readonly by: string; readonly reason: string } & Pick<
      Delegation,
      'id' | 'from' | 'to' | 'role'
    > &
      Change)
  /** A process started with other keys than the last one of its kind. */
  | ({ readonly action: 'keys.change' } & KeySet & Change);

/** The keys of one kind of process. */
export interface KeySet {
  readonly process: string;
  /** The id of the key that it signs with. */
  readonly signs: string | null;
  readonly trusted: readonly { readonly id: string; readonly purposes: readonly string[]; readonly until?: string }[];
  readonly revoked: readonly string[];
}

type Summaries = { readonly [A in AuditEvent['action']]: (event: Extract<AuditEvent, { action: A }>) => string };

const SUMMARIES: Summaries = {
  'pointer.replace': ({ key, value, version }) => `${key} ${version === null ? 'is' : 'becomes'} ${short(value)}`,
  'pointer.lost': ({ key, seq }) => `${key} did not move: entry ${seq} lost its race`,
  'token.create': ({ id, user, scopes, by }) => `token ${id} for ${user} (${scopes.join(', ')}), by ${by}`,
  'token.revoke': ({ id, user, by }) => `token ${id} of ${user}, by ${by}`,
  'vote.cast': ({ approver, decision, approval, run, onBehalfOf, breakGlass, authentication }) =>
    `${approver}${onBehalfOf === null ? '' : ` for ${onBehalfOf}`}: ${decision} ${approval} of ${run} (${authentication})${breakGlass ? ' BREAK-GLASS' : ''}`,
  'vote.refused': ({ approver, decision, approval, run, reason }) =>
    `${approver}: ${decision} ${approval} of ${run} did not count: ${reason}`,
  delegation: ({ from, to, role, startsAt, endsAt }) =>
    `${from} lets ${to} fill their seat of ${role}, ${startsAt} to ${endsAt}`,
  'delegation.revoke': ({ id, from, to, role, by, reason }) =>
    `${by} revoked ${id}, by which ${from} let ${to} fill their seat of ${role}${reason === '' ? '' : `: ${reason}`}`,
  'keys.change': ({ process, signs, trusted, revoked }) =>
    `${process} signs with ${signs?.slice(0, 12) ?? 'none'}, trusts ${trusted.map(({ id }) => id.slice(0, 12)).join(', ') || 'none'}${revoked.length === 0 ? '' : `, revoked ${revoked.map((id) => id.slice(0, 12)).join(', ')}`}`,
};

/** One line for people. An action that this version does not know is shown as it stands. */
export function summariseEvent(event: AuditEvent): string {
  const summary = (SUMMARIES as Readonly<Record<string, ((event: AuditEvent) => string) | undefined>>)[event.action];
  return summary?.(event) ?? JSON.stringify(event);
}

function short(digest: Digest): string {
  return digest.slice(0, 'sha256:'.length + 12);
}
