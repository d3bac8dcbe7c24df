import assert from 'node:assert/strict';
import { EspalierError } from '../../artifacts/errors.ts';
import { openStore } from '../../artifacts/open.ts';
import { withStore, type TestStore } from '../support/store.ts';

describe('pointers', () => {
  let test: TestStore;
  before(async () => {
    test = await withStore();
  });

  it('are created once, replaced only at the version that was read, and listed', async () => {
    const { pointers } = test;
    assert.equal(await pointers.read('jobs/a/latest'), undefined);
    assert.equal(await pointers.create('jobs/a/latest', { step: 1 }), true);
    assert.equal(await pointers.create('jobs/a/latest', { step: 2 }), false);
    const first = await pointers.read<{ step: number }>('jobs/a/latest');
    assert.deepEqual(first?.value, { step: 1 });
    assert.equal(await pointers.replace('jobs/a/latest', { step: 3 }, first.version), true);
    assert.equal(await pointers.replace('jobs/a/latest', { step: 4 }, first.version), false);
    assert.deepEqual((await pointers.read('jobs/a/latest'))?.value, { step: 3 });
    assert.equal(await pointers.replace('jobs/never/there', { step: 1 }, first.version), false);
    assert.equal(await pointers.create('jobs/b/latest', {}), true);
    assert.deepEqual(await pointers.list('jobs/'), ['jobs/a/latest', 'jobs/b/latest']);
  });

  it('let exactly one of 16 writers create, and lose no update of 16 that count', async () => {
    const { pointers } = test;
    const created = await Promise.all(Array.from({ length: 16 }, (_, i) => pointers.create('race/one', { winner: i })));
    assert.deepEqual(created.filter(Boolean), [true]);
    assert.deepEqual((await pointers.read('race/one'))?.value, { winner: created.indexOf(true) });

    await pointers.create('race/counter', { count: 0 });
    const increments = Array.from({ length: 16 }, async () => {
      for (let done = 0; done < 5;) {
        const now = await pointers.read<{ count: number }>('race/counter');
        if (await pointers.replace('race/counter', { count: (now?.value.count ?? 0) + 1 }, now?.version)) done++;
      }
    });
    await Promise.all(increments);
    assert.deepEqual((await pointers.read('race/counter'))?.value, { count: 80 });
  });

  it('refuse keys that could escape, collide with content, or be read as another key', async () => {
    const bad = [
      '',
      '/a',
      'a/',
      'a//b',
      '../a',
      'a/..',
      'a/./b',
      'a b',
      'a\\b',
      'ü',
      'blobs/x',
      'audit/000',
      'a'.repeat(901),
    ];
    for (const key of bad) {
      await assert.rejects(test.pointers.create(key, {}), { kind: 'BadConfig' }, key);
    }
  });

  it('refuse a key below another one, instead of reporting a lost race', async () => {
    await test.pointers.create('parent', {});
    await assert.rejects(
      test.pointers.create('parent/child', {}),
      (error) => error instanceof EspalierError && /ParentIsFile/.test(error.message),
    );
  });

  it('say so when an object is not JSON', async () => {
    await test.objects.putBytes('broken', Buffer.from('{"a":'));
    await assert.rejects(test.pointers.read('broken'), { kind: 'Corrupt' });
  });

  it('stay below the prefix of their settings', async () => {
    const inside = await withStore({ ESPALIER_PREFIX: '/team/a/' });
    await inside.pointers.create('x/y', 1);
    assert.deepEqual(await inside.pointers.list(''), ['x/y']);
    const outside = await openStore({ ...inside.env, ESPALIER_PREFIX: '' });
    assert.deepEqual(await outside.pointers.list(''), ['team/a/x/y']);
  });
});
