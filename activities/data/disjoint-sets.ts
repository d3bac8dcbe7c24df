/**
 * Members that are joined pair by pair, and which of them are then together: a forest of disjoint sets in which each look-up
 * halves the path to its root (R. E. Tarjan, J. van Leeuwen, Worst-case analysis of set union algorithms, JACM 31, 1984). Pure.
 */
export class DisjointSets {
  readonly #parents: Int32Array;

  /** Each of `count` members, 0 to `count` − 1, is a set of its own. */
  constructor(count: number) {
    this.#parents = Int32Array.from({ length: count }, (_, member) => member);
  }

  /** The member that stands for a member's set: the same for all that are together. */
  rootOf(member: number): number {
    const parents = this.#parents;
    let at = member;
    while (parents[at] !== at) at = parents[at] = parents[parents[at]!]!;
    return at;
  }

  /** Makes one set of both members' sets; who stood for `other`'s stands for it. */
  join(member: number, other: number): void {
    this.#parents[this.rootOf(member)] = this.rootOf(other);
  }

  areTogether(member: number, other: number): boolean {
    return this.rootOf(member) === this.rootOf(other);
  }

  /** Of each member the root. */
  roots(): Int32Array {
    return this.#parents.map((_, member) => this.rootOf(member));
  }
}
