/**
 * Whether a declared licence fits the intended use: one evaluator, for the gate and the report alike. Pure.
 *
 * allow = every condition is decided by the facts; review = missing, ambiguous, or a matter of judgement; deny = the
 * text forbids the stated use. An id is looked up exactly (case aside) and never corrected to a similar one.
 */
import { digestJson } from '../../artifacts/digest.ts';
import type { Digest } from '../../artifacts/reference.ts';
import type { IntendedUse } from '../../pipelines/definition.ts';
import type { LicenceDecision, LicenceVerdict } from '../contract.ts';
import { FAMILIES, LICENCES, NO_LICENCE, type LicenceFacts } from './licence-facts.ts';

/** What a source says of its licence. Several ids mean: all of them apply. */
export interface LicenceDeclaration {
  readonly declared: string | readonly string[] | null;
  /** What a card with `license: other` calls it. */
  readonly licenceName?: string | null;
  readonly licenceLink?: string | null;
  /** Why nothing could be read, e.g. the front matter is not YAML. */
  readonly note?: string | null;
}

interface Finding {
  readonly verdict: LicenceVerdict;
  readonly spdx: string | null;
  readonly reasons: readonly string[];
  readonly howToFix: readonly string[];
}

const BY_ID: ReadonlyMap<string, LicenceFacts> = new Map(LICENCES.map((facts) => [facts.id, facts]));
const SEVERITY: Readonly<Record<LicenceVerdict, number>> = { allow: 0, review: 1, deny: 2 };
/** Raised with the rules below, so that a decision names the rules it was made by. */
const RULES_VERSION = 1;
/** Of the facts and the rules: a decision with another digest is to be made again. */
export const LICENCE_POLICY_DIGEST: Digest = digestJson({ rules: RULES_VERSION, LICENCES, FAMILIES, NO_LICENCE });

const ASK = 'have a person read the licence text, and approve or reject at the review';
const CHOOSE = 'choose a model whose licence permits this use, or get permission from the owner';

/** The most restrictive of what is declared. What is missing or unknown is reviewed, never allowed. */
export function decideLicence(declaration: LicenceDeclaration, use: IntendedUse): LicenceDecision {
  const ids = idsOf(declaration.declared);
  const findings = ids.length === 0 ? [missing(declaration)] : ids.map((id) => judge(id, declaration, use));
  const verdict = findings.reduce<LicenceVerdict>(
    (worst, finding) => (SEVERITY[finding.verdict] > SEVERITY[worst] ? finding.verdict : worst),
    'allow',
  );
  return {
    verdict,
    declared: ids.length === 0 ? null : ids.join(', '),
    spdx: findings.length === 1 ? (findings[0]?.spdx ?? null) : null,
    reasons: findings.flatMap(({ reasons }) => reasons),
    howToFix: [...new Set(findings.flatMap(({ howToFix }) => howToFix))],
    policyDigest: LICENCE_POLICY_DIGEST,
  };
}

function idsOf(declared: LicenceDeclaration['declared']): readonly string[] {
  const list = declared === null ? [] : typeof declared === 'string' ? [declared] : declared;
  return [...new Set(list.map((id) => id.trim()).filter((id) => id !== ''))];
}

function judge(declared: string, { licenceName, licenceLink }: LicenceDeclaration, use: IntendedUse): Finding {
  const id = declared.toLowerCase();
  if (NO_LICENCE.includes(id)) {
    const named = licenceName ? `, named '${licenceName}'` : '';
    const linked = licenceLink ? ` (${licenceLink})` : '';
    return {
      ...REVIEW,
      reasons: [`the licence is declared as '${declared}'${named}${linked}: its terms are not known here`],
    };
  }
  if (FAMILIES.includes(id)) {
    return { ...REVIEW, reasons: [`'${declared}' names a family of licences, not one text`] };
  }
  const facts = BY_ID.get(id);
  if (facts === undefined) return { ...REVIEW, reasons: [`'${declared}' is not in the policy table`] };
  return judgeFacts(facts, use);
}

const REVIEW = { verdict: 'review', spdx: null, howToFix: [ASK] } as const;

function judgeFacts(facts: LicenceFacts, use: IntendedUse): Finding {
  const name = facts.spdx ?? facts.id;
  const denied: string[] = [];
  const open: string[] = [];
  if (use.commercial && !facts.commercial) denied.push(`${name} forbids commercial use (${facts.clause})`);
  if (use.publish && facts.publishDerivatives === 'no') {
    denied.push(`${name} forbids publishing a fine-tuned model (${facts.clause})`);
  }
  if (use.publish && facts.publishDerivatives === 'same-licence') {
    open.push(`${name} asks for the same licence on a published model (${facts.clause})`);
  }
  if (use.hosted && facts.hosting === 'duties') open.push(`${name} puts duties on hosting (${facts.clause})`);
  for (const condition of facts.conditions) open.push(`${name}: ${condition}`);
  const verdict = denied.length > 0 ? 'deny' : open.length > 0 ? 'review' : 'allow';
  return {
    verdict,
    spdx: facts.spdx,
    reasons: verdict === 'allow' ? [`${name} permits the intended use (${facts.clause})`] : [...denied, ...open],
    howToFix: verdict === 'deny' ? [CHOOSE] : verdict === 'review' ? [ASK] : [],
  };
}

function missing({ note, licenceName }: LicenceDeclaration): Finding {
  const named = licenceName ? ` (but names '${licenceName}')` : '';
  return {
    ...REVIEW,
    reasons: [`no licence is declared${named}${note ? `: ${note}` : ''}; without one, nothing is permitted`],
    howToFix: [ASK, 'ask the owner to declare the licence in the model card'],
  };
}
