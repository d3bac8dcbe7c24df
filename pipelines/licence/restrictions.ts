/** The uses that licences forbid or limit, in words: what has to reach whoever uses a model. Pure. */
import { findLicence } from './rows.ts';
import type { Ask } from './terms.ts';

/** Asks that bind the users of a model, too; the rest binds who tunes and serves it. */
const BINDING: ReadonlySet<Ask['ask']> = new Set([
  'forbidden',
  'fields',
  'automated',
  'outputs',
  'territory',
  'limit',
  'promise',
]);

/** One sentence each, with licence and clause; a licence that restricts no use has none. */
export function restrictionsOf(ids: readonly string[]): readonly string[] {
  return ids.flatMap((id) => {
    const row = findLicence(id);
    return (row?.terms ?? []).flatMap(({ term }) =>
      BINDING.has(term.ask) ? [`${row?.name ?? id}: ${term.says} (${term.clause})`] : [],
    );
  });
}
