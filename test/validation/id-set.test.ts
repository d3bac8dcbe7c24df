import { deepEqual, equal } from 'node:assert/strict';
import { IdSet } from '../../activities/validation/id-set.ts';

describe('a set of very many ids', () => {
  it('knows those that were added and no others, however often it had to grow', () => {
    const set = new IdSet();
    const count = 20_000;
    for (let id = 0; id < count; id++) set.add(`row-${id}`);
    for (let id = 0; id < count; id += 3) set.add(`row-${id}`);
    equal(set.size, count);
    const known = Array.from({ length: 2 * count }, (_, id) => set.has(`row-${id}`));
    deepEqual(known, [...Array<boolean>(count).fill(true), ...Array<boolean>(count).fill(false)]);
    equal(new IdSet().has(''), false);
  });
});
