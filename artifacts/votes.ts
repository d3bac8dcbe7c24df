/**
 * Which votes count, and what they come to. Pure, and asked three times: by the run when a vote arrives, by the
 * deployment before the pointer moves, by the model server before it loads. A record that breaks a rule fills no seat.
 */
import type { Digest } from './reference.ts';
import { fillSeats, openSeats, seatText, type FilledSeat, type Seat } from './seats.ts';

/** Who is left out unless the rule says otherwise: nobody approves what they made, or under terms they wrote. */
export type Exclusion = 'run-starter' | 'definition-author' | 'policy-editor';

export interface ApprovalRule {
  readonly seats: readonly Seat[];
  /** From half time on, holders of these roles may fill any open seat. */
  readonly escalateTo: readonly string[];
  /** Exclusions that do not hold for this approval. */
  readonly liftedExclusions: readonly Exclusion[];
}

export interface ExcludedPerson {
  /** As the approvers' file has it. */
  readonly name: string;
  readonly because: Exclusion;
}

export interface Elector {
  /** `*` with `rolesFrom`: whoever the identity provider gives a role. */
  readonly name: string;
  readonly roles: readonly string[];
  /** The roles are those that the identity provider says at the vote; the vote's statement holds it to them. */
  readonly rolesFrom?: 'oidc' | undefined;
}

const ANYBODY = '*';

/** Who may decide, as it stood when the run began. */
export interface Electorate {
  readonly approvers: readonly Elector[];
  /** Who may break the glass. */
  readonly breakGlass: readonly string[];
  readonly excluded: readonly ExcludedPerson[];
}

/** `from` lets `to` fill their seat of one role, for a time. */
export interface Delegation {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly role: string;
  readonly startsAt: string;
  readonly endsAt: string;
  /** The identity provider said that `from` held the role when they delegated it: for who has no roles of the run's list. */
  readonly roleFrom?: 'oidc' | undefined;
}

export interface Vote {
  readonly decision: string;
  readonly approver: string;
  /** The roles by which it counts. */
  readonly roles: readonly string[];
  readonly comment: string;
  readonly evidenceDigest: Digest;
  readonly at: string;
  /** When this evidence was laid on the desk, and until when votes on it count. */
  readonly openedAt: string;
  readonly deadline: string;
  /** Whose seat it fills, when not the approver's own. */
  readonly delegation?: Delegation | undefined;
  /** It counts by a role that the approval was escalated to. */
  readonly escalated?: boolean | undefined;
  /** It fills every seat at once. */
  readonly breakGlass?: boolean | undefined;
  /** It counts no longer: why, since when. */
  readonly voided?: { readonly at: string; readonly reason: string } | undefined;
}

export type Verdict = 'open' | 'approved' | 'rejected' | 'changes-requested';
export interface Tally {
  readonly verdict: Verdict;
  readonly seats: readonly FilledSeat[];
}

/** Whose seat a vote fills. */
export function seatHolder({ approver, delegation }: Pick<Vote, 'approver' | 'delegation'>): string {
  return delegation?.from ?? approver;
}

export function halfTime(openedAt: string, deadline: string): string {
  return new Date((Date.parse(openedAt) + Date.parse(deadline)) / 2).toISOString();
}

const WHY: Readonly<Record<Exclusion, string>> = {
  'run-starter': 'started this run',
  'definition-author': "is the author of the run's definition",
  'policy-editor': 'edited the licence policy last',
};

/** Why this person is left out; undefined when nothing is against them. */
export function exclusionOf(name: string, rule: ApprovalRule, { excluded }: Electorate): string | undefined {
  const found = excluded.find((one) => one.name === name && !rule.liftedExclusions.includes(one.because));
  return found && `'${name}' ${WHY[found.because]} and cannot decide on it`;
}

/** Who may decide in a run, and who is left out. */
export function electorateOf(input: {
  readonly startedBy: string;
  readonly approvers: readonly (Elector & { readonly breakGlass?: boolean })[];
  readonly authors?: readonly { of: Exclusion; approvers: readonly string[] }[];
}): Electorate {
  const { startedBy, approvers, authors = [] } = input;
  const excluded = authors.flatMap(({ of, approvers: names }) => names.map((name) => ({ name, because: of })));
  return {
    approvers: approvers.map(({ name, roles, rolesFrom }) => ({
      name,
      roles,
      ...(rolesFrom === undefined ? {} : { rolesFrom }),
    })),
    breakGlass: approvers.filter(({ breakGlass }) => breakGlass === true).map(({ name }) => name),
    excluded: [{ name: startedBy, because: 'run-starter' }, ...excluded],
  };
}

/**
 * Somebody as the run's own list has them; undefined when it does not. What the identity provider says of their roles
 * (`said`) counts only where the list says so: an entry by name comes before the one for everybody.
 */
export function electorOf(name: string, { approvers }: Electorate, said: readonly string[]): Elector | undefined {
  const found =
    approvers.find((one) => one.name === name) ??
    approvers.find((one) => one.name === ANYBODY && one.rolesFrom !== undefined);
  return found?.rolesFrom === undefined ? found : { ...found, name, roles: said };
}

/** The roles by which somebody may vote for themselves, and whether that is by escalation. `said`: see `electorOf`. */
export function rolesOf(
  name: string,
  rule: ApprovalRule,
  electorate: Electorate,
  escalated: boolean,
  said: readonly string[] = [],
): { readonly roles: readonly string[]; readonly escalated: boolean } {
  const held = electorOf(name, electorate, said)?.roles ?? [];
  const own = held.filter((role) => rule.seats.some((seat) => seat.role === role));
  const higher = escalated ? held.filter((role) => rule.escalateTo.includes(role)) : [];
  return higher.length > 0 ? { roles: higher, escalated: true } : { roles: own, escalated: false };
}

/** Why this vote cannot count, whoever else votes; undefined when it can. */
export function voteProblem(vote: Vote, rule: ApprovalRule, electorate: Electorate): string | undefined {
  const { approver, delegation, at } = vote;
  if (vote.voided !== undefined) return `the vote of '${approver}' is void: ${vote.voided.reason}`;
  if (!between(at, vote.openedAt, vote.deadline)) return `'${approver}' voted at ${at}, outside the time to decide`;
  for (const name of new Set([approver, seatHolder(vote)])) {
    const excluded = exclusionOf(name, rule, electorate);
    if (excluded !== undefined) return excluded;
  }
  if (vote.breakGlass === true) return breakGlassProblem(vote, electorate);
  const holder = electorOf(
    seatHolder(vote),
    electorate,
    delegation === undefined ? vote.roles : rolesVouched(delegation),
  );
  if (holder === undefined) return `'${seatHolder(vote)}' is not among the approvers of this run`;
  if (delegation !== undefined) {
    const problem = delegationProblem(delegation, approver, at);
    if (problem !== undefined) return problem;
  }
  const needed = seatText(rule.seats);
  const asked = delegation === undefined ? vote.roles : [delegation.role];
  const byEscalation = vote.escalated === true && delegation === undefined;
  if (byEscalation && at < halfTime(vote.openedAt, vote.deadline)) {
    return `'${approver}' may decide from ${halfTime(vote.openedAt, vote.deadline)} on, when the approval is escalated`;
  }
  const fitting = byEscalation ? rule.escalateTo : rule.seats.map(({ role }) => role);
  if (asked.length === 0 || !asked.every((role) => fitting.includes(role) && holder.roles.includes(role))) {
    const as = asked.length === 0 ? '' : `votes as ${asked.join(', ')} and `;
    return `'${holder.name}' ${as}holds ${holder.roles.join(', ') || 'no role'}; the approval needs ${needed}`;
  }
  return undefined;
}

function breakGlassProblem({ approver, comment, decision, delegation }: Vote, electorate: Electorate) {
  if (!electorate.breakGlass.includes(approver)) return `'${approver}' may not break the glass`;
  if (decision !== 'approve') return 'breaking the glass approves; to reject, vote as usual';
  if (delegation !== undefined) return 'nobody breaks the glass on behalf of another';
  return comment.trim() === '' ? 'breaking the glass needs a comment that says why' : undefined;
}

function rolesVouched({ role, roleFrom }: Delegation): readonly string[] {
  return roleFrom === 'oidc' ? [role] : [];
}

/** Why `to` cannot vote by this delegation at `at`. */
function delegationProblem({ from, to, startsAt, endsAt }: Delegation, approver: string, at: string) {
  if (to !== approver) return `the delegation of '${from}' is to '${to}', not to '${approver}'`;
  if (from === to) return `'${from}' cannot delegate to themselves`;
  if (between(at, startsAt, endsAt) && at !== endsAt) return undefined;
  return `the delegation of '${from}' to '${to}' is not in force: it holds from ${startsAt} until ${endsAt}`;
}

/** The times are those of `toISOString`: of one length, so their order is that of the letters. */
function between(at: string, from: string, until: string): boolean {
  return from <= at && at <= until;
}

/** The seats that a vote which can count may fill. */
function seatRoles({ delegation, escalated, roles }: Vote, rule: ApprovalRule): readonly string[] {
  if (delegation !== undefined) return [delegation.role];
  return escalated === true ? rule.seats.map(({ role }) => role) : roles;
}

/** An earlier vote by which this one would be a person's second, or a seat's. */
export function earlierVote<One extends Vote>(
  vote: Pick<Vote, 'approver' | 'delegation'>,
  votes: readonly One[],
): One | undefined {
  const names = [vote.approver, seatHolder(vote)];
  return votes.find(
    (one) => one.voided === undefined && (names.includes(one.approver) || names.includes(seatHolder(one))),
  );
}

/** What these votes on one pack of evidence come to. Those that cannot count, and a person's second, fill no seat. */
export function tally(votes: readonly Vote[], rule: ApprovalRule, electorate: Electorate): Tally {
  const counted: Vote[] = [];
  for (const vote of votes) {
    if (voteProblem(vote, rule, electorate) === undefined && earlierVote(vote, counted) === undefined)
      counted.push(vote);
  }
  const seats = fillSeats(
    rule.seats,
    counted
      .filter(({ decision, breakGlass }) => decision === 'approve' && breakGlass !== true)
      .map((vote) => ({ name: seatHolder(vote), roles: seatRoles(vote, rule) })),
  );
  if (counted.some(({ decision }) => decision === 'reject')) return { verdict: 'rejected', seats };
  if (counted.some(({ decision }) => decision === 'request-changes')) return { verdict: 'changes-requested', seats };
  const approved = counted.some(({ breakGlass }) => breakGlass === true) || openSeats(seats).length === 0;
  return { verdict: approved ? 'approved' : 'open', seats };
}

/** Seats that can never be filled by these people; empty when the rule can be met. */
export function unmeetableSeats(rule: ApprovalRule, electorate: Electorate): readonly Seat[] {
  const people = electorate.approvers
    .filter(({ name }) => exclusionOf(name, rule, electorate) === undefined)
    .map(({ name, roles, rolesFrom }) => ({
      name,
      roles:
        rolesFrom !== undefined || roles.some((role) => rule.escalateTo.includes(role))
          ? rule.seats.map(({ role }) => role)
          : roles,
    }));
  // Whom the identity provider will name, nobody can know before.
  if (electorate.approvers.some(({ name }) => name === ANYBODY)) return [];
  return openSeats(fillSeats(rule.seats, people));
}

/** Who voted, for whom and by what: `olga for lena (legal)`. */
export function voterText({
  approver,
  roles,
  delegation,
  escalated,
  breakGlass,
}: Omit<Vote, 'evidenceDigest'>): string {
  const on = delegation === undefined ? '' : ` for ${delegation.from}`;
  const held = delegation === undefined ? roles : [delegation.role];
  const by = breakGlass === true ? 'BROKE THE GLASS' : `${held.join(', ')}${escalated === true ? ', escalated' : ''}`;
  return `${approver}${on} (${by})`;
}

/** Each seat and who fills it: `legal: lena, risk: open`. */
export function filledText(seats: readonly FilledSeat[]): string {
  return seats.map(({ role, by }) => `${role}: ${by ?? 'open'}`).join(', ');
}
