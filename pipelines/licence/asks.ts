/** How each kind of term is answered from the stated use: met, unmet, or left to a person or to Espalier. Pure. */
import { classifyDomain } from './domains.ts';
import { inTerritory } from './places.ts';
import type { Ask, Limits, Measure } from './terms.ts';
import type { UseFacts } from './use.ts';

/** `duty`: left to Espalier, mechanical. `missing`: a fact is not stated. `judgement`: facts do not decide it. */
export type Answer = 'met' | 'duty' | 'missing' | 'judgement' | 'unmet';
type Asked<Kind extends Ask['ask']> = Extract<Ask, { ask: Kind }>;

const ANSWERS: { readonly [Kind in Ask['ask']]: (ask: Asked<Kind>, use: UseFacts) => Answer } = {
  // Permission beside the licence: no longer forbidden by the text, but somebody has to read that permission.
  forbidden: (_, use) => (use.writtenAuthorization === true ? 'judgement' : 'unmet'),
  judgement: () => 'judgement',
  reminder: () => 'duty',
  duty: ({ field, above }, use) => {
    if (use[field] !== false) return use[field] === true ? 'met' : 'duty';
    if (above === undefined) return 'unmet';
    return { over: 'unmet', under: 'met', unknown: 'missing' }[compare(above, use)] as Answer;
  },
  promise: ({ field }, use) => (use[field] === undefined ? 'missing' : use[field] ? 'met' : 'unmet'),
  limit: ({ above, owner }, use) => {
    const side = compare(above, use);
    if (side === 'under') return 'met';
    if (use.writtenAuthorization === true) return owner === 'may-grant' ? 'met' : 'judgement';
    return side === 'over' ? 'unmet' : 'missing';
  },
  prefix: ({ prefix }, use) =>
    use.derivedName === undefined
      ? 'missing'
      : use.derivedName
            .toLowerCase()
            .replaceAll(/[\s_-]+/g, '')
            .startsWith(prefix.toLowerCase().replaceAll(' ', ''))
        ? 'met'
        : 'unmet',
  outputs: ({ family }, use) => {
    if (use.outputsTrainOtherModel === undefined) return 'missing';
    if (!use.outputsTrainOtherModel) return 'met';
    return family !== null && use.family !== undefined && family.test(use.family.trim()) ? 'met' : 'unmet';
  },
  territory: ({ outside, of, multimodalOnly }, use) => {
    if (multimodalOnly && use.multimodal === false) return 'met';
    const home = use.principalPlaceOfBusiness;
    const [decisive, other] = of === 'home' ? [home, use.region] : [use.region, home];
    const inside = decisive === undefined ? undefined : inTerritory(decisive, outside);
    if (inside === false) return 'met';
    const within = inside ?? (decisive === undefined && other !== undefined && inTerritory(other, outside) === true);
    if (!within) return 'missing';
    return multimodalOnly && use.multimodal === undefined ? 'missing' : 'unmet';
  },
  fields: ({ denied, judged = [] }, use) => {
    if (use.domain === undefined) return 'missing';
    const { fields, known } = classifyDomain(use.domain);
    if (denied.some((field) => fields.has(field))) return 'unmet';
    return known && !judged.some((field) => fields.has(field)) ? 'met' : 'judgement';
  },
  automated: ({ fields: named }, use) => {
    if (use.automatedDecision === false) return 'met';
    if (use.domain === undefined) return 'missing';
    const { fields, known, consequential } = classifyDomain(use.domain);
    if (named !== 'consequential' && known && !named.some((field) => fields.has(field))) return 'met';
    if (use.automatedDecision === undefined) return 'missing';
    return consequential ? 'unmet' : 'judgement';
  },
};

export function answer(ask: Ask, use: UseFacts): Answer {
  return (ANSWERS[ask.ask] as (ask: Ask, use: UseFacts) => Answer)(ask, use);
}

/** Over any limit, under all of them, or not to be told. */
function compare(above: Limits, use: UseFacts): 'over' | 'under' | 'unknown' {
  let side: 'under' | 'unknown' = 'under';
  for (const measure in above) {
    const value = use[measure as Measure];
    if (value === undefined) side = 'unknown';
    else if (value > (above[measure as Measure] ?? Infinity)) return 'over';
  }
  return side;
}
