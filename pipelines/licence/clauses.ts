/** The terms that recur in the tables of licences, each with the one way to write it. */
import type { Field } from './domains.ts';
import type { Licence, Limits, Term, Trigger } from './terms.ts';

/** Where a text was read, by its key in that collection; and the id that the collection gives it. */
export const scancode = (key: string): string => `scancode 32.5.0: ${key}`;
export const ref = (key: string): string => `licenseref-scancode-${key}`;

type Clauses = (clause: string, when?: Trigger) => Term;

export const nonCommercial: Clauses = (clause, when = 'commercial') => ({
  ask: 'forbidden',
  when,
  clause,
  says: 'forbids commercial use',
});
export const noDerivatives: Clauses = (clause) => ({
  ask: 'forbidden',
  when: 'share-changed',
  clause,
  says: 'forbids publishing a fine-tuned model: it may be made, but not shared',
});
export const sameLicence: Clauses = (clause, when = 'share-changed') => ({
  ask: 'promise',
  field: 'passThroughTerms',
  when,
  clause,
  says: 'asks for the same licence on a published model that derives from it',
});
export const notices: Clauses = (clause, when = 'share') => ({
  ask: 'duty',
  field: 'noticesRetained',
  when,
  clause,
  says: 'keep copyright notices and attribution with every copy',
});
/** The same, where the licence prescribes the words of a notice file. */
export const noticeFile = (clause: string, notice: string, when: Trigger = 'share'): Term => ({
  ask: 'duty',
  field: 'noticesRetained',
  notice,
  when,
  clause,
  says: 'keep copyright notices, and give its attribution notice with every copy',
});
export const licenceCopy: Clauses = (clause, when = 'share') => ({
  ask: 'duty',
  field: 'licenseCopyIncluded',
  when,
  clause,
  says: 'include a copy of the licence',
});
export const changes: Clauses = (clause, when = 'share-changed') => ({
  ask: 'duty',
  field: 'changesStated',
  when,
  clause,
  says: 'state that the model was changed',
});
/** The restrictions go on to whoever gets or uses the model, in terms that can be enforced. */
export const passOn: Clauses = (clause, when = 'offer') => ({
  ask: 'promise',
  field: 'passThroughTerms',
  when,
  clause,
  says: 'its use restrictions must bind your users, in enforceable terms',
});
export const disclose: Clauses = (clause, when = 'offer') => ({
  ask: 'promise',
  field: 'disclosesMachineGenerated',
  when,
  clause,
  says: 'it must be disclosed that content was made by a machine',
});
export const judgement = (clause: string, says: string, when: Trigger = 'always'): Term => ({
  ask: 'judgement',
  when,
  clause,
  says,
});
export const reminder = (clause: string, says: string, when: Trigger = 'always'): Term => ({
  ask: 'reminder',
  when,
  clause,
  says,
});
export const builtWith = (clause: string, phrase: string, when: Trigger = 'offer', above?: Limits): Term => ({
  ask: 'duty',
  field: 'builtWithDisplayed',
  when,
  clause,
  says: `display "${phrase}"`,
  display: phrase,
  ...(above === undefined ? {} : { above }),
});
export const prefix = (clause: string, name: string, when: Trigger = 'offer-changed'): Term => ({
  ask: 'prefix',
  prefix: name,
  when,
  clause,
  says: `the name of the model must begin with "${name}"`,
});
export const outputs = (clause: string, family: RegExp | null, says: string): Term => ({
  ask: 'outputs',
  family,
  when: 'always',
  clause,
  says,
});
export const fields = (clause: string, denied: readonly Field[], judged: readonly Field[] = []): Term => ({
  ask: 'fields',
  denied,
  judged,
  when: 'always',
  clause,
  says: `excludes fields of use: ${[...denied, ...judged].join(', ')}`,
});
export const automated = (clause: string, of: 'consequential' | readonly Field[] = 'consequential'): Term => ({
  ask: 'automated',
  fields: of,
  when: 'always',
  clause,
  says: 'excludes decisions about people that nobody reviews',
});
export const usersLimit = (clause: string, above: Limits, says: string, when: Trigger = 'always'): Term => ({
  ask: 'limit',
  above,
  owner: 'may-grant',
  when,
  clause,
  says,
});
/** Neither a product nor a service may run on it: research at most. */
export const notForProduction = (clause: string): Term => ({
  ask: 'judgement',
  when: 'offer',
  clause,
  says: 'is not for production use',
});

export function licence(
  id: string,
  spdx: string | null,
  source: string,
  terms: readonly Term[],
  aliases: readonly string[] = [],
): Licence {
  return {
    id,
    spdx,
    source,
    terms,
    aliases: [...aliases, ...(spdx === null ? [] : [spdx.toLowerCase()])].filter((alias) => alias !== id),
  };
}
