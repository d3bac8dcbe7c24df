/** What was declared about a model, and what was decided for one use of it. Types only. */
import type { Digest } from '../../artifacts/reference.ts';
import type { DutyField, PromiseField } from './terms.ts';

export type LicenceVerdict = 'allow' | 'review' | 'deny';

/** Why: the clause, and where its text was read. */
export interface Reason {
  readonly verdict: LicenceVerdict;
  readonly text: string;
  readonly clause: string;
  readonly source: string;
  /** What would help; a permission needs none. */
  readonly fix?: string;
}

/** What a duty asks for: a field of the intended use, a name, or only that somebody remembers. */
export type Duty = DutyField | PromiseField | 'derivedName' | 'reminder';

/** A duty that comes with a permitted use. */
export interface Obligation {
  /** The licence that asks for it, and what it asks for. */
  readonly licence: string;
  readonly duty: Duty;
  /** The words to be shown, or to stand in the notice file, where the licence prescribes them. */
  readonly display?: string;
  readonly notice?: string;
  readonly text: string;
  readonly clause: string;
  /** `espalier`: carried out with the bundle, the card and the API; `person`: nobody else can. */
  readonly by: 'espalier' | 'person';
  /** The use states that it is done. */
  readonly stated: boolean;
}

export interface Judgement {
  readonly verdict: LicenceVerdict;
  /** The id of the most restrictive licence that applies; null while any of them is unknown. */
  readonly concluded: string | null;
  /** The ids of all known licences that apply. */
  readonly licences: readonly string[];
  readonly reasons: readonly Reason[];
  readonly obligations: readonly Obligation[];
  readonly howToFix: readonly string[];
}

/** A licence's text as found beside a model, compared with the texts known here. */
export interface LicenceText {
  readonly path: string;
  readonly digest: Digest;
  /** The nearest known text; null when none is near. */
  readonly licence: string | null;
  /** It is that text, but for names, years and layout. */
  readonly same: boolean;
  /** Share of common word sequences, 0–1. */
  readonly similarity: number;
  /** Lines that stand in only one of the two: `+` found, `-` expected. */
  readonly differences: readonly string[];
}

export interface Parent {
  readonly model: string;
  /** Null: nothing is known of it. */
  readonly terms: ModelTerms | null;
}

/** Everything a model and its surroundings say of its terms, read but not yet judged. */
export interface ModelTerms {
  /** Ids, each with who says so. Those of one voice all apply; voices that differ contradict each other. */
  readonly declared: readonly { readonly id: string; readonly by: string }[];
  /** What `license: other` is called. */
  readonly name: string | null;
  readonly link: string | null;
  /** Why what was read may not be all: unreadable front matter, a text that no row knows. */
  readonly doubts: readonly string[];
  readonly parents: readonly Parent[];
  readonly relation: 'adapter' | 'merge' | 'quantized' | 'finetune' | null;
  readonly datasets: readonly { readonly name: string; readonly licence: string | null }[];
  /** The owner grants access person by person. */
  readonly gated: boolean;
}

/** Which model exactly: conclusions and decisions are bound to it. */
export interface ModelIdentity {
  readonly model: string;
  readonly revision: string | null;
  readonly texts: readonly Digest[];
}
