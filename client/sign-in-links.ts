/** Links by which the embedded stack's demo users sign in to the console. Whoever has one is that user there. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { EspalierError } from '../artifacts/errors.ts';

export interface SignInLink {
  readonly user: string;
  /** Seconds since the epoch. */
  readonly expires: number;
}

export function signInUrl(consoleUrl: string, link: SignInLink, key: string): string {
  const url = new URL('/sign-in/link', consoleUrl);
  url.search = new URLSearchParams({
    user: link.user,
    expires: String(link.expires),
    signature: signatureOf(link, key),
  }).toString();
  return url.href;
}

/** @throws EspalierError Forbidden when it was not signed with this key as it stands, or has expired */
export function checkSignInLink(link: SignInLink, signature: string, key: string, now = new Date()): void {
  const expected = Buffer.from(signatureOf(link, key));
  const given = Buffer.from(signature);
  const holds = given.length === expected.length && timingSafeEqual(given, expected);
  if (holds && link.expires * 1000 > now.getTime()) return;
  throw new EspalierError('Forbidden', holds ? 'this link has expired' : 'this link is not valid', {
    fix: 'start the console again: it prints new ones',
  });
}

/** Another text than a decision link's: neither can be taken for the other. */
function signatureOf({ user, expires }: SignInLink, key: string): string {
  return createHmac('sha256', key)
    .update(JSON.stringify(['espalier sign-in link 1', user, expires]))
    .digest('base64url');
}
