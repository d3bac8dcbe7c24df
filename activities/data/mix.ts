/** A permutation of the 32-bit integers in which every input bit flips half of the output's (MurmurHash3, A. Appleby). Pure. */
export function mix(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
