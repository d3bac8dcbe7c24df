import { deepEqual, notDeepEqual, rejects } from 'node:assert/strict';
import { nearHashGroups } from '../../../activities/data/images/near-hash-groups.ts';
import { hammingDistance, type DifferenceHash } from '../../../activities/data/images/perceptual-hash.ts';
import { seededRandom } from '../../../activities/validation/random.ts';

/** All compared with all. */
function groupsByComparing(hashes: readonly (DifferenceHash | undefined)[], distance: number): number[] {
  const groups = hashes.map((_, index) => index);
  const waiting = new Set(groups.filter((index) => hashes[index] !== undefined));
  for (const first of waiting) {
    waiting.delete(first);
    for (const reached = [first]; reached.length > 0;) {
      const near = hashes[reached.pop()!]!;
      for (const other of waiting) {
        if (hammingDistance(near, hashes[other]!) > distance) continue;
        groups[other] = first;
        waiting.delete(other);
        reached.push(other);
      }
    }
  }
  return groups;
}

/** Of one background: most fields are as dark as their neighbours, so that thousands share every block of their bits. */
function alike(count: number, seed: number): DifferenceHash[] {
  const random = seededRandom(seed);
  const half = (): number => (random.uint32() & random.uint32() & random.uint32()) >>> 0;
  return Array.from({ length: count }, () => ({ high: half(), low: half() }));
}

describe('groups of pictures that look alike', function () {
  this.timeout(120_000);

  it('are those that comparing all with all finds, at every distance', async () => {
    const different = alike(600, 3);
    const hashes = [...different, undefined, ...different.slice(0, 20), undefined];
    for (const distance of [0, 1, 2, 3, 5, 8, 10]) {
      deepEqual([...(await nearHashGroups(hashes, distance))], groupsByComparing(hashes, distance), `${distance}`);
    }
  });

  it('hold every pair also where thousands share a block of their bits', async () => {
    const hashes = alike(6000, 4);
    // Half a hash is the same for all, as of a white upper half.
    for (const [at, { low }] of hashes.entries()) hashes[at] = { high: 0, low };
    const groups = await nearHashGroups(hashes, 3);
    deepEqual([...groups], groupsByComparing(hashes, 3));
    notDeepEqual([...groups], [...(await nearHashGroups(hashes, 0))]);
  });

  it('are no longer looked for once the run is cancelled', async () => {
    await rejects(nearHashGroups(alike(20_000, 5), 10, AbortSignal.abort(new Error('enough'))), /enough/);
  });
});
