/** The evaluator's judgement of one model as a step's result: what was declared, and what was decided on which texts. */
import type { ModelIdentity } from '../../pipelines/licence/decision.ts';
import { evaluate } from '../../pipelines/licence/evaluate.ts';
import { termsOf, type Sources } from '../../pipelines/licence/model-terms.ts';
import { compilePolicy, NO_POLICY, type LicencePolicy } from '../../pipelines/licence/policy.ts';
import { findLicence } from '../../pipelines/licence/rows.ts';
import type { IntendedUse } from '../../pipelines/licence/use.ts';
import type { LicenceDecision } from '../contract/review.ts';

export interface LicenceQuestion {
  readonly use: IntendedUse;
  readonly identity: Omit<ModelIdentity, 'texts'>;
  readonly sizeBytes: number | null;
  /** `YYYY-MM-DD` */
  readonly today: string;
  readonly policy?: LicencePolicy | undefined;
}

export function decideLicence(sources: Sources, question: LicenceQuestion): LicenceDecision {
  const { use, sizeBytes, today } = question;
  const policy = question.policy === undefined ? NO_POLICY : compilePolicy(question.policy);
  const terms = termsOf(sources);
  const texts = sources.texts ?? [];
  const identity = { ...question.identity, texts: texts.map(({ digest }) => digest) };
  const judged = evaluate({ terms, use, identity, sizeBytes, today }, policy);
  const { by: conclusion } = policy.conclusion(identity, today);
  const ids = [...new Set(terms.declared.map(({ id }) => id))];
  const rows = new Set(ids.map((id) => findLicence(id)));
  const [row] = rows;
  return {
    verdict: judged.verdict,
    declared: ids.length === 0 ? null : ids.join(', '),
    concluded: judged.concluded,
    spdx: rows.size === 1 ? (row?.licence.spdx ?? null) : null,
    reasons: judged.reasons.map(({ text, clause, source }) => `${text} (${clause}; ${source})`),
    obligations: judged.obligations,
    howToFix: judged.howToFix,
    policyDigest: policy.digest,
    texts,
    licences: judged.licences,
    // Of data whose terms nobody knows, only the review says something: nothing is decided by them.
    terms: { ...terms, datasets: terms.datasets.filter(({ licence }) => licence !== null) },
    ...(conclusion === undefined
      ? {}
      : { conclusion: { by: conclusion.by, reason: conclusion.reason, expires: conclusion.expires } }),
  };
}
