/**
 * Which of many pictures look nearly alike, without comparing all with all: hashes within d bits of each other share at least one of
 * d + 1 blocks of their bits (M. Norouzi, A. Punjani, D. J. Fleet, Fast search in Hamming space with multi-index hashing, CVPR 2012), so
 * that only those that share a block are compared. Where too many do (one background), they are told apart by blocks of the other bits
 * in the same way. Finds all pairs, at no more than the cost of comparing all with all. Pure.
 */
import { DisjointSets } from '../disjoint-sets.ts';
import { pause } from '../pauses.ts';
import { hammingDistance, type DifferenceHash } from './perceptual-hash.ts';

const BITS = 64;
/** So few are compared all with all: making buckets of them would cost more. */
const FEW = 128;
/** Of a block no more bits are read: with the place of two hundred million pictures they are one exact number. */
const MOST_BITS = 25;
/** Pairs compared, or bits read, between two pauses: well under a second. */
const PAUSE_STEPS = 20_000_000;

type Hashes = readonly (DifferenceHash | undefined)[];

/**
 * Of each hash the number of its group, that of its first: hashes within `distance` bits of each other, and of those in between. One without a hash is a group of its own.
 */
export async function nearHashGroups(hashes: Hashes, distance: number, signal?: AbortSignal): Promise<Int32Array> {
  const groups = new Groups(hashes, distance, signal);
  const different = groups.joinEqual();
  if (distance > 0)
    await groups.joinNear(
      different,
      Array.from({ length: BITS }, (_, bit) => bit),
    );
  return groups.roots();
}

class Groups {
  readonly #hashes: Hashes;
  readonly #distance: number;
  readonly #signal: AbortSignal | undefined;
  readonly #sets: DisjointSets;
  #steps = 0;

  constructor(hashes: Hashes, distance: number, signal: AbortSignal | undefined) {
    this.#hashes = hashes;
    this.#distance = distance;
    this.#signal = signal;
    this.#sets = new DisjointSets(hashes.length);
  }

  roots(): Int32Array {
    return this.#sets.roots();
  }

  /** The first of each hash. */
  joinEqual(): Int32Array {
    const firstOf = new Map<string, number>();
    const different: number[] = [];
    for (const [index, hash] of this.#hashes.entries()) {
      if (hash === undefined) continue;
      const key = `${hash.high}:${hash.low}`;
      const first = firstOf.get(key);
      if (first === undefined) {
        firstOf.set(key, index);
        different.push(index);
      } else this.#join(first, index);
    }
    return Int32Array.from(different);
  }

  /** `members` differ in bits of `free` only. */
  async joinNear(members: Int32Array, free: readonly number[]): Promise<void> {
    if (this.#areJoined(members)) return;
    const blocks = members.length <= FEW ? [] : blocksOf(free, this.#distance + 1);
    const sorted = blocks.map((bits) => this.#sortedBy(members, bits));
    const pairs = sorted.reduce((sum, { keys, starts }) => sum + pairsOf(starts, keys.length), 0);
    await this.#rest(members.length * free.length);
    // Each time at least half of the pairs fall away: what this costs stays below comparing all with all.
    if (members.length <= FEW || pairs > pairsOf([0], members.length) / 2) return this.#compareAll(members);
    for (const [at, { keys, starts }] of sorted.entries()) {
      const others = free.filter((bit) => !blocks[at]!.includes(bit));
      for (const [run, from] of starts.entries()) {
        const bucket = keys.subarray(from, starts[run + 1] ?? keys.length);
        if (bucket.length < 2) continue;
        await this.joinNear(
          Int32Array.from(bucket, (key) => members[key % members.length]!),
          others,
        );
      }
    }
  }

  /**
   * From one to all that it reaches: who is reached is compared with those alone that nobody has reached. Each pair is compared once at most; where all are
   * within the distance of one, few are.
   */
  async #compareAll(members: Int32Array): Promise<void> {
    const waiting = members.slice();
    const reached: number[] = [];
    for (let left = waiting.length; left > 0;) {
      const one = reached.pop() ?? waiting[--left]!;
      const hash = this.#hashes[one]!;
      const compared = left;
      left = 0;
      for (let at = 0; at < compared; at += 1) {
        const other = waiting[at]!;
        if (hammingDistance(hash, this.#hashes[other]!) <= this.#distance) {
          this.#join(one, other);
          reached.push(other);
        } else waiting[left++] = other;
      }
      await this.#rest(compared);
    }
  }

  /** Places among the members, each behind what the bits say of it, those with the same bits together; and where each of these runs starts. */
  #sortedBy(
    members: Int32Array,
    bits: readonly number[],
  ): { readonly keys: Float64Array; readonly starts: readonly number[] } {
    const keys = new Float64Array(members.length);
    for (let place = 0; place < members.length; place += 1) {
      const { high, low } = this.#hashes[members[place]!]!;
      let key = 0;
      for (const bit of bits) key = key * 2 + ((bit < 32 ? low >>> bit : high >>> (bit - 32)) & 1);
      keys[place] = key * members.length + place;
    }
    keys.sort();
    const starts: number[] = [];
    let before = -1;
    for (let place = 0; place < keys.length; place += 1) {
      const key = Math.floor(keys[place]! / members.length);
      if (key !== before) starts.push(place);
      before = key;
    }
    return { keys, starts };
  }

  #areJoined(members: Int32Array): boolean {
    return members.every((member) => this.#sets.areTogether(member, members[0]!));
  }

  /** The first of a group stands for it. */
  #join(one: number, other: number): void {
    const [left, right] = [this.#sets.rootOf(one), this.#sets.rootOf(other)];
    this.#sets.join(Math.max(left, right), Math.min(left, right));
  }

  async #rest(steps: number): Promise<void> {
    this.#steps += steps;
    if (this.#steps < PAUSE_STEPS) return;
    this.#steps = 0;
    await pause(this.#signal);
  }
}

function pairsOf(starts: readonly number[], end: number): number {
  return starts.reduce((sum, from, run) => {
    const length = (starts[run + 1] ?? end) - from;
    return sum + (length * (length - 1)) / 2;
  }, 0);
}

/** Neighbouring bits go to different blocks: fields beside each other tell the same. Where there are fewer bits than blocks, some have none. */
function blocksOf(bits: readonly number[], count: number): readonly (readonly number[])[] {
  return Array.from({ length: count }, (_, block) => bits.filter((__, at) => at % count === block).slice(0, MOST_BITS));
}
