/**
 * What must be true of any case that is allowed, written a second time and the other way round: from the terms to the
 * facts that alone can clear them. A reader's check, not a faster evaluator.
 */
import { classifyDomain } from '../../../pipelines/licence/domains.ts';
import type { ModelTerms } from '../../../pipelines/licence/decision.ts';
import { inTerritory } from '../../../pipelines/licence/places.ts';
import { findLicence } from '../../../pipelines/licence/rows.ts';
import type { Term, Trigger } from '../../../pipelines/licence/terms.ts';
import type { UseFacts } from '../../../pipelines/licence/use.ts';

/** Facts that must all be stated as false for a term not to apply, or of which one false one is enough. */
const MAY_APPLY: Readonly<Record<Trigger, (use: UseFacts) => boolean>> = {
  always: () => true,
  commercial: ({ commercial }) => commercial !== false,
  changed: ({ modify }) => modify !== false,
  share: ({ publish }) => publish !== false,
  offer: ({ publish, hosted }) => publish !== false || hosted !== false,
  'share-changed': ({ publish, modify }) => publish !== false && modify !== false,
  'offer-changed': ({ publish, hosted, modify }) => (publish !== false || hosted !== false) && modify !== false,
  host: ({ hosted }) => hosted !== false,
  'host-changed': ({ hosted, modify }) => hosted !== false && modify !== false,
};

/** Why this case may not be allowed; empty where it may. */
export function objections(terms: ModelTerms, use: UseFacts): readonly string[] {
  const found: string[] = [];
  if (terms.declared.length === 0) found.push('nothing is declared');
  if (terms.doubts.length > 0) found.push('a doubt');
  if (terms.gated) found.push('gated');
  const voices = new Map<string, string[]>();
  for (const { id, by } of terms.declared)
    voices.set(by, [...(voices.get(by) ?? []), findLicence(id)?.licence.id ?? id]);
  const said = [...voices.values()].map((ids) => [...new Set(ids)].toSorted().join());
  if (new Set(said).size > 1) found.push('voices differ');
  const parents = { merge: 2, adapter: 1, finetune: 1, quantized: 1 };
  if (terms.relation !== null && terms.parents.length < parents[terms.relation]) found.push('parents are missing');
  for (const { id } of terms.declared) {
    const row = findLicence(id);
    if (row === undefined) found.push(`${id} is not known`);
    for (const term of row?.licence.terms ?? []) {
      if (MAY_APPLY[term.when](use) && !cleared(term, use)) found.push(`${id}: ${term.says}`);
    }
  }
  for (const { model, terms: above } of terms.parents) {
    if (above === null) found.push(`${model} is not known`);
    else found.push(...objections(above, use));
  }
  const { domain, validationStudy } = use;
  const kind = domain === undefined ? undefined : classifyDomain(domain);
  if (kind === undefined) found.push('no domain');
  else if (validationStudy === undefined && (kind.sensitive || !kind.known)) found.push('domain');
  return found;
}

function cleared(term: Term, use: UseFacts): boolean {
  const within = (above: Readonly<Partial<Record<string, number>>>): boolean =>
    Object.entries(above).every(([measure, limit]) => {
      const value = use[measure as 'mauNow'];
      return value !== undefined && value <= (limit ?? 0);
    });
  const kind = use.domain === undefined ? undefined : classifyDomain(use.domain);
  switch (term.ask) {
    case 'forbidden':
    case 'judgement':
      return false;
    case 'reminder':
      return true;
    case 'duty':
      return use[term.field] !== false || (term.above !== undefined && within(term.above));
    case 'promise':
      return use[term.field] === true;
    case 'limit':
      return within(term.above) || (use.writtenAuthorization === true && term.owner === 'may-grant');
    case 'prefix': {
      const bare = (text: string): string => text.toLowerCase().replaceAll(/[ _-]/g, '');
      return use.derivedName !== undefined && bare(use.derivedName).startsWith(bare(term.prefix));
    }
    case 'outputs':
      return (
        use.outputsTrainOtherModel === false ||
        (use.outputsTrainOtherModel === true && use.family !== undefined && term.family?.test(use.family) === true)
      );
    case 'territory': {
      if (term.multimodalOnly && use.multimodal === false) return true;
      const place = term.of === 'home' ? use.principalPlaceOfBusiness : use.region;
      return place !== undefined && inTerritory(place, term.outside) === false;
    }
    case 'fields':
      return kind?.known === true && ![...term.denied, ...(term.judged ?? [])].some((field) => kind.fields.has(field));
    case 'automated': {
      if (use.automatedDecision === false) return true;
      const { fields } = term;
      return fields !== 'consequential' && kind?.known === true && !fields.some((field) => kind.fields.has(field));
    }
  }
}
