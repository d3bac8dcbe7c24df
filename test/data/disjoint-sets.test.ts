import { deepEqual, equal } from 'node:assert/strict';
import * as fc from 'fast-check';
import { DisjointSets } from '../../activities/data/disjoint-sets.ts';

const MEMBERS = 12;
const member = fc.nat({ max: MEMBERS - 1 });

/** Who is together, each set in the order of its members, found by giving all of one set the other's name. */
function namedSets(pairs: readonly (readonly [number, number])[]): number[] {
  let names = Array.from({ length: MEMBERS }, (_, one) => one);
  for (const [one, other] of pairs) names = names.map((name) => (name === names[one] ? names[other]! : name));
  return names;
}

describe('sets of members that are joined pair by pair', () => {
  it('are together whatever they were joined by, and the root of who was joined to stands for all', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(member, member)), (pairs) => {
        const sets = new DisjointSets(MEMBERS);
        for (const [one, other] of pairs) sets.join(one, other);
        const names = namedSets(pairs);
        deepEqual([...sets.roots()], names);
        for (const [one, name] of names.entries()) equal(sets.areTogether(0, one), names[0] === name);
      }),
    );
  });

  it('are as many as there are members before any is joined', () => {
    deepEqual([...new DisjointSets(3).roots()], [0, 1, 2]);
    deepEqual([...new DisjointSets(0).roots()], []);
  });
});
