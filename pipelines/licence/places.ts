/** Whether a place lies in a territory that a licence excludes. Pure. */
export type Territory = 'EU' | 'UK' | 'KR';

const EU =
  'eu at be bg hr cy cz dk ee fi fr de gr hu ie it lv lt lu mt nl pl pt ro sk si es se austria belgium bulgaria croatia cyprus czechia denmark estonia finland france germany greece hungary ireland italy latvia lithuania luxembourg malta netherlands poland portugal romania slovakia slovenia spain sweden';
/** Names of a larger whole hold the territory too: who uses a model worldwide uses it there. */
const WHOLES = ['europe', 'european union', 'eea', 'emea', 'worldwide', 'global', 'world', 'international'];
const INSIDE: Readonly<Record<Territory, ReadonlySet<string>>> = {
  EU: new Set([...EU.split(' '), 'czech republic', ...WHOLES]),
  UK: new Set(['uk', 'gb', 'united kingdom', 'great britain', 'england', 'scotland', 'wales', ...WHOLES]),
  KR: new Set(['kr', 'south korea', 'korea', 'republic of korea', 'apac', 'asia', ...WHOLES.slice(4)]),
};
/** Places of their own: what is neither in a territory nor here is not understood, and a person looks at it. */
const OUTSIDE = new Set(
  [
    'us usa ca mx br ar cl co pe au nz jp cn in id my ph sg th vn tw hk il ae sa qa tr eg ke ng za ch no is li ua rs'.split(
      ' ',
    ),
    'canada mexico brazil argentina chile colombia peru australia japan china india indonesia malaysia philippines'.split(
      ' ',
    ),
    'singapore thailand vietnam taiwan israel turkey egypt kenya nigeria switzerland norway iceland ukraine africa'.split(
      ' ',
    ),
    ['united states', 'united states of america', 'new zealand', 'hong kong', 'united arab emirates', 'saudi arabia'],
    ['south africa', 'north america', 'south america', 'latin america'],
  ].flat(),
);

/** true inside, false outside, undefined when the place is not known here. */
export function inTerritory(place: string, territories: readonly Territory[]): boolean | undefined {
  const name = place.trim().toLowerCase().replaceAll('.', '');
  const known = (Object.keys(INSIDE) as Territory[]).filter((territory) => INSIDE[territory].has(name));
  if (known.some((territory) => territories.includes(territory))) return true;
  return known.length > 0 || OUTSIDE.has(name) ? false : undefined;
}
