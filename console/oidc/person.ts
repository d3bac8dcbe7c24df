/** Whom the provider's claims are about, and what their groups let them do here. Pure. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { Scope } from '../../client/tokens.ts';
import type { OidcSettings } from './settings.ts';

export type Claims = Readonly<Record<string, unknown>>;

export interface Person {
  readonly user: string;
  readonly subject: string;
  readonly roles: readonly string[];
  readonly scopes: readonly Scope[];
}

/** Where no file says what groups mean: everybody who is in one may look and vote; a run judges the vote. */
const LOOK_AND_VOTE: readonly Scope[] = ['runs:read', 'approvals:read', 'approvals:decide', 'models:read'];
const MAX_NAME_LENGTH = 200;

/** @throws EspalierError Forbidden for claims without a usable name or without a group that means something here */
export function personOf(claims: Claims, settings: OidcSettings): Person {
  const { nameClaim, groupsClaim, groups: meanings } = settings;
  const { sub: subject } = claims;
  if (typeof subject !== 'string' || subject === '') throw forbidden('the identity provider names no subject', 'sub');
  const user = nameOf(claims, nameClaim);
  const groups = groupsOf(claims[groupsClaim]);
  const roles = new Set<string>();
  const scopes = new Set<Scope>();
  for (const group of groups) {
    const meaning = meanings === undefined ? { roles: [group], scopes: LOOK_AND_VOTE } : own(meanings, group);
    for (const role of meaning?.roles ?? []) roles.add(role);
    for (const scope of meaning?.scopes ?? []) scopes.add(scope);
  }
  if (roles.size === 0 && scopes.size === 0) {
    throw forbidden(`no group of '${user}' opens anything here`, groupsClaim);
  }
  return { user, subject, roles: [...roles].toSorted(), scopes: [...scopes].toSorted() };
}

function nameOf(claims: Claims, claim: string): string {
  const name = claims[claim];
  if (typeof name !== 'string' || name.trim() === '' || name.length > MAX_NAME_LENGTH) {
    throw forbidden(`the identity provider gives no usable '${claim}'`, claim);
  }
  // Anybody can write somebody else's address into their own account.
  if (claim === 'email' && claims['email_verified'] !== true) {
    throw forbidden('the identity provider has not verified the e-mail address', 'email_verified');
  }
  return name;
}

/** A list of names, or one. Anything else is no group: it must not become one by being turned into text. */
function groupsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string' && one !== '') : [];
}

/** Not `meanings[group]`: a group may be called 'constructor'. */
function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

function forbidden(message: string, where: string): EspalierError {
  return new EspalierError('Forbidden', message, {
    where,
    fix: 'ask whoever runs the identity provider for the group or claim; ESPALIER_OIDC_GROUPS says what each group opens',
  });
}
