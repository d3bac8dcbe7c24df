/**
 * Who fills which seat of an approval: a maximum bipartite matching of people and seats by augmenting paths (Kuhn 1955).
 * Whoever voted keeps a seat, but not a certain one: somebody who may take either makes room for somebody who may not.
 * No imports: the run, the deployment and the model server must come to the same answer by the same code.
 */

/** `count` people who hold `role`. */
export interface Seat {
  readonly role: string;
  readonly count: number;
}

export interface Voter {
  readonly name: string;
  /** The roles whose seats this person may fill. */
  readonly roles: readonly string[];
}

export interface FilledSeat {
  readonly role: string;
  /** null: still open. */
  readonly by: string | null;
}

/** One entry a chair, in the order of the rule. As many are filled as can be; nobody fills two. */
export function fillSeats(seats: readonly Seat[], voters: readonly Voter[]): readonly FilledSeat[] {
  const chairs = seats.flatMap(({ role, count }) => Array.from({ length: count }, () => role));
  const taken: (Voter | undefined)[] = chairs.map(() => undefined);
  const seat = (voter: Voter, asked: Set<number>): boolean => {
    for (const [chair, role] of chairs.entries()) {
      if (!voter.roles.includes(role) || asked.has(chair)) continue;
      asked.add(chair);
      const sitting = taken[chair];
      if (sitting !== undefined && !seat(sitting, asked)) continue;
      taken[chair] = voter;
      return true;
    }
    return false;
  };
  const seen = new Set<string>();
  for (const voter of voters) {
    if (seen.has(voter.name)) continue;
    seen.add(voter.name);
    seat(voter, new Set());
  }
  return chairs.map((role, chair) => ({ role, by: taken[chair]?.name ?? null }));
}

/** Chairs that nobody fills, by role. */
export function openSeats(filled: readonly FilledSeat[]): readonly Seat[] {
  const open = new Map<string, number>();
  for (const { role, by } of filled) if (by === null) open.set(role, (open.get(role) ?? 0) + 1);
  return [...open].map(([role, count]) => ({ role, count }));
}

/** `legal, 2 × risk`. */
export function seatText(seats: readonly Seat[]): string {
  return seats.map(({ role, count }) => (count === 1 ? role : `${count} × ${role}`)).join(', ');
}
