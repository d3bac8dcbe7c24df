import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { fillSeats, openSeats, seatText, type Seat, type Voter } from '../../artifacts/seats.ts';

const LEGAL_AND_RISK: readonly Seat[] = [
  { role: 'legal', count: 1 },
  { role: 'risk', count: 1 },
];

/** The most chairs that can be filled, by trying every way. */
function bruteForce(chairs: readonly string[], voters: readonly Voter[]): number {
  const [chair, ...rest] = chairs;
  if (chair === undefined) return 0;
  const filled = voters.flatMap((voter, index) =>
    voter.roles.includes(chair) ? [1 + bruteForce(rest, voters.toSpliced(index, 1))] : [],
  );
  return Math.max(bruteForce(rest, voters), ...filled);
}

describe('the seats of an approval', () => {
  it('are not blocked by who could take either of them (GitLab #425759)', () => {
    const both = { name: 'bea', roles: ['legal', 'risk'] };
    const lawyer = { name: 'lena', roles: ['legal'] };
    const risk = { name: 'rita', roles: ['risk'] };
    for (const second of [lawyer, risk]) {
      assert.deepEqual(openSeats(fillSeats(LEGAL_AND_RISK, [both, second])), [], second.name);
      assert.deepEqual(openSeats(fillSeats(LEGAL_AND_RISK, [second, both])), [], second.name);
    }
    assert.deepEqual(fillSeats(LEGAL_AND_RISK, [both, lawyer]), [
      { role: 'legal', by: 'lena' },
      { role: 'risk', by: 'bea' },
    ]);
  });

  it('are filled by one person each, however many roles somebody holds, and however often they are named', () => {
    const both = { name: 'bea', roles: ['legal', 'risk'] };
    assert.equal(seatText(openSeats(fillSeats(LEGAL_AND_RISK, [both, both]))), 'risk');
    const two = [{ role: 'legal', count: 2 }];
    assert.equal(seatText(openSeats(fillSeats(two, [{ name: 'lena', roles: ['legal', 'legal'] }]))), 'legal');
    assert.equal(seatText(openSeats(fillSeats(two, []))), '2 × legal');
  });

  it('are filled as far as they can be, in whatever order people come, and nobody who sits is sent away', () => {
    const role: fc.Arbitrary<string> = fc.constantFrom('a', 'b', 'c', 'd');
    const seats = fc.uniqueArray(fc.record({ role, count: fc.integer({ min: 1, max: 2 }) }), {
      selector: (one) => one.role,
      minLength: 1,
      maxLength: 4,
    });
    const people = fc
      .array(fc.uniqueArray(role, { maxLength: 4 }), { maxLength: 6 })
      .map((all) => all.map((roles, index) => ({ name: `p${index}`, roles })));
    fc.assert(
      fc.property(seats, people, (rule, voters) => {
        const chairs = rule.flatMap(({ role: name, count }) => Array.from({ length: count }, () => name));
        const filled = fillSeats(rule, voters);
        const sitting = filled.flatMap(({ by }) => by ?? []);
        assert.equal(new Set(sitting).size, sitting.length);
        for (const { role: chair, by } of filled) {
          if (by !== null) assert.ok(voters.find(({ name }) => name === by)?.roles.includes(chair));
        }
        assert.equal(sitting.length, bruteForce(chairs, voters));
        const before = fillSeats(rule, voters.slice(0, -1)).flatMap(({ by }) => by ?? []);
        for (const name of before) assert.ok(sitting.includes(name), `${name} lost the seat`);
      }),
      { numRuns: 300 },
    );
  });
});
