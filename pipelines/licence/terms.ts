/** What a licence says, as data: a term holds when its trigger does, and asks one thing of the use. */
import type { Field } from './domains.ts';
import type { Territory } from './places.ts';
import type { UseFacts } from './use.ts';

/** To which uses a clause applies; `offer` is giving away or hosting, `share-changed` publishing something changed. */
export type Trigger =
  | 'always'
  | 'commercial'
  | 'changed'
  | 'share'
  | 'offer'
  | 'share-changed'
  | 'offer-changed'
  | 'host'
  | 'host-changed';

/** What a use states about a duty. */
export type DutyField = 'builtWithDisplayed' | 'licenseCopyIncluded' | 'noticesRetained' | 'changesStated';
export type PromiseField = 'passThroughTerms' | 'disclosesMachineGenerated' | 'writtenAuthorization';
export type Measure = 'mauAtModelRelease' | 'mauNow' | 'annualRevenueUsd' | 'monthlyRevenueUsd';

export type Ask =
  /** The text forbids it. */
  | { readonly ask: 'forbidden' }
  /** A person has to read and decide, whatever the record says. */
  | { readonly ask: 'judgement' }
  /** Nothing to decide; somebody has to do it. */
  | { readonly ask: 'reminder' }
  /** Mechanical: carried out by Espalier unless the use refuses it. */
  | {
      readonly ask: 'duty';
      readonly field: DutyField;
      /** Only above any of these. */
      readonly above?: Limits;
      /** The words to be shown where people meet the model. */
      readonly display?: string;
      /** The words that its notice file must hold. */
      readonly notice?: string;
    }
  /** Only people can promise it: unsaid is undecided. */
  | { readonly ask: 'promise'; readonly field: PromiseField }
  /** No grant above the limit, unless the owner gives one. */
  | { readonly ask: 'limit'; readonly above: Limits; readonly owner: 'may-grant' | 'other-licence' }
  | { readonly ask: 'prefix'; readonly prefix: string }
  /** Outputs must not improve models of other families; null: of none at all. */
  | { readonly ask: 'outputs'; readonly family: RegExp | null }
  | {
      readonly ask: 'territory';
      readonly outside: readonly Territory[];
      /** What counts: where the company sits, or where the model is used. */
      readonly of: 'home' | 'use';
      readonly multimodalOnly: boolean;
    }
  | { readonly ask: 'fields'; readonly denied: readonly Field[]; readonly judged?: readonly Field[] }
  /** Decisions nobody reviews: `consequential` fields, or only those named. */
  | { readonly ask: 'automated'; readonly fields: 'consequential' | readonly Field[] };

export type Limits = Partial<Readonly<Record<Measure, number>>>;

export type Term = Ask & { readonly when: Trigger; readonly clause: string; readonly says: string };

export interface Licence {
  /** Lower case, as model cards write it. */
  readonly id: string;
  readonly spdx: string | null;
  /** Other ids that name the same text. */
  readonly aliases: readonly string[];
  /** Where the facts were read, e.g. `scancode 32.5.0: apache-2.0`. */
  readonly source: string;
  readonly terms: readonly Term[];
}

type Applies = boolean | undefined;
const either = (left: Applies, right: Applies): Applies =>
  left === true || right === true ? true : left === false && right === false ? false : undefined;
const both = (left: Applies, right: Applies): Applies =>
  left === false || right === false ? false : left === true && right === true ? true : undefined;

/** true or false where the use says so, undefined where it does not. */
export const TRIGGERS: Readonly<Record<Trigger, (use: UseFacts) => Applies>> = {
  always: () => true,
  commercial: (use) => use.commercial,
  changed: (use) => use.modify,
  share: (use) => use.publish,
  offer: (use) => either(use.publish, use.hosted),
  'share-changed': (use) => both(use.publish, use.modify),
  'offer-changed': (use) => both(either(use.publish, use.hosted), use.modify),
  host: (use) => use.hosted,
  'host-changed': (use) => both(use.hosted, use.modify),
};
