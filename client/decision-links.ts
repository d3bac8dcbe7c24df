/** Signed links: one person's way to one decision on one evidence pack, without an account, until it expires. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { EspalierError } from '../artifacts/errors.ts';
import type { Digest } from '../artifacts/reference.ts';
import type { ApprovalName } from '../pipelines/definition.ts';

/** What a link is bound to: with any of it changed, the signature is another. */
export interface DecisionLink {
  readonly runId: string;
  readonly approval: ApprovalName;
  readonly approver: string;
  readonly evidence: Digest;
  /** Seconds since the epoch. */
  readonly expires: number;
}

/** Anything shorter can be guessed. */
const MIN_KEY_LENGTH = 32;

/** @throws EspalierError BadConfig for a key that is too short */
export function checkedLinkKey(key: string): string {
  if (key.length >= MIN_KEY_LENGTH) return key;
  throw new EspalierError('BadConfig', `the key of signed links has ${key.length} characters`, {
    where: 'ESPALIER_LINK_KEY',
    fix: `give at least ${MIN_KEY_LENGTH} random characters, e.g. of \`openssl rand -base64 32\``,
  });
}

/** Where the link leads at the console on `consoleUrl`. Whoever has it can decide as its approver. */
export function decisionUrl(consoleUrl: string, link: DecisionLink, key: string): string {
  const { runId, approval, approver, evidence, expires } = link;
  const url = new URL(`/decide/${encodeURIComponent(runId)}/${approval}`, consoleUrl);
  url.search = new URLSearchParams({
    approver,
    evidence,
    expires: String(expires),
    signature: signatureOf(link, key),
  }).toString();
  return url.href;
}

/** @throws EspalierError Forbidden when it was not signed with this key as it stands, or has expired */
export function checkDecisionLink(link: DecisionLink, signature: string, key: string, now = new Date()): void {
  const expected = Buffer.from(signatureOf(link, key));
  const given = Buffer.from(signature);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new EspalierError('Forbidden', 'this link is not valid: it is not as it was made', {
      fix: 'open it exactly as you received it, or ask for a new one',
    });
  }
  if (link.expires * 1000 <= now.getTime()) {
    throw new EspalierError('Forbidden', `this link expired at ${new Date(link.expires * 1000).toISOString()}`, {
      fix: 'ask for a new one: espalier approvals link',
    });
  }
}

/** A JSON array: no two links have the same text. */
function signatureOf({ runId, approval, approver, evidence, expires }: DecisionLink, key: string): string {
  const text = JSON.stringify(['espalier decision link 1', runId, approval, approver, evidence, expires]);
  return createHmac('sha256', key).update(text).digest('base64url');
}
