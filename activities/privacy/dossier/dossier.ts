/** A model's dossier: what the record says, what people have written, and what is still open. Pure: the same facts, the same bytes. */
import type { DossierAnswers } from '../../../pipelines/dossier/answers.ts';
import { DOSSIER_FIELD_IDS, DOSSIER_FIELDS, type DossierFieldId } from '../../../pipelines/dossier/fields.ts';
import { winnerOf } from '../../../pipelines/winner.ts';
import type { Digest } from '../../../artifacts/reference.ts';
import type { RunFacts } from '../../contract/evidence.ts';
import { fromRecord, type DossierFacts } from './record.ts';

export interface DossierEntry {
  readonly id: DossierFieldId;
  readonly law: string;
  readonly article: string;
  readonly title: string;
  /** `later`: the run says it when it gets there. */
  readonly state: 'filled' | 'open' | 'later';
  /** What the record says, a sentence each. */
  readonly record: readonly string[];
  readonly answer: { readonly text: string; readonly by: string; readonly at: string } | null;
  /** Of an open one: what must be written, and by whom. */
  readonly ask: string;
  readonly who: string;
}

export interface Dossier {
  readonly version: 1;
  /** Of the file of answers; null: there is none. */
  readonly answers: Digest | null;
  /** Whether nothing may be released while a field is open. */
  readonly required: boolean;
  readonly fields: number;
  readonly open: number;
  readonly later: number;
  readonly entries: readonly DossierEntry[];
}

export interface GivenAnswers {
  readonly digest: Digest;
  readonly answers: DossierAnswers;
}

/** Of a run as far as it has got. */
export function runDossier(facts: RunFacts, given: GivenAnswers | null): Dossier {
  const base = winnerOf(facts)?.resolved;
  return dossierOf(base === undefined ? facts : { ...facts, base }, given);
}

export function dossierOf(facts: DossierFacts, given: GivenAnswers | null): Dossier {
  const entries = DOSSIER_FIELD_IDS.map((id): DossierEntry => {
    const { law, article, title, from, ask, who } = DOSSIER_FIELDS[id];
    const known = from === 'record' ? fromRecord(id, facts) : null;
    const answer = given?.answers.answers[id] ?? null;
    const record = known === 'later' || known === null ? [] : known;
    const state = record.length > 0 || answer !== null ? 'filled' : known === 'later' ? 'later' : 'open';
    return { id, law, article, title, state, record, answer, ask, who };
  });
  const count = (state: DossierEntry['state']): number => entries.filter((entry) => entry.state === state).length;
  return {
    version: 1,
    answers: given?.digest ?? null,
    required: facts.pipeline.review?.requireDossier === true || given?.answers.requireComplete === true,
    fields: entries.length,
    open: count('open'),
    later: count('later'),
    entries,
  };
}

/** `14 of 38 fields open; the run fills 5 more as it goes on`. */
export function dossierLine({ fields, open, later }: Pick<Dossier, 'fields' | 'open' | 'later'>): string {
  const more = later === 0 ? '' : `; the run fills ${later} more as it goes on`;
  return `${open} of ${fields} fields open${more}`;
}
