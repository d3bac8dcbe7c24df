/** Which identity provider people sign in with, by ESPALIER_OIDC_… variables. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';
import { SCOPES } from '../../client/tokens.ts';
import { duration, durationSeconds } from '../../pipelines/duration.ts';

/** What being in a group means here. */
const Meaning = z.strictObject({
  roles: z.array(z.string().min(1)).default([]),
  scopes: z.array(z.enum(SCOPES)).default([]),
});
const Groups = z.record(z.string().min(1), Meaning);
export type Groups = z.output<typeof Groups>;

const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])$/;
const MAX_SESSION_SECONDS = 24 * 3600;

/** Plain HTTP is for tests on one machine: over a network it would let anybody be the provider. */
const Issuer = z.url().refine((text) => {
  const { protocol, hostname } = new URL(text);
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.test(hostname));
}, 'must be an https URL');

const Settings = z.object({
  ESPALIER_OIDC_ISSUER: Issuer,
  ESPALIER_OIDC_CLIENT_ID: z.string('is missing').min(1),
  ESPALIER_OIDC_CLIENT_SECRET: z.string().min(1).optional(),
  ESPALIER_OIDC_CLIENT_SECRET_FILE: z.string().min(1).optional(),
  ESPALIER_OIDC_NAME_CLAIM: z.string().min(1).default('sub'),
  ESPALIER_OIDC_GROUPS_CLAIM: z.string().min(1).default('groups'),
  ESPALIER_OIDC_SCOPE: z
    .string()
    .default('openid profile email')
    .refine((text) => text.split(' ').includes('openid'), "must contain 'openid'"),
  ESPALIER_OIDC_GROUPS: z.string().min(1).optional(),
  ESPALIER_OIDC_AUDIENCE: z.string().min(1).optional(),
  ESPALIER_OIDC_SESSION: duration.default('1h'),
});

export interface OidcSettings {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret?: string;
  /** The claim that names a person, as the approvers of a run are named. */
  readonly nameClaim: string;
  readonly groupsClaim: string;
  readonly scope: string;
  /** What each group means; without it a group is the role of its name. */
  readonly groups?: Groups;
  /** API calls with the provider's own tokens are taken when they are for this audience. */
  readonly audience?: string;
  readonly sessionSeconds: number;
}

/**
 * undefined where no issuer is named.
 * @throws EspalierError BadConfig with every wrong variable; no value of a secret is repeated
 */
export function readOidcSettings(env: Readonly<Record<string, string | undefined>>): OidcSettings | undefined {
  const named = Object.entries(env).filter(([name, value]) => name.startsWith('ESPALIER_OIDC_') && value);
  if (named.length === 0) return undefined;
  const { data, error } = Settings.safeParse(Object.fromEntries(named));
  if (data === undefined) {
    throw misconfigured(error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));
  }
  const unknown = named.map(([name]) => name).filter((name) => !(name in Settings.shape));
  if (unknown.length > 0) throw misconfigured(`${unknown.join(', ')}: there is no such setting`);
  const sessionSeconds = durationSeconds(data.ESPALIER_OIDC_SESSION);
  if (sessionSeconds > MAX_SESSION_SECONDS) throw misconfigured('ESPALIER_OIDC_SESSION: is longer than a day');
  const secret = clientSecret(data);
  return {
    issuer: data.ESPALIER_OIDC_ISSUER,
    clientId: data.ESPALIER_OIDC_CLIENT_ID,
    ...(secret === undefined ? {} : { clientSecret: secret }),
    nameClaim: data.ESPALIER_OIDC_NAME_CLAIM,
    groupsClaim: data.ESPALIER_OIDC_GROUPS_CLAIM,
    scope: data.ESPALIER_OIDC_SCOPE,
    ...(data.ESPALIER_OIDC_GROUPS === undefined ? {} : { groups: readGroups(data.ESPALIER_OIDC_GROUPS) }),
    ...(data.ESPALIER_OIDC_AUDIENCE === undefined ? {} : { audience: data.ESPALIER_OIDC_AUDIENCE }),
    sessionSeconds,
  };
}

function clientSecret(data: z.output<typeof Settings>): string | undefined {
  const { ESPALIER_OIDC_CLIENT_SECRET: value, ESPALIER_OIDC_CLIENT_SECRET_FILE: path } = data;
  if (path === undefined) return value;
  if (value !== undefined) throw misconfigured('ESPALIER_OIDC_CLIENT_SECRET and …_SECRET_FILE are both set');
  const secret = readText(path, 'ESPALIER_OIDC_CLIENT_SECRET_FILE').trim();
  if (secret === '') throw misconfigured(`ESPALIER_OIDC_CLIENT_SECRET_FILE: ${path} is empty`);
  return secret;
}

function readGroups(path: string): Groups {
  const text = readText(path, 'ESPALIER_OIDC_GROUPS');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw misconfigured(`ESPALIER_OIDC_GROUPS: ${path} is not JSON`);
  }
  const { data, error } = Groups.safeParse(value);
  if (data !== undefined) return data;
  throw misconfigured(`ESPALIER_OIDC_GROUPS: ${path}: ${z.prettifyError(error)}`);
}

function readText(path: string, name: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw misconfigured(`${name}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  }
}

function misconfigured(message: string): EspalierError {
  return new EspalierError('BadConfig', message, {
    where: 'ESPALIER_OIDC_…',
    fix: 'docs/api.md, "Signing in", has every variable with an example',
  });
}
