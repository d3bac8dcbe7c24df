/** Steps that judge licence and privacy. */
import type { CarriedDuty } from '../../artifacts/bundle-terms.ts';
import type { ArtifactRef, Digest } from '../../artifacts/reference.ts';
import type { PersonalDataPolicy, PiiKind } from '../../pipelines/definition/data.ts';
import type { Pipeline } from '../../pipelines/definition.ts';
import type { LicenceText, LicenceVerdict, ModelTerms, Obligation } from '../../pipelines/licence/decision.ts';
import type { TextChange } from '../../pipelines/licence/text-changes.ts';
import type { Split } from './data.ts';
import type { CandidateSource, ImportedModel, ResolvedModel } from './selection.ts';

export interface ScanPrivacyInput {
  readonly dataset: ArtifactRef;
  readonly onPersonalData: PersonalDataPolicy;
}
/** Rows with at least one match, and matches. */
export interface PersonalDataCount {
  readonly rows: number;
  readonly matches: number;
}
export interface PrivacySummary {
  readonly rowsScanned: number;
  /**
   * A kind and split; `shifted` are the rows of `data.shiftedFiles`, missing where the dataset has none. Old results lack it, and
   * the kinds that came later.
   */
  readonly counts: Readonly<
    Partial<Record<PiiKind, Readonly<Record<Split, PersonalDataCount>> & { readonly shifted?: PersonalDataCount }>>
  >;
  /** Redacted: `a…@…`, never the raw value. */
  readonly samples: readonly { readonly kind: PiiKind; readonly redacted: string; readonly rowId: string }[];
}

export interface LicenceDecision {
  readonly verdict: LicenceVerdict;
  /** As the card says; null when it says nothing. */
  readonly declared: string | null;
  /** SPDX id, where one fits. */
  readonly spdx: string | null;
  /** One sentence each, with the clause and where it was read. */
  readonly reasons: readonly string[];
  readonly howToFix: readonly string[];
  /** Of the tables, the rules and the organisation's policy. */
  readonly policyDigest: Digest;
  // The rest is missing in decisions recorded before it was known.
  /** The most restrictive licence of model, source and parents; null while one of them is unknown. */
  readonly concluded?: string | null;
  readonly obligations?: readonly Obligation[];
  /** The texts that it was decided on: other texts, another decision. */
  readonly texts?: readonly LicenceText[];
  /** All known licences that apply, by id. */
  readonly licences?: readonly string[];
  /** What it was decided from: the same question can be asked again, of another policy or on another day. */
  readonly terms?: ModelTerms;
  /** The person's conclusion that it rests on. */
  readonly conclusion?: { readonly by: string; readonly reason: string; readonly expires: string };
}

/** What a model's source says of its terms at one moment. */
export interface SourceTerms {
  /** fixed: it cannot change; unreachable: it could not be asked, which is no change. */
  readonly state: 'read' | 'fixed' | 'unreachable';
  /** Where it was read; else why not. */
  readonly at: string;
  readonly declared: readonly string[];
  readonly texts: readonly { readonly path: string; readonly digest: Digest; readonly ref: ArtifactRef }[];
}
/** A licence judged again: by the policy as it is now, from what the source says by now. */
export interface TermsVerdict {
  readonly checkedAt: string;
  readonly verdict: LicenceVerdict;
  readonly concluded: string | null;
  readonly reasons: readonly string[];
  readonly howToFix: readonly string[];
  readonly policyDigest: Digest;
  readonly policyFrom: string;
  readonly policy?: ArtifactRef;
  readonly source: SourceTerms;
  readonly changes: readonly TextChange[];
  readonly conclusion?: { readonly by: string; readonly reason: string; readonly expires: string };
}
/** Why the review of a model in production is open again: what has changed, and how it is judged now. */
export interface ReopenedTerms {
  readonly runId: string;
  readonly reasons: readonly string[];
  readonly terms: TermsVerdict;
}
export interface CheckTermsInput {
  readonly pipeline: Pick<Pipeline, 'name' | 'intendedUse' | 'deploy' | 'review'>;
  readonly candidate: CandidateSource;
  readonly resolved: ResolvedModel;
  readonly imported: ImportedModel;
  readonly bundle: ArtifactRef;
  readonly duties: readonly CarriedDuty[];
  readonly policy?: ArtifactRef;
}
