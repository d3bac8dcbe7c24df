import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { BlobCache } from '../../artifacts/cache.ts';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import { digestBytes, digestFile } from '../../artifacts/digest.ts';
import { EspalierError, type ErrorKind } from '../../artifacts/errors.ts';
import { isArtifactRef } from '../../artifacts/reference.ts';
import { ArtifactStore, blobKey } from '../../artifacts/store.ts';
import { testFolder, withStore, type TestStore } from '../support/store.ts';

const fails = (kind: ErrorKind, pattern: RegExp) => (error: unknown) =>
  error instanceof EspalierError && error.kind === kind && pattern.test(error.message);

async function folderWith(files: Record<string, string | Buffer>): Promise<string> {
  const directory = await mkdtemp(join(testFolder(), 'tree-'));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(directory, path, '..'), { recursive: true });
    await writeFile(join(directory, path), content);
  }
  return directory;
}

const emptyFolder = (): string => join(testFolder(), `out-${randomUUID()}`);

/** The commands that the store sends from now on, by name. */
function countCommands({ objects }: TestStore): Map<string, number> {
  const counts = new Map<string, number>();
  objects.client.middlewareStack.add(
    (next, context) => async (args) => {
      counts.set(String(context.commandName), (counts.get(String(context.commandName)) ?? 0) + 1);
      return next(args);
    },
    { step: 'initialize' },
  );
  return counts;
}

describe('the artifact store', () => {
  let test: TestStore;
  before(async () => {
    test = await withStore();
  });

  it('gives back bytes, JSON and files as they were put', async () => {
    const { store } = test;
    const bytes = await store.putBytes('héllo', { name: 'greeting.txt', mediaType: 'text/plain' });
    assert.deepEqual(bytes, { digest: digestBytes('héllo'), mediaType: 'text/plain', size: 6, name: 'greeting.txt' });
    assert.equal((await store.getBytes(bytes)).toString(), 'héllo');

    const json = await store.putJson({ b: 1, a: [null, 'x'] }, 'facts.json');
    assert.equal((await store.getBytes(json)).toString(), '{"a":[null,"x"],"b":1}');
    assert.deepEqual(await store.getJson(json.digest), { a: [null, 'x'], b: 1 });

    const directory = await folderWith({ 'data.bin': randomBytes(300_000), empty: '' });
    for (const name of ['data.bin', 'empty']) {
      const ref = await store.putFile(join(directory, name), { name, mediaType: 'application/octet-stream' });
      assert.ok(isArtifactRef(ref));
      assert.deepEqual(await readFile(await store.file(ref)), await readFile(join(directory, name)));
      assert.equal(await store.has(ref.digest), true);
    }
  });

  it('gives back a tree with its modes, and tells its progress', async () => {
    const { store } = test;
    const directory = await folderWith({ 'a.txt': 'a', 'deep/er/run.sh': '#!', 'deep/z': '', 'Ä/ö.txt': 'o' });
    await chmod(join(directory, 'deep/er/run.sh'), 0o755);
    const seen: [number, number][] = [];
    const ref = await store.putTree(directory, 'model', { onProgress: (done, total) => seen.push([done, total]) });
    assert.deepEqual(seen.at(-1), [4, 4]);
    assert.deepEqual(
      (await store.tree(ref)).entries.map((entry) => [entry.path, entry.mode]),
      [
        ['a.txt', '644'],
        ['deep/er/run.sh', '755'],
        ['deep/z', '644'],
        ['Ä/ö.txt', '644'],
      ],
    );
    const out = emptyFolder();
    await store.checkout(ref, out);
    assert.equal((await stat(join(out, 'deep/er/run.sh'))).mode & 0o777, 0o755);
    assert.equal((await store.putTree(out, 'again')).digest, ref.digest);
    assert.equal(await readFile(await store.fileInTree(ref, 'Ä/ö.txt'), 'utf8'), 'o');
    await assert.rejects(store.fileInTree(ref, 'b.txt'), fails('NotFound', /no 'b.txt' in 'model'/));
    await assert.rejects(store.checkout(ref, out), fails('Conflict', /is not empty/));
  });

  it('gives back files whose names end in .partial, and files whose names are as long as a name can be', async () => {
    const long = 'x'.repeat(255);
    const files = Object.fromEntries(
      ['a', 'a.partial', 'a.partial.partial', long].map((name) => [name, `the text of ${name}`]),
    );
    const ref = await test.store.putTree(await folderWith(files), 'names');
    // Once from the store and once from the cache: the two write in different ways.
    for (const warm of [false, true]) {
      const out = emptyFolder();
      await test.store.checkout(ref, out);
      assert.deepEqual(
        (await readdir(out)).toSorted(),
        Object.keys(files).toSorted(),
        warm ? 'from the cache' : 'fetched',
      );
      for (const [name, text] of Object.entries(files)) assert.equal(await readFile(join(out, name), 'utf8'), text);
      for (const name of Object.keys(files)) await test.store.fileInTree(ref, name);
    }
  });

  it('makes the same tree of the same references, and refuses one of a missing reference', async () => {
    const { store } = test;
    const ref = await store.putBytes('a', { name: 'a', mediaType: 'text/plain' });
    const directory = await folderWith({ 'x/a': 'a', b: 'a' });
    const entries = [
      { path: 'x/a', ref },
      { path: 'b', ref },
    ];
    assert.equal((await store.putManifest(entries, 't')).digest, (await store.putTree(directory, 't')).digest);
    const missing = { ...ref, digest: digestBytes('never stored') };
    await assert.rejects(
      store.putManifest([{ path: 'a', ref: missing }], 't'),
      fails('NotFound', /t\/a is not in the store/),
    );
  });

  it('sends no blob of an unchanged tree, and only the changed file of a changed one', async () => {
    const mine = await withStore();
    const directory = await folderWith({ a: 'a', b: 'b', c: 'a' });
    const first = await mine.store.putTree(directory, 't');
    const counts = countCommands(mine);
    assert.equal((await mine.store.putTree(directory, 't')).digest, first.digest);
    assert.equal(counts.get('PutObjectCommand') ?? 0, 0);
    await writeFile(join(directory, 'b'), 'B');
    await mine.store.putTree(directory, 't');
    assert.equal(counts.get('PutObjectCommand'), 2, 'the file and the manifest');
  });

  it('keeps one copy when many put the same bytes at the same moment', async () => {
    const { store, objects } = test;
    const content = randomBytes(100_000);
    const refs = await Promise.all(
      Array.from({ length: 16 }, () => store.putBytes(content, { name: 'x', mediaType: 'x/y' })),
    );
    assert.equal(new Set(refs.map((ref) => ref.digest)).size, 1);
    assert.deepEqual(await store.getBytes(refs[0]?.digest ?? 'sha256:'), content);
    assert.equal((await objects.list(blobKey(digestBytes(content)))).length, 1);
  });

  it('answers a damaged object with Corrupt, never with its bytes, and heals it when the content is put again', async () => {
    const { store, objects } = test;
    const content = Buffer.from('the right bytes');
    const directory = await folderWith({ 'f.bin': content });
    const ref = await store.putTree(directory, 't');
    const digest = digestBytes(content);
    await objects.putBytes(blobKey(digest), Buffer.from('the wrong bytes'));

    const out = emptyFolder();
    await assert.rejects(store.getBytes(digest), fails('Corrupt', /are not what was stored/));
    await assert.rejects(store.file(digest), fails('Corrupt', /are not what was stored/));
    await assert.rejects(store.checkout(ref, out), fails('Corrupt', /are not what was stored/));
    assert.deepEqual(await readdir(out), [], 'nothing of it is left');
    await objects.putBytes(blobKey(digest), Buffer.from('longer than what was stored'));
    await assert.rejects(store.checkout(ref, out), fails('Corrupt', /are not what was stored/));

    await store.putTree(directory, 't');
    assert.deepEqual(await store.getBytes(digest), content);
  });

  it('answers an object that rotted where it lies with Corrupt, be it an artifact or a pointer', async () => {
    const { store, objects, pointers } = test;
    const rot = async (key: string, bytes: string): Promise<void> => {
      const { Bucket, Key } = objects.at(key);
      // The gateway keeps the checksum beside the bytes, as every store does.
      await writeFile(join(testFolder(), 'data', Bucket, Key), bytes);
    };
    const ref = await store.putJson({ a: 1 }, 'a.json');
    await rot(blobKey(ref.digest), '{"a":2}');
    await assert.rejects(store.getBytes(ref), fails('Corrupt', /are not what was stored/));
    await assert.rejects(store.getJson(ref), fails('Corrupt', /are not what was stored/));
    await pointers.create('steps/rotted', { a: 1 });
    await rot('steps/rotted', '{"a":2}');
    await assert.rejects(pointers.read('steps/rotted'), fails('Corrupt', /are not what was stored/));
  });

  it('says which artifact is missing', async () => {
    const { store } = test;
    const digest = digestBytes('nobody put this');
    await assert.rejects(store.getBytes(digest), fails('NotFound', /is not in the store/));
    await assert.rejects(
      store.file({ digest, name: 'weights', size: 3, mediaType: 'x/y' }),
      fails('NotFound', /'weights' is not in the store/),
    );
    assert.equal(await store.has(digest), false);
    await assert.rejects(
      store.getJson(await store.putBytes('{', { name: 'x', mediaType: 'x/y' })),
      fails('BadData', /not JSON/),
    );
  });

  for (const [what, path] of [
    ['leaves the directory', '../evil'],
    ['leaves it further in', 'a/../../evil'],
    ['is absolute', '/etc/evil'],
    ['is absolute on Windows', 'C:/evil'],
    ['has a backslash', 'a\\..\\evil'],
    ['has a NUL', 'a\0b'],
    ['has an empty segment', 'a//b'],
  ] as const) {
    it(`refuses a stored manifest with a path that ${what}`, async () => {
      const { store } = test;
      const { digest, size } = await store.putBytes('x', { name: 'x', mediaType: 'x/y' });
      const manifest = await store.putJson({ version: 1, entries: [{ path, digest, size, mode: '644' }] }, 't');
      const out = emptyFolder();
      await assert.rejects(store.checkout(manifest, out), fails('BadData', /refused a tree/));
      await assert.rejects(stat(out), { code: 'ENOENT' });
    });
  }

  it('refuses manifests with colliding, unsorted, repeated or malformed entries', async () => {
    const { store } = test;
    const { digest, size } = await store.putBytes('x', { name: 'x', mediaType: 'x/y' });
    const entry = (path: string, more = {}) => ({ path, digest, size, mode: '644', ...more });
    for (const [entries, pattern] of [
      [[entry('A'), entry('a')], /differ only in case/],
      [[entry('D/x'), entry('d/y')], /differ only in case/],
      [[entry('e\u0301'), entry('\u00e9')], /differ only in case or accents/],
      [[entry('a'), entry('a/b')], /is a file and a folder/],
      [[entry('b'), entry('a')], /out of order/],
      [[entry('a'), entry('a')], /twice/],
      [[entry('a', { size: -1 })], /size/],
      [[entry('a', { mode: '777' })], /mode/],
      [[entry('a', { digest: 'sha256:0' })], /digest/],
      [[entry('a', { target: '/etc' })], /unknown field/],
    ] as const) {
      const ref = await store.putJson({ version: 1, entries }, 't');
      await assert.rejects(store.tree(ref), fails('BadData', pattern));
    }
    await assert.rejects(
      store.tree(await store.putJson({ version: 2, entries: [] }, 't')),
      fails('BadData', /version 1/),
    );
    const loose = await store.putBytes(`${canonicalJson({ version: 1, entries: [] })}\n`, {
      name: 't',
      mediaType: 'x/y',
    });
    await assert.rejects(store.tree(loose), fails('BadData', /canonical/));
  });

  it('refuses to store symbolic links and names that collide on some disks', async () => {
    const { store } = test;
    const linked = await folderWith({ a: 'a' });
    await symlink('/etc/hostname', join(linked, 'link'));
    await assert.rejects(store.putTree(linked, 't'), fails('BadData', /symbolic link/));
    await assert.rejects(
      store.putTree(await folderWith({ 'x/A': '1', 'x/a': '2' }), 't'),
      fails('BadData', /only in case/),
    );
  });

  it('stops a transfer when it is aborted', async () => {
    const { store } = test;
    const directory = await folderWith({ a: randomBytes(1000) });
    await assert.rejects(store.putTree(directory, 't', { signal: AbortSignal.abort() }), { name: 'AbortError' });
    const ref = await store.putTree(directory, 't');
    await assert.rejects(store.checkout(ref, emptyFolder(), { signal: AbortSignal.abort() }), { name: 'AbortError' });
  });
});

describe('the local cache', () => {
  it('serves a second read without the store, and fetches a damaged copy again', async () => {
    const mine = await withStore();
    const ref = await mine.store.putBytes('cached', { name: 'x', mediaType: 'x/y' });
    const path = await mine.store.file(ref);
    const counts = countCommands(mine);
    assert.equal(await mine.store.file(ref), path);
    assert.equal(counts.size, 0, 'no request');

    await chmod(path, 0o644);
    await writeFile(path, 'CACHED');
    assert.equal(await readFile(await mine.store.file(ref), 'utf8'), 'cached');
    assert.equal(counts.get('GetObjectCommand'), 1);
    await truncate(path, 0).catch(() => chmod(path, 0o644).then(() => truncate(path, 0)));
    const fresh = new ArtifactStore(mine.objects);
    assert.equal(await readFile(await fresh.file(ref), 'utf8'), 'cached', 'by another process');
  });

  it('fetches once for callers at the same moment, and lets one cancel alone', async () => {
    const mine = await withStore();
    const ref = await mine.store.putBytes(randomBytes(200_000), { name: 'x', mediaType: 'x/y' });
    const counts = countCommands(mine);
    const paths = await Promise.all(Array.from({ length: 8 }, () => mine.store.file(ref)));
    assert.equal(new Set(paths).size, 1);
    assert.equal(counts.get('GetObjectCommand'), 1);

    const other = await mine.store.putBytes(randomBytes(200_000), { name: 'x', mediaType: 'x/y' });
    const cancelled = mine.store.file(other, AbortSignal.abort());
    const wanted = mine.store.file(other);
    await assert.rejects(cancelled, { name: 'AbortError' });
    assert.equal(await digestFile(await wanted), other.digest);
  });

  it('stays within its size by dropping what was used longest ago', async () => {
    const directory = join(testFolder(), `cache-${randomUUID()}`);
    const cache = new BlobCache(directory, 1000, 0);
    const blobs = Array.from({ length: 8 }, (_, i) => Buffer.alloc(300, i));
    for (const [index, blob] of blobs.entries()) {
      const path = await cache.fill(digestBytes(blob), async (file) => void (await file.write(blob)));
      const minute = Date.now() / 1000 - 3600 + index * 60;
      await utimes(path, minute, minute);
      if (index === 1) await cache.find(digestBytes(blobs[0] ?? ''));
    }
    const kept = await Promise.all(blobs.map(async (blob) => (await cache.find(digestBytes(blob))) !== undefined));
    assert.deepEqual(kept, [true, false, false, false, false, false, true, true], 'the used one and the newest');
    await rm(directory, { recursive: true });
  });

  it('keeps what it has just handed out, however full it is', async () => {
    const cache = new BlobCache(join(testFolder(), `cache-${randomUUID()}`), 10);
    const paths = await Promise.all(
      ['one', 'two', 'three and more'].map((text) =>
        cache.fill(digestBytes(text), async (file) => void (await file.write(text))),
      ),
    );
    for (const path of paths) assert.ok((await stat(path)).size > 0);
  });
});
