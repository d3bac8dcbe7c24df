import { deepEqual, equal, notDeepEqual, ok, rejects } from 'node:assert/strict';
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

  it('cost little where all are within the distance of one: who is joined is compared no more', async () => {
    const random = seededRandom(6);
    let reads = 0;
    const around = Array.from({ length: 6000 }, () => {
      const turned = Array.from({ length: 5 }, () => random.below(64));
      const half = (from: number): number =>
        turned.reduce((bits, bit) => (bit >= from && bit < from + 32 ? bits ^ (1 << (bit - from)) : bits), 0) >>> 0;
      const [high, low] = [half(32), half(0)];
      return {
        get high() {
          reads += 1;
          return high;
        },
        low,
      };
    });
    const groups = await nearHashGroups([{ high: 0, low: 0 }, ...around], 5);
    equal(new Set(groups).size, 1);
    const pairs = (6000 * 6001) / 2;
    ok(reads < pairs / 5, `${reads} looks at hashes, of ${pairs} pairs`);
  });

  it('are those that comparing all with all finds, where many are around one and many around another', async () => {
    const [light, other] = [alike(400, 7), alike(400, 8)];
    const far = other.map(({ high, low }) => ({ high: ~high >>> 0, low: ~low >>> 0 }));
    for (const distance of [3, 5, 10, 16]) {
      const hashes = [...light.slice(0, 200), ...far, ...light.slice(200)];
      deepEqual([...(await nearHashGroups(hashes, distance))], groupsByComparing(hashes, distance), `${distance}`);
    }
  });

  it('are no longer looked for once the run is cancelled', async () => {
    // Two kinds that never meet: of one all are compared with all of the other.
    const light = alike(6000, 5);
    const dark = light.map(({ high, low }) => ({ high: ~high >>> 0, low: ~low >>> 0 }));
    await rejects(nearHashGroups([...light, ...dark], 10, AbortSignal.abort(new Error('enough'))), /enough/);
  });
});
