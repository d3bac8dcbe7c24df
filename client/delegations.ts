/** Delegations: who lets whom fill their seat, for which role, from when until when, and whether that was revoked. Kept beside the audit log. */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { EspalierError } from '../artifacts/errors.ts';
import type { Pointers } from '../artifacts/pointers.ts';
import { openSeats, type FilledSeat } from '../artifacts/seats.ts';
import type { Delegation } from '../artifacts/votes.ts';
import { digestJson } from '../artifacts/digest.ts';
import { hexOf } from '../artifacts/reference.ts';

const PREFIX = 'delegations/';
const instant = z.iso.datetime({ precision: 3 });
const name = z.string().min(1).max(200);
const Stored = z.strictObject({
  id: name,
  from: name,
  to: name,
  role: name,
  startsAt: instant,
  endsAt: instant,
  roleFrom: z.literal('oidc').optional(),
  /** From then on nobody votes by it; the votes before stay. */
  revoked: z.strictObject({ at: instant, by: name, reason: z.string().max(1000) }).optional(),
});
export type KeptDelegation = z.output<typeof Stored>;
const ID = /^[0-9a-f]{16}$/;

/**
 * Records that `from` lets `to` fill their seat of `role`; the audit log tells of it. The times may have any form that Date reads.
 * @throws EspalierError BadRequest for times that are none, or in the wrong order, or for a delegation to oneself
 */
export async function delegate(pointers: Pointers, asked: Omit<Delegation, 'id'>): Promise<Delegation> {
  const { from, to, role } = asked;
  if (from === to) throw new EspalierError('BadRequest', `'${from}' cannot delegate to themselves`, { where: '--to' });
  const startsAt = instantOf(asked.startsAt, '--starts');
  const endsAt = instantOf(asked.endsAt, '--until');
  if (startsAt >= endsAt) {
    throw new EspalierError('BadRequest', `the delegation ends (${endsAt}) before it starts (${startsAt})`, {
      where: '--until',
      fix: 'give an end after the start',
    });
  }
  const nonce = randomBytes(8).toString('hex');
  const id = hexOf(digestJson({ from, to, role, startsAt, endsAt, nonce })).slice(0, 16);
  const vouched = asked.roleFrom === undefined ? {} : { roleFrom: asked.roleFrom };
  const delegation = { id, from, to, role, startsAt, endsAt, ...vouched };
  Stored.parse(delegation);
  if (await pointers.create(`${PREFIX}${id}`, delegation, { action: 'delegation', ...delegation })) return delegation;
  throw new EspalierError('Conflict', `there is a delegation ${id} already`, { where: id, fix: 'try again' });
}

/**
 * Ends a delegation now: no vote that comes after counts by it, also where an approval is open. Votes that were cast stay.
 * @throws EspalierError NotFound for none; Forbidden where `by` did not give it, unless an operator asks; Conflict when it
 *   has ended or was revoked before, or somebody else is just revoking it
 */
export async function revokeDelegation(
  pointers: Pointers,
  id: string,
  { by, reason = '', operator = false }: { readonly by: string; readonly reason?: string; readonly operator?: boolean },
): Promise<KeptDelegation> {
  const found = ID.test(id) ? await pointers.read<unknown>(`${PREFIX}${id}`) : undefined;
  if (found === undefined) {
    throw new EspalierError('NotFound', `there is no delegation '${id}'`, {
      fix: '`espalier delegations list` has them',
    });
  }
  const given = Stored.parse(found.value);
  const { from, to, role, endsAt, revoked } = given;
  if (!operator && by !== from) {
    throw new EspalierError('Forbidden', `only '${from}' can revoke what they delegated`, { where: id });
  }
  const at = new Date().toISOString();
  const over =
    revoked === undefined ? (endsAt <= at ? `ended at ${endsAt}` : undefined) : `was revoked at ${revoked.at}`;
  if (over !== undefined) throw new EspalierError('Conflict', `the delegation ${id} ${over}`, { where: id });
  const value = Stored.parse({ ...given, revoked: { at, by, reason } });
  const told = { action: 'delegation.revoke', id, from, to, role, by, reason } as const;
  if (await pointers.replace(`${PREFIX}${id}`, value, found.version, told)) return value;
  throw new EspalierError('Conflict', `the delegation ${id} is just being changed`, { where: id, fix: 'try again' });
}

/** Every delegation that has neither ended nor been revoked, the first to end first. */
export async function listDelegations(pointers: Pointers, now = new Date()): Promise<Delegation[]> {
  const found = await Promise.all((await pointers.list(PREFIX)).map((key) => pointers.read<unknown>(key)));
  return found
    .flatMap((pointer) => (pointer === undefined ? [] : [Stored.parse(pointer.value)]))
    .filter(({ endsAt, revoked }) => endsAt > now.toISOString() && revoked === undefined)
    .toSorted((a, b) => a.endsAt.localeCompare(b.endsAt));
}

/** Who lets this person vote for them now, in one of these open seats. */
export async function delegatorsOf(
  pointers: Pointers,
  seats: readonly FilledSeat[],
  to: string,
): Promise<readonly Delegation[]> {
  const now = new Date();
  const open = openSeats(seats).map(({ role }) => role);
  return (await listDelegations(pointers, now)).filter(
    (one) => one.to === to && one.startsAt <= now.toISOString() && open.includes(one.role),
  );
}

/**
 * The delegation by which `to` may fill an open seat of `from` now. The run checks it again.
 * @throws EspalierError ApprovalRefused when none is in force
 */
export async function delegationFor(
  pointers: Pointers,
  seats: readonly FilledSeat[],
  { from, to }: { readonly from: string; readonly to: string },
): Promise<Delegation> {
  const now = new Date();
  const between = (await listDelegations(pointers, now)).filter((one) => one.from === from && one.to === to);
  const inForce = between.filter(({ startsAt }) => startsAt <= now.toISOString());
  const wanted = openSeats(seats).map(({ role }) => role);
  const found = inForce.find(({ role }) => wanted.includes(role)) ?? inForce[0];
  if (found !== undefined) return found;
  const later = between[0] === undefined ? 'there is none' : `the next one starts ${between[0].startsAt}`;
  throw new EspalierError('ApprovalRefused', `no delegation of '${from}' to '${to}' is in force: ${later}`, {
    where: `${from} → ${to}`,
    fix: `'${from}' can delegate: espalier approvals delegate --from ${from} --to ${to} --role ROLE --until TIME`,
  });
}

function instantOf(text: string, where: string): string {
  const time = new Date(text);
  if (!Number.isNaN(time.getTime())) return time.toISOString();
  throw new EspalierError('BadRequest', `'${text}' is no time`, { where, fix: 'write one like 2026-12-24T08:00Z' });
}
