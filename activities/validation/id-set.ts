/**
 * Whether an id is among very many, at 8 bytes each at most half full: of every id only 64 bits of its SHA-256 are kept. Of n ids an unknown
 * one is taken for known with a chance of n / 2⁶⁴. Pure.
 */
import { createHash } from 'node:crypto';

export class IdSet {
  /** Two words a slot; a slot of two zeros is free. */
  #slots = new Uint32Array(2 * 1024);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(id: string): void {
    if (4 * this.#size >= this.#slots.length) this.#grow();
    const [high, low] = wordsOf(id);
    if (this.#put(high, low)) this.#size += 1;
  }

  has(id: string): boolean {
    const [high, low] = wordsOf(id);
    const at = this.#find(high, low);
    return this.#slots[at] !== 0 || this.#slots[at + 1] !== 0;
  }

  /** The slot of this hash, or the free one where it belongs: the first from its place on. */
  #find(high: number, low: number): number {
    const slots = this.#slots.length / 2;
    for (let slot = low % slots; ; slot = (slot + 1) % slots) {
      const [one, other] = [this.#slots[2 * slot]!, this.#slots[2 * slot + 1]!];
      if ((one === high && other === low) || (one === 0 && other === 0)) return 2 * slot;
    }
  }

  #put(high: number, low: number): boolean {
    const at = this.#find(high, low);
    if (this.#slots[at] === high && this.#slots[at + 1] === low) return false;
    this.#slots[at] = high;
    this.#slots[at + 1] = low;
    return true;
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Uint32Array(before.length * 2);
    for (let at = 0; at < before.length; at += 2) {
      if (before[at] !== 0 || before[at + 1] !== 0) this.#put(before[at]!, before[at + 1]!);
    }
  }
}

function wordsOf(id: string): readonly [high: number, low: number] {
  const hash = createHash('sha256').update(id).digest();
  // Two zeros mark a free slot: the one hash in 2⁶⁴ that is so becomes its neighbour.
  return [hash.readUInt32LE(0), hash.readUInt32LE(4) || 1];
}
