/** The table of licences, with what each term has to say prepared once: a decision only picks from it. */
import type { Answer } from './asks.ts';
import type { Duty, LicenceVerdict, Obligation, Reason } from './decision.ts';
import { FAMILIES, NO_LICENCE, OPEN_LICENCES } from './open-licences.ts';
import { META_LICENCES } from './meta-licences.ts';
import { MODEL_LICENCES } from './model-licences.ts';
import { RESPONSIBLE_LICENCES } from './responsible-licences.ts';
import type { Ask, Licence, Term, Trigger } from './terms.ts';

export const LICENCES: readonly Licence[] = [
  ...OPEN_LICENCES,
  ...META_LICENCES,
  ...RESPONSIBLE_LICENCES,
  ...MODEL_LICENCES,
];

export interface Finding extends Reason {
  readonly fix: string;
}
export interface PreparedTerm {
  readonly term: Term;
  readonly findings: Readonly<Record<Exclude<Answer, 'met' | 'duty'>, Finding>>;
  /** What is to be done about it when it applies; null when nothing is. Index 1: the use states it is done. */
  readonly obligations: readonly [Obligation, Obligation] | null;
}
export interface Row {
  readonly licence: Licence;
  readonly name: string;
  readonly terms: readonly PreparedTerm[];
  readonly permitted: Reason;
  /** Has terms beyond mechanical duties; the more, the more restrictive. */
  readonly restrictions: number;
}

const CHOOSE = 'choose a model whose licence permits this use, or get permission from the owner';
export const ASK_A_PERSON = 'have a person read the licence text, and approve or reject at the review';

const TRIGGER_FIELDS: Readonly<Record<Trigger, readonly string[]>> = {
  always: [],
  commercial: ['commercial'],
  changed: ['modify'],
  share: ['publish'],
  offer: ['publish', 'hosted'],
  'share-changed': ['publish', 'modify'],
  'offer-changed': ['publish', 'hosted', 'modify'],
  host: ['hosted'],
  'host-changed': ['hosted', 'modify'],
};

function askedFields(ask: Ask): readonly string[] {
  switch (ask.ask) {
    case 'duty':
      return [ask.field, ...Object.keys(ask.above ?? {})];
    case 'promise':
      return [ask.field];
    case 'limit':
      return Object.keys(ask.above);
    case 'prefix':
      return ['derivedName'];
    case 'outputs':
      return ['outputsTrainOtherModel', 'family'];
    case 'territory':
      return [ask.of === 'home' ? 'principalPlaceOfBusiness' : 'region', ...(ask.multimodalOnly ? ['multimodal'] : [])];
    case 'fields':
      return ['domain'];
    case 'automated':
      return ['domain', 'automatedDecision'];
    case 'forbidden':
    case 'judgement':
    case 'reminder':
      return [];
  }
}

function fixOf(term: Term): string {
  if (term.ask === 'duty' || term.ask === 'promise') return `do it, and say so: intendedUse.${term.field} = true`;
  if (term.ask === 'prefix') return `give the model a name that begins with "${term.prefix}": intendedUse.derivedName`;
  if (term.ask === 'limit' || term.ask === 'territory')
    return 'ask the owner for a licence of your own, or choose another model';
  return CHOOSE;
}

/** Duties are Espalier's, and so is the check of a name; promises are a person's; the other asks leave nothing to do. */
function obligationsOf(term: Term, licence: string): PreparedTerm['obligations'] {
  const duty = dutyOf(term);
  if (duty === null) return null;
  const { display, notice } = term.ask === 'duty' ? term : {};
  const of = (stated: boolean): Obligation => ({
    licence,
    duty,
    ...(display === undefined ? {} : { display }),
    ...(notice === undefined ? {} : { notice }),
    text: term.says,
    clause: term.clause,
    by: term.ask === 'duty' || term.ask === 'prefix' ? 'espalier' : 'person',
    stated,
  });
  return [of(false), of(true)];
}

function dutyOf(term: Term): Duty | null {
  if (term.ask === 'duty' || term.ask === 'promise') return term.field;
  return term.ask === 'prefix' ? 'derivedName' : term.ask === 'reminder' ? 'reminder' : null;
}

function prepare(licence: Licence): Row {
  const name = licence.spdx ?? licence.id;
  const { source } = licence;
  const finding = (term: Term, verdict: LicenceVerdict, more: string, fix: string): Finding => ({
    verdict,
    text: `${name}: ${term.says}${more}`,
    clause: term.clause,
    source,
    fix,
  });
  const clauses = [...new Set(licence.terms.map(({ clause }) => clause))].join('; ');
  return {
    licence,
    name,
    terms: licence.terms.map((term) => {
      const fields = [...TRIGGER_FIELDS[term.when], ...askedFields(term)].map((field) => `intendedUse.${field}`);
      const refused = term.ask === 'duty' || term.ask === 'promise' ? ', which the stated use does not do' : '';
      return {
        term,
        findings: {
          unmet: finding(term, 'deny', refused, fixOf(term)),
          missing: finding(term, 'review', ` (undecided: ${fields.join(', ')})`, `state ${fields.join(', ')}`),
          judgement: finding(term, 'review', ' (for a person to judge)', ASK_A_PERSON),
        },
        obligations: obligationsOf(term, name),
      };
    }),
    permitted: {
      verdict: 'allow',
      text: `${name} permits the intended use`,
      clause: clauses || 'the whole text',
      source,
    },
    restrictions: licence.terms.filter(({ ask }) => ask !== 'duty' && ask !== 'reminder').length,
  };
}

const ROWS: ReadonlyMap<string, Row> = new Map(
  LICENCES.flatMap((licence) => {
    const row = prepare(licence);
    return [licence.id, ...licence.aliases].map((id) => [id, row] as const);
  }),
);

/** An id is looked up exactly, case aside, and never corrected to a similar one. */
export function findLicence(id: string): Row | undefined {
  return ROWS.get(id.trim().toLowerCase());
}

/** Why an id that has no row has none. */
export function whyUnknown(id: string): string {
  const key = id.trim().toLowerCase();
  if (FAMILIES.has(key)) return `'${id}' names a family of licences, not one text`;
  if (NO_LICENCE.has(key)) return `the licence is declared as '${id}': its terms are not known here`;
  return `'${id}' is not in the table of licences`;
}
