import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { keptOf, mark, named, type MarkOptions, type RunTexts } from '../../artifacts/collect.ts';
import { digestBytes } from '../../artifacts/digest.ts';
import type { EspalierError } from '../../artifacts/errors.ts';
import { MULTIPART_FROM } from '../../artifacts/file-content.ts';
import { openStore, type OpenStore } from '../../artifacts/open.ts';
import { hexOf, TREE_MEDIA_TYPE, type ArtifactRef, type Digest } from '../../artifacts/reference.ts';
import { blobKey } from '../../artifacts/store.ts';
import { sweep, type SweepOptions } from '../../artifacts/sweep.ts';
import { LEASE_KEY, readLease, touchKey } from '../../artifacts/touch.ts';
import { testFolder, withStore, type TestStore } from '../support/store.ts';

const DAY = 24 * 3600_000;
const GRACE = 7 * DAY;
const ago = (days: number): string => new Date(Date.now() - days * DAY).toISOString();
const TEXT = { name: 'file.txt', mediaType: 'text/plain' };
const hex = (name: string): string => hexOf(digestBytes(name));

/** Calls `hook` around every command of this name that the store sends. */
function around(
  command: string,
  { objects }: OpenStore,
  hook: (send: () => Promise<unknown>) => Promise<unknown>,
): void {
  objects.client.middlewareStack.add(
    (next, context) => async (args) =>
      (context.commandName === command ? hook(() => next(args)) : next(args)) as ReturnType<typeof next>,
    { step: 'initialize' },
  );
}

async function* runs(...all: RunTexts[]): AsyncGenerator<RunTexts> {
  yield* all;
}

describe('the digests that a text names', () => {
  const [a, b] = [digestBytes('a'), digestBytes('b')];
  const reference = { digest: a, mediaType: TREE_MEDIA_TYPE, size: 1, name: 'tree' };
  const cases: [what: string, text: string, found: [Digest, boolean][]][] = [
    ['in references, with what they are', JSON.stringify({ deep: [{ reference }] }), [[a, true]]],
    [
      'bare ones, as in the input of a step record',
      JSON.stringify({ input: { tree: a, other: [b] } }),
      [
        [a, false],
        [b, false],
      ],
    ],
    [
      'in keys and inside longer strings',
      JSON.stringify({ [a]: `s3://bucket/${b}.bin` }),
      [
        [a, false],
        [b, false],
      ],
    ],
    [
      'once as a document, whatever else is said',
      JSON.stringify([a, reference, { ...reference, mediaType: 'x' }]),
      [[a, true]],
    ],
    ['in JSON within JSON', JSON.stringify(JSON.stringify({ digest: a })), [[a, false]]],
    [
      'in text that is not JSON',
      `{"half": "${a}", see ${b}`,
      [
        [a, false],
        [b, false],
      ],
    ],
    ['not one that is too short', JSON.stringify(a.slice(0, -1)), []],
  ];
  for (const [what, text, found] of cases) {
    it(what, () => assert.deepEqual(named(text), new Map(found)));
  }

  it('however deep they stand', () => {
    const depth = 200_000;
    assert.deepEqual([...named(`${'['.repeat(depth)}"${a}"${']'.repeat(depth)}`)], [[a, false]]);
  });
});

describe('what a checkpoint pointer keeps', () => {
  const before = Date.now() - GRACE;
  const superseded = [
    { tree: 'old', at: ago(8) },
    { tree: 'recent', at: ago(6) },
  ];
  const pointer = { runId: 'r', renewedAt: ago(8), checkpoints: ['a'], superseded, logs: ['log'] };
  const kept = (parts: object, ended: boolean): object => keptOf({ ...pointer, ...parts }, ended, before);

  it('is its checkpoints while the training may go on, however long nobody has', () => {
    const renewedAt = ago(400);
    assert.deepEqual(kept({ renewedAt }, false), { ...pointer, renewedAt, superseded: superseded.slice(1) });
  });
  it('is no checkpoint of a training that has ended', () => assert.ok(!('checkpoints' in kept({}, true))));
  it('is its logs and what was let go within the grace, in any case', () => {
    assert.deepEqual(kept({}, true), {
      runId: 'r',
      renewedAt: pointer.renewedAt,
      logs: ['log'],
      superseded: superseded.slice(1),
    });
  });
  it('is everything while somebody used it within the grace, or nobody knows', () => {
    for (const renewedAt of [ago(6), undefined, 'yesterday'])
      assert.deepEqual((kept({ renewedAt }, true) as { checkpoints?: string[] }).checkpoints, ['a']);
  });
});

for (const prefix of ['', 'team/one/']) {
  describe(`the collection of garbage${prefix === '' ? '' : ' below a prefix'}`, () => {
    let test: TestStore;
    let twin: OpenStore;
    beforeEach(async () => {
      test = await withStore({ ESPALIER_PREFIX: prefix });
      twin = await openStore(test.env);
    });
    afterEach(() => {
      twin.close();
      test.close();
    });

    const fileOf = (key: string): string => {
      const at = test.objects.at(key);
      return join(testFolder(), 'data', at.Bucket, at.Key);
    };
    /** The gateway tells the age of its files. */
    async function age(key: string, days = 30): Promise<void> {
      await utimes(fileOf(key), new Date(ago(days)), new Date(ago(days)));
    }
    async function ageAll(): Promise<void> {
      for (const key of await test.objects.list('')) await age(key);
    }
    async function put(text: string, days = 30): Promise<ArtifactRef> {
      const ref = await test.store.putBytes(text, TEXT);
      await age(blobKey(ref.digest), days);
      return ref;
    }
    async function tree(name: string, files: Record<string, string>): Promise<ArtifactRef> {
      const directory = join(testFolder(), randomUUID());
      for (const [path, text] of Object.entries(files)) {
        await mkdir(dirname(join(directory, path)), { recursive: true });
        await writeFile(join(directory, path), text);
      }
      const ref = await test.store.putTree(directory, name);
      for (const { digest } of (await test.store.tree(ref)).entries) await age(blobKey(digest));
      await age(blobKey(ref.digest));
      return ref;
    }
    async function collect(options: Partial<MarkOptions & SweepOptions> = {}, ...known: RunTexts[]) {
      const marked = await mark(test.objects, runs(...known), { graceMs: GRACE, ...options });
      return sweep(test.objects, marked, { remove: true, ...options });
    }
    async function left(): Promise<Digest[]> {
      return (await test.objects.list('blobs/')).map((key): Digest => `sha256:${key.slice(-64)}`).toSorted();
    }
    const digests = (...refs: ArtifactRef[]): Digest[] => refs.map(({ digest }) => digest).toSorted();

    it('keeps what documents reach from documents: pointer, release, evidence, facts, tree, file', async () => {
      const file = await put('rows');
      const dataset = await tree('dataset', { 'data.csv': 'rows' });
      const facts = await test.store.putJson({ data: { dataset } }, 'facts.json');
      const evidence = await test.store.putManifest([{ path: 'facts.json', ref: facts }], 'evidence');
      const release = await test.store.putJson({ evidence, note: 'ä' }, 'release.json');
      await test.pointers.create('registry/m/channels/production', { version: 1, release });
      const garbage = await put('garbage');
      await ageAll();
      const counted = await collect({ remove: false });
      assert.deepEqual(counted.garbage, { blobs: 1, bytes: 7 });
      assert.equal((await left()).length, 6, 'counting deletes nothing');
      assert.deepEqual(await collect(), counted);
      assert.deepEqual(await left(), digests(file, dataset, facts, evidence, release));
      await assert.rejects(test.store.getBytes(garbage), { kind: 'NotFound' });
      assert.deepEqual((await collect()).garbage, { blobs: 0, bytes: 0 });
      assert.equal((await test.audit.verify()).ok, true);
      assert.ok(await test.pointers.read('registry/m/channels/production'));
    });

    it('keeps what a run names, and what step records name by digest alone, trees with their files', async () => {
      const input = await tree('input', { a: 'of a run' });
      const bare = await tree('bare', { b: 'of a step' });
      await test.pointers.create(`steps/${hex('step')}`, { version: 1, input: { tree: bare.digest }, output: {} });
      await collect({}, { runId: 'run', open: false, texts: ['"nothing"', JSON.stringify([input])] });
      for (const ref of [input, bare])
        for (const { digest } of (await test.store.tree(ref)).entries) await test.store.getBytes(digest);
      assert.equal((await left()).length, 4);
      await collect();
      assert.equal((await left()).length, 2, 'the run is forgotten');
    });

    it('deletes superseded checkpoints, and no blob that a kept one shares with them', async () => {
      const [kept, gone, recent] = [
        await tree('checkpoint-3', { frozen: 'shared', weights: 'three' }),
        await tree('checkpoint-1', { frozen: 'shared', weights: 'one' }),
        await tree('checkpoint-2', { frozen: 'shared', weights: 'two' }),
      ];
      await test.pointers.create(`checkpoints/${hex('step')}/latest`, {
        runId: 'parked for a year',
        renewedAt: ago(365),
        checkpoints: [{ step: 3, tree: kept }],
        superseded: [
          { tree: gone.digest, at: ago(8) },
          { tree: recent.digest, at: ago(6) },
        ],
      });
      const { garbage } = await collect();
      assert.equal(garbage.blobs, 2);
      for (const ref of [kept, recent])
        for (const { digest } of (await test.store.tree(ref)).entries) await test.store.getBytes(digest);
      assert.equal(await test.store.has(gone.digest), false);
      assert.equal(await test.store.has(digestBytes('one')), false);
    });

    it('deletes the checkpoints of trainings that have ended, unless it is told to keep them', async () => {
      const pointer = async (key: string, runId: string, renewedAt = ago(8)): Promise<Digest> => {
        const saved = await tree('checkpoint', { weights: `${key} ${runId}` });
        await test.pointers.create(key, { runId, renewedAt, held: true, checkpoints: [{ step: 1, tree: saved }] });
        return saved.digest;
      };
      const ended = [
        await pointer(`checkpoints/${hex('finished')}/latest`, 'done'),
        await pointer(`checkpoints/${hex('finished')}/fresh/${hex('over')}`, 'over'),
      ];
      const live = [
        await pointer(`checkpoints/${hex('unfinished')}/latest`, 'cancelled'),
        // Another run's record says nothing about this one's training.
        await pointer(`checkpoints/${hex('finished')}/fresh/${hex('open')}`, 'open'),
        await pointer(`checkpoints/${hex('just finished')}/latest`, 'done', ago(1)),
      ];
      for (const step of ['finished', 'just finished'])
        await test.pointers.create(`steps/${hex(step)}`, { output: {} });
      const known = { runId: 'open', open: true, texts: [] };
      assert.equal((await collect({ keepCheckpoints: true }, known)).garbage.blobs, 0);
      assert.equal((await collect({}, known)).garbage.blobs, 4);
      assert.deepEqual(await Promise.all(ended.map((digest) => test.store.has(digest))), [false, false]);
      assert.deepEqual(await Promise.all(live.map((digest) => test.store.has(digest))), [true, true, true]);
    });

    it('leaves what was stored within the grace, and takes it after', async () => {
      const [young, old] = [await put('young', 6.9), await put('old', 7.1)];
      const { garbage, young: spared } = await collect();
      assert.deepEqual(
        [garbage, spared],
        [
          { blobs: 1, bytes: 3 },
          { blobs: 1, bytes: 5 },
        ],
      );
      assert.deepEqual(await left(), digests(young));
      assert.equal(await test.store.has(old.digest), false);
    });

    it('refuses a grace that an upload under way could outlast', async () => {
      for (const graceMs of [0, DAY, Number.NaN])
        await assert.rejects(mark(test.objects, runs(), { graceMs }), { kind: 'BadConfig', message: /too short/ });
    });

    it('leaves an old blob that somebody has found instead of storing it, as if it were new', async () => {
      const [bytes, file, lost] = [await put('bytes'), await put('file'), await put('lost')];
      const path = join(testFolder(), randomUUID());
      await writeFile(path, 'file');
      await test.store.putBytes('bytes', TEXT);
      await test.store.putFile(path, TEXT);
      assert.equal((await collect({ pageSize: 1 })).garbage.blobs, 1);
      assert.deepEqual(await left(), digests(bytes, file));
      assert.equal(await test.store.has(lost.digest), false);
      await ageAll();
      assert.equal((await collect()).garbage.blobs, 2);
      assert.deepEqual(await test.objects.list('touched/'), [], 'the markers go with their blobs');
    });

    it('looks at a blob anew that was found after it was counted', async () => {
      const found = await put('found');
      const marked = await mark(test.objects, runs(), { graceMs: GRACE });
      assert.equal((await sweep(test.objects, marked, { remove: false })).garbage.blobs, 1);
      await twin.store.putBytes('found', TEXT);
      assert.equal((await sweep(test.objects, marked, { remove: true })).garbage.blobs, 0);
      assert.equal(await test.store.has(found.digest), true);
    });

    it('makes a put wait that finds a blob which is being deleted, and store it again', async () => {
      const ref = await put('wanted again');
      let putting: Promise<ArtifactRef> | undefined;
      let done = false;
      around('DeleteObjectsCommand', test, async (send) => {
        putting = twin.store.putBytes('wanted again', TEXT);
        void putting.then(() => (done = true));
        while (!(await test.objects.head(touchKey(blobKey(ref.digest))))) await new Promise((go) => setTimeout(go, 5));
        await new Promise((go) => setTimeout(go, 400));
        assert.equal(done, false, 'it cannot know yet');
        return send();
      });
      assert.equal((await collect()).garbage.blobs, 1);
      assert.equal((await putting)?.digest, ref.digest);
      assert.equal(String(await test.store.getBytes(ref)), 'wanted again');
      assert.equal((await collect()).garbage.blobs, 0, 'and it is new');
    });

    it('sends no deletion twice: after one without an answer it waits, and looks anew', async () => {
      const ref = await put('deleted, and stored anew');
      let sent = 0;
      // Below the SDK's own retries.
      test.objects.client.middlewareStack.add(
        (next, context) => async (args) => {
          const answer = await next(args);
          if (context.commandName !== 'DeleteObjectsCommand') return answer;
          sent++;
          throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET', name: 'TimeoutError' });
        },
        { step: 'deserialize' },
      );
      let stored = false;
      const restore = async (): Promise<void> => {
        stored = true;
        await twin.store.putBytes('deleted, and stored anew', TEXT);
        const { lease } = await readLease(test.objects);
        assert.ok(lease !== undefined, 'whoever comes now waits');
        await test.objects.putBytes(LEASE_KEY, Buffer.from(JSON.stringify({ ...lease, until: ago(0) })));
      };
      let restoring: Promise<void> | undefined;
      const onProgress = (text: string): void => {
        if (!stored && /waiting/.test(text)) restoring = restore();
      };
      assert.equal((await collect({ onProgress })).garbage.blobs, 0);
      await restoring;
      assert.equal(sent, 1);
      assert.equal(String(await test.store.getBytes(ref)), 'deleted, and stored anew');
    });

    it('loses nothing that is put while two collections run', async () => {
      const texts = Array.from({ length: 60 }, (_, index) => `blob ${index}`);
      for (const text of texts) await put(text);
      const marked = await mark(test.objects, runs(), { graceMs: GRACE });
      const putting = texts
        .filter((_, index) => index % 3 !== 0)
        .map(async (text, index) => {
          await new Promise((go) => setTimeout(go, index * 15));
          return twin.store.putBytes(text, TEXT);
        });
      const sweeps = [test, twin].map(({ objects }) => sweep(objects, marked, { remove: true, pageSize: 4 }));
      const freed = (await Promise.all(sweeps)).map(({ garbage }) => garbage.blobs);
      for (const ref of await Promise.all(putting)) await test.store.getBytes(ref);
      assert.ok(freed.reduce((sum, one) => sum + one) >= 20);
      assert.equal((await left()).length, 40);
    });

    it('may be stopped anywhere: the next one completes it', async () => {
      const kept = await put('kept');
      for (let index = 0; index < 9; index++) await put(`garbage ${index}`);
      const known = { runId: 'run', open: true, texts: [kept.digest] };
      const stop = new AbortController();
      const onProgress = (text: string): void => (/^deleted [1-9]/.test(text) ? stop.abort() : undefined);
      await assert.rejects(collect({ pageSize: 4, onProgress, signal: stop.signal }, known), { name: 'AbortError' });
      const some = (await left()).length;
      assert.ok(some > 1 && some < 10, `${some} are left`);
      await collect({ pageSize: 4 }, known);
      assert.deepEqual(await left(), digests(kept));
    });

    for (const files of [1, 2000]) {
      it(`stops at a damaged manifest of ${files} files, naming it, and deletes nothing`, async () => {
        const leaf = await test.store.putBytes('', TEXT);
        const entries = Array.from({ length: files }, (_, index) => ({ path: `f${index}`, ref: leaf }));
        const ref = await test.store.putManifest(entries, 'damaged');
        await test.pointers.create(`steps/${hex('step')}`, { output: { tree: ref } });
        await put('garbage');
        const path = fileOf(blobKey(ref.digest));
        const bytes = await readFile(path);
        bytes[0] = 0x20;
        await writeFile(path, bytes);
        const before = await left();
        await assert.rejects(collect(), (error: EspalierError) => {
          assert.equal(error.kind, 'Corrupt');
          assert.match(`${error.where}`, new RegExp(ref.digest.slice(7)));
          return true;
        });
        assert.deepEqual(await left(), before);
        await test.objects.delete(blobKey(ref.digest));
        await test.store.putManifest(entries, 'healed');
        assert.equal((await collect()).garbage.blobs, 1);
      });
    }

    it('stops at a record that is not JSON, and deletes nothing', async () => {
      const key = `steps/${hex('step')}`;
      await put('garbage');
      await test.objects.putBytes(key, Buffer.from('{"output":'));
      await assert.rejects(collect(), { kind: 'Corrupt', where: key });
      assert.equal((await left()).length, 1);
    });

    it("takes nothing for content that it did not store, and reads other people's objects for what they name", async () => {
      const ref = await put('named by hand');
      await test.objects.putBytes('notes.txt', Buffer.from(`keep ${ref.digest}, please`));
      await test.objects.putBytes('blobs/README', Buffer.from('not content'));
      await age('blobs/README');
      assert.equal((await collect()).garbage.blobs, 0);
      assert.equal((await test.objects.list('')).length, 3);
    });

    it('counts the age of what is stored in parts from its end, not from its beginning', async () => {
      const path = join(testFolder(), randomUUID());
      await writeFile(path, prefix);
      await truncate(path, MULTIPART_FROM);
      // As on AWS: the object of an upload that was continued after long is as old as the upload.
      around('CompleteMultipartUploadCommand', test, async (send) => {
        const answer = await send();
        const [key = ''] = await test.objects.list('blobs/');
        await age(key);
        return answer;
      });
      const { digest } = await test.store.putFile(path, TEXT);
      assert.ok(Date.now() - (await stat(fileOf(blobKey(digest)))).mtimeMs > 20 * DAY);
      assert.equal((await collect()).garbage.blobs, 0);
    });
  });
}
