import { deepEqual, equal, ok } from 'node:assert/strict';
import { foldsOf, kinOf } from '../../activities/validation/kin.ts';
import { seededRandom } from '../../activities/validation/random.ts';

const random = seededRandom(11);
const noise = (): Float32Array => Float32Array.from({ length: 64 }, () => random.below(1000) - 499.5);

describe('kin among the rows of a side', () => {
  it('are rows that resemble each other or share a key, in groups with the kin of their kin', async () => {
    const rows = Array.from({ length: 20 }, noise);
    rows[7] = rows[3]!.map((value) => value * 1.1);
    const keys = rows.map((_, at): string[] => (at === 3 || at === 12 ? ['one talk'] : [`talk ${at}`]));
    const { groups, kin } = await kinOf(rows, keys);
    equal(new Set(groups).size, 18);
    equal(new Set([groups[3], groups[7], groups[12]]).size, 1);
    deepEqual(
      kin[3]!.toSorted((one, other) => one - other),
      [7, 12],
    );
    deepEqual([kin[7], kin[12], kin[0]], [[3], [3], []]);
  });

  it('are not joined by kin of kin where chains are none', async () => {
    const keys = Array.from({ length: 12 }, (_, at) => [`link ${at}`, `link ${at + 1}`]);
    const { groups } = await kinOf(Array.from({ length: 12 }, noise), keys, { chains: false });
    for (const group of groups) ok(groups.filter((other) => other === group).length <= 3, String(groups));
  });

  it('must be more alike where so many are that one group would hold most rows', async () => {
    // Each shares half of its numbers with the next: a chain of all.
    const parts = Array.from({ length: 41 }, noise);
    const chain = Array.from({ length: 40 }, (_, at) => Float32Array.from([...parts[at]!, ...parts[at + 1]!]));
    const places = Array.from({ length: 40 }, (_, at) => {
      const row = new Float32Array(64 * 41);
      row.set(chain[at]!, 64 * at);
      return row;
    });
    const { groups } = await kinOf(
      places,
      places.map(() => []),
    );
    const largest = Math.max(...groups.map((group) => groups.filter((other) => other === group).length));
    ok(largest <= 10, `${largest} of 40 rows are one group`);
  });

  it('are in one fold, and the folds are of one size where groups allow it', () => {
    const groups = [0, 0, 0, 3, 4, 4, 6, 7, 8, 9];
    const folds = foldsOf(groups, 2);
    equal(new Set(folds.slice(0, 3)).size, 1);
    equal(folds[4], folds[5]);
    equal(folds.filter((fold) => fold === 0).length, 5);
  });
});
