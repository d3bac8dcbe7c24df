/** Delegations: who lets whom fill their seat, for which role, from when until when. Kept beside the audit log, never changed. */
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
const Stored = z.strictObject({ id: name, from: name, to: name, role: name, startsAt: instant, endsAt: instant });

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
  const delegation = Stored.parse({ id, from, to, role, startsAt, endsAt });
  if (await pointers.create(`${PREFIX}${id}`, delegation, { action: 'delegation', ...delegation })) return delegation;
  throw new EspalierError('Conflict', `there is a delegation ${id} already`, { where: id, fix: 'try again' });
}

/** Every delegation that has not ended, the first to end first. */
export async function listDelegations(pointers: Pointers, now = new Date()): Promise<Delegation[]> {
  const found = await Promise.all((await pointers.list(PREFIX)).map((key) => pointers.read<unknown>(key)));
  return found
    .flatMap((pointer) => (pointer === undefined ? [] : [Stored.parse(pointer.value)]))
    .filter(({ endsAt }) => endsAt > now.toISOString())
    .toSorted((a, b) => a.endsAt.localeCompare(b.endsAt));
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
