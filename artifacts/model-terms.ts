/** `registry/<model>/terms/<channel>`: what the monitor found when it last judged a served model's licence again. */
import type { ArtifactRef, Digest } from './reference.ts';

/** The review of a model in production is open again: it is still served, and somebody has to decide. */
export interface ReopenedReview {
  /** Of what has changed: the same state is asked about once. */
  readonly state: Digest;
  /** What the decision was about; a later release is not concerned. */
  readonly release: Digest;
  /** The run that asks. */
  readonly runId: string;
  /** The check that starts it. */
  readonly by: string;
  readonly since: string;
  /** What has changed, a sentence each. */
  readonly reasons: readonly string[];
  /** How that run ended; null while it is open. */
  readonly outcome: { readonly state: string; readonly reason: string; readonly at: string } | null;
}

export interface TermsPointer {
  readonly version: 1;
  readonly model: string;
  readonly channel: string;
  readonly checkedAt: string;
  /** same: the decision stands; changed: its review is open again; not-known: it was recorded before terms were. */
  readonly verdict: 'same' | 'changed' | 'not-known';
  /** Where the source was read again, or why it was not. */
  readonly source: string;
  readonly report: ArtifactRef;
  readonly reopened: ReopenedReview | null;
}

export function termsKey(model: string, channel: string): string {
  return `registry/${model}/terms/${channel}`;
}

/** What a person can do about a model whose terms have changed and were not accepted. */
export const TERMS_FIX =
  'deploy a model whose terms are accepted, or draw a conclusion in the policy; to stop serving it, delete its channel';

/** What reopened the review, for whoever uses the model: not where it is decided. Undefined while the decision on this release stands. */
export function reopenedReasons(pointer: TermsPointer | null, release: Digest): string | undefined {
  const reopened = pointer?.reopened;
  if (reopened == null || reopened.release !== release || reopened.outcome?.state === 'deployed') return undefined;
  return `review reopened at ${reopened.since.slice(0, 16)}: ${reopened.reasons.join('; ')}`;
}

/** One line for people; undefined while the decision on this release stands. */
export function reopenedText(pointer: TermsPointer | null, release: Digest): string | undefined {
  const reasons = reopenedReasons(pointer, release);
  if (reasons === undefined || pointer?.reopened == null) return undefined;
  const { runId, outcome } = pointer.reopened;
  const ended = outcome === null ? `decide in run ${runId}` : `${outcome.state}: ${outcome.reason}; ${TERMS_FIX}`;
  return `${reasons}; ${ended}`;
}
